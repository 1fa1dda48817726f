"""What is wrong with a problem file, said in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from tools.harness.tensors import Unsupported

REFUSALS = (
    RuntimeError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    Unsupported,
)
"""What a module that was not written for float64 may raise in it."""


class Fault(Exception):
    """The problem file cannot be used; the message is one line that says why."""


@contextmanager
def blamed_on(what: str) -> Iterator[None]:
    """Turn whatever the user's code raises into a Fault that names ``what``.

    A border: the code may raise anything, ``SystemExit`` included.
    """
    try:
        yield
    except (Fault, torch.OutOfMemoryError):  # a device's: what is kept there may be given up for it
        raise
    except Unsupported as error:
        raise Fault(f"{what} gave {error}: only strided CPU tensors of ordinary dtypes can be judged") from error
    except BaseException as error:
        text = " ".join(str(error).split())[:300]
        if isinstance(error, MemoryError) or "allocate memory" in text or "not enough memory" in text:
            raise Fault(f"{what} needs more memory than this machine may give it: {text}") from error
        raise Fault(f"{what} raised {type(error).__name__}: {text}") from error
