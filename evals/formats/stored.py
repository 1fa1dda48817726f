"""Tensors that a workload brings along in a safetensors file, as Python text inside the problem."""

from __future__ import annotations

import base64
import lzma
import math
import struct
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, Final

from evals.formats.schema import FormatError, StoredInput

FUNCTION: Final = "stored"
DEFINED: Final = f'''
def {FUNCTION}(text, dtype, shape):
    """A tensor that the workload brings along: the same values in every draw."""
    raw = bytearray(lzma.decompress(base64.b64decode(text)))
    return torch.frombuffer(raw, dtype=dtype).reshape(shape) if raw else torch.empty(shape, dtype=dtype)
'''
_NAMES: Final = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
_WHOLE: Final = {"int64": "q", "int32": "i", "int16": "h", "int8": "b", "uint8": "B", "bool": "?"}
_SPELLED: Final = 64
"""Up to so many whole numbers are written out: a model reads them."""
_LARGEST_FILE: Final = 256 << 20
_ABOVE: Final = 4
"""Folders above a definition's own in which a path may begin."""


@dataclass
class Store:
    """The safetensors files of a dataset; the last one that was read is kept."""

    roots: tuple[Path, ...]
    """Where relative paths may begin, the likeliest first."""
    _kept: tuple[Path, dict[str, Any]] | None = field(default=None, init=False)

    def text(self, given: StoredInput, dtype: str, shape: tuple[int, ...]) -> str:
        """A Python expression of the tensor. Raises FormatError if it cannot be had, or is not what is defined."""
        tensors = self._tensors(self._path(given.path))
        if given.tensor_key not in tensors:
            raise FormatError(f"{given.path} holds no tensor {given.tensor_key}")
        found = tensors[given.tensor_key]
        kind = _NAMES.get(found["dtype"], found["dtype"])
        if kind != dtype or tuple(found["shape"]) != shape:
            raise FormatError(
                f"{given.tensor_key} in {given.path} is {kind}{found['shape']}, and {dtype}{list(shape)} is defined"
            )
        return _expression(bytes(found["data"]), dtype, shape)

    def _path(self, text: str) -> Path:
        path = PurePosixPath(text)
        if path.is_absolute() or ".." in path.parts:
            raise FormatError(f"the stored tensor {text} lies outside of the dataset: give a path relative to it")
        for root in self.roots:
            if (root / path).is_file():
                return root / path
        raise FormatError(f"the stored tensors {text} are not there: fetch the dataset's large files, too")

    def _tensors(self, path: Path) -> dict[str, Any]:
        if self._kept is not None and self._kept[0] == path:
            return self._kept[1]
        if find_spec("safetensors") is None:
            raise FormatError("its workloads bring stored tensors: pip install 'kernelwright[suites]' to read them")
        library: Any = import_module("safetensors")  # it may be missing, and its types differ from version to version
        try:
            if path.stat().st_size > _LARGEST_FILE:
                raise FormatError(f"{path.name} is larger than {_LARGEST_FILE >> 20} MiB")
            tensors = dict(library.deserialize(path.read_bytes()))
        except library.SafetensorError as error:
            raise FormatError(f"{path.name} is no safetensors file: {error}") from error
        except OSError as error:
            raise FormatError(f"cannot read {path.name}: {error.strerror}") from error
        self._kept = (path, tensors)
        return tensors


def roots_of(folder: Path, top: Path) -> tuple[Path, ...]:
    """Where a path may begin that is written in ``folder``: there, above it, and in FlashInfer's dataset beside it."""
    above = [folder, *folder.parents[:_ABOVE]]
    return tuple(dict.fromkeys([top, *above, *(one / "flashinfer-trace" for one in above)]))


def _expression(raw: bytes, dtype: str, shape: tuple[int, ...]) -> str:
    count = math.prod(shape)
    if dtype in _WHOLE and 0 < count <= _SPELLED:
        values = list(struct.unpack(f"<{count}{_WHOLE[dtype]}", raw))
        whole = f"torch.tensor({values}, dtype=torch.{dtype})"
        return whole if len(shape) == 1 else f"{whole}.reshape({shape})"
    # Indices are mostly runs: their differences are nearly nothing.
    delta = {"id": lzma.FILTER_DELTA, "dist": max(1, len(raw) // count) if count else 1}
    kinds = [delta, {"id": lzma.FILTER_LZMA2}] if dtype in _WHOLE else [{"id": lzma.FILTER_LZMA2}]
    packed = lzma.compress(raw, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32, filters=kinds) if raw else b""
    text = base64.b64encode(packed if raw else lzma.compress(b"")).decode()
    return f'{FUNCTION}("{text}", torch.{dtype}, {shape})'
