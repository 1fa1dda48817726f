"""What is to be made fast: a problem file, and what was found out about it in a sandbox."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tools.errors import RequestError
from tools.roofline import Floor

MAX_PROBLEM_BYTES = 1 << 20


@dataclass(frozen=True)
class Problem:
    """A problem file in KernelBench's format, as text: ``Model``, ``get_inputs``, ``get_init_inputs``.

    It is never imported by the controller; a sandbox does that.
    """

    name: str
    source: str

    @property
    def id(self) -> str:
        """Content hash: two files with the same text are the same problem."""
        return hashlib.sha256(self.source.encode()).hexdigest()[:16]


def load_problem(path: Path) -> Problem:
    """Read a problem file. Raises RequestError with one line that says how to mend it."""
    if not path.exists():
        raise RequestError(f"no problem file at {path}: give the path of a Python file that defines class Model")
    if path.is_dir():
        raise RequestError(f"{path} is a folder: give the path of one problem file")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise RequestError(f"cannot read {path}: {error.strerror}") from error
    if len(raw) > MAX_PROBLEM_BYTES:
        raise RequestError(f"{path} is {len(raw)} bytes: a problem file has at most {MAX_PROBLEM_BYTES}")
    try:
        source = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    try:
        with warnings.catch_warnings():
            # What the file does is its owner's business; here only whether it is Python at all.
            warnings.simplefilter("ignore")
            compile(source, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        where = f"{path}:{error.lineno}" if error.lineno else str(path)
        raise RequestError(f"{where}: syntax error: {error.msg}") from error
    except ValueError as error:
        raise RequestError(f"{path}: {error}") from error
    except (MemoryError, RecursionError) as error:
        raise RequestError(f"{path} is nested too deeply for Python's parser: write it flatter") from error
    for needed in ("Model", "get_inputs"):
        if needed not in source:
            raise RequestError(
                f"{path} defines no {needed}: a problem file has class Model(nn.Module), get_inputs() "
                "and get_init_inputs()"
            )
    return Problem(name=path.stem, source=source)


class TensorFacts(BaseModel):
    """Shape and layout of one tensor."""

    model_config = ConfigDict(frozen=True)

    shape: tuple[int, ...]
    dtype: str
    """As torch spells it, without the prefix: ``float32``, ``int64``."""
    stride: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


class CaseFacts(BaseModel):
    """One set of inputs, described."""

    model_config = ConfigDict(frozen=True)

    name: str
    inputs: tuple[TensorFacts | str, ...]
    """Tensors as facts; anything else as its ``repr``."""
    outputs: tuple[TensorFacts, ...]
    bytes_moved: int
    """Compulsory traffic of one call, each byte once: what operators read of inputs, parameters and buffers (of a table
    the rows that indices name, of views what is read through them), and outputs that lie in none of those. Low where an
    operator does not say what it needs (``tools/harness/counting.py``)."""
    flops: int
    """Floating point operations as counted by torch, 0 where it cannot count."""
    bytes_written: int = 0
    """Of ``bytes_moved``, those outputs."""
    state_bytes: int = 0
    """Of ``bytes_moved``, parameters and buffers."""
    state_dtypes: tuple[str, ...] = ()
    products: dict[str, int] | None = None
    """Operations that matrix products, convolutions and attention take at least, by the dtype of their factors; None
    where that is not known."""
    floor: Floor | None = None
    """The least time of a call on the device in use, where it was measured."""


class Description(BaseModel):
    """What a sandbox found out about a problem by running its reference once."""

    model_config = ConfigDict(frozen=True)

    problem: str
    cases: tuple[CaseFacts, ...]
    graph: dict[str, Any] | None = None
    """The operator graph of the first case (``tools/harness/operator_graph.py`` documents its form)."""
    graph_error: str | None = None
    """Why there is no graph, one line."""
    operators: tuple[str, ...] = ()
    """Operators in order, as ATen names; the basis of the signature."""
    oracle: Literal["float64", "native"] = "float64"
    """``native`` where the reference cannot run in float64; then eager itself is the oracle."""
    training: bool = False
    gradients: tuple[str, ...] = ()
    """Of what gradients belong to the answer, where forward and backward are one call; they follow the outputs."""
    notes: tuple[str, ...] = ()
    """What the reader of a verdict should know about the reference, one line each."""
    torch_version: str = ""
    cpu: str = ""
    """Model name and instruction sets of the processor it ran on."""
    hardware: str = ""
    """Caches and clock of that processor, and the version of the C++ compiler beside it, as far as they are told."""
    threads: int = 1
    device: str = ""
    """What it ran on, where that is not the processor."""

    @property
    def operator_signature(self) -> str:
        """Hash of the operator sequence without shapes: equal for the same operator at other shapes."""
        return hashlib.sha256("\n".join(self.operators).encode()).hexdigest()[:16]

    @property
    def shape_signature(self) -> str:
        """Hash of the operator sequence with every input's shape and dtype."""
        facts = [str(item) for case in self.cases for item in case.inputs]
        return hashlib.sha256("\n".join([*self.operators, *facts]).encode()).hexdigest()[:16]


CLOSE_CALL_S = 180.0
"""Some twenty sittings on two cores."""
PROFILE_S = 60.0
MEMCHECK_S = 60.0


class JudgeSettings(BaseModel):
    """How strict a judgement is, fixed by a person."""

    model_config = ConfigDict(frozen=True)

    precision: Literal["native", "tolerance"] = "native"
    atol: float | None = None
    """Only under ``tolerance``; default by dtype (1e-4 for float32, 1e-2 for halves)."""
    rtol: float | None = None
    check_seeds: int = Field(default=3, ge=1, le=64)
    """Secret seeds a case in the search; a confirmation takes two more."""
    blocks: int = Field(default=12, ge=4, le=400)
    """Interleaved timing blocks a judgement; a confirmation takes twice as many."""
    close_call_s: float = Field(default=CLOSE_CALL_S, ge=0)
    """How long a confirmation that came out ambiguous may be measured on, with fresh processes; 0 for not at all."""
    stage_timeout_s: float = Field(default=120.0, gt=0)
    """For one answer of a sandboxed process; one of a candidate's may take ten times that for all (``PATIENCE``)."""
    memory_bytes: int = Field(default=12 << 30, ge=256 << 20)
    """Resident memory of one sandboxed process group."""
    admission: bool = True
    """Whether a problem is refused to which wrong answers would pass for right ones."""
    compiled: bool = True
    """Whether torch.compile is a baseline. It takes seconds of every problem; without it speed-ups are over eager."""
    autotuned: bool = True
    """Whether torch.compile's max-autotune is a baseline on a GPU. It takes a minute or more to tune."""
    profile_s: float = Field(default=PROFILE_S, ge=0)
    """For one profile of one candidate; 0 for no profilers at all."""
    profile_as_admin: bool = False
    """Whether ncu may be given CAP_SYS_ADMIN where the driver does not take CAP_PERFMON. Candidates' code runs under it
    and may then change the device's clocks."""
    memcheck_s: float = Field(default=MEMCHECK_S, ge=0)
    """For the check of a champion's accesses on a GPU; 0 for none."""
    threads: int | None = None
    """Threads for every contender; default all cores of the machine."""
