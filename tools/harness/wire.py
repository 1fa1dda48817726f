"""The wire between controller and worker: frames both ends agree on. Standard library only.

Controller to worker: ``REQUEST`` (magic, length of the JSON), the JSON (``op``, ``seq``, its arguments),
then as many raw bytes as the JSON's tensors name. ``GO_MAGIC`` (magic, sequence number) is the one request that is
timed, so it has nothing to parse: call the model on what was laid out.

The arena is a stretch of memory that both ends share. The controller puts inputs there, at places that ``lay`` told,
while the worker is held; the worker puts at its beginning how many tensors its outputs have and where in its own
memory they lie. The controller reads them there, once the worker is held again.

Worker to controller: one record of ``RECORD_BYTES``, always that long, then raw bytes. How many follow a
*candidate's* record is what the controller expects from the oracle, never what the record says; a record that
says otherwise is a wrong output. A *reference* worker may add ``text_bytes`` of JSON that names its payload.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum

REQUEST_MAGIC = b"KWREQ001"
GO_MAGIC = b"KWGO0001"
RECORD_MAGIC = b"KWREC001"
REQUEST = struct.Struct("<8sQ")
MAX_LEAVES = 32
MAX_RANK = 8
MAX_TEXT_BYTES = 16 << 20
STEPS = 3
"""In which other right answers are looked for where rounding decides (``wavering``)."""
PARTS = 4
"""Equal stretches of an input that mutants of the reference clear, one at a time."""
MAX_CALLS = 512
"""Calls in one window."""

LOOKED_AT = ("flush", "arm")
"""What a verifier does while it looks at the device; all else ends that first, for it may wait for all that runs
there. So nothing else is asked meanwhile.
"""

BUILD, RUN, TRACE, VERIFY = "build", "run", "trace", "verify"
"""What a worker may get ready for while it waits (``tools.harness.warming``)."""

ARENA_TABLE = struct.Struct("<Q")
"""How many addresses follow; each is another of these."""
ARENA_HEADER_BYTES = 1 << 18
assert ARENA_TABLE.size * (1 + MAX_CALLS * MAX_LEAVES) <= ARENA_HEADER_BYTES

_HEAD = struct.Struct("<8sQIIQQ32sQ")
_LEAF = struct.Struct("<BBBx4x8Q")
RECORD_BYTES = _HEAD.size + MAX_LEAVES * _LEAF.size

ITEM_BYTES = {
    "float32": 4,
    "float64": 8,
    "float16": 2,
    "bfloat16": 2,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
    "complex64": 8,
    "complex128": 16,
}
"""Data types that travel, with the size of an element in bytes."""

_CODES = {name: code for code, name in enumerate(ITEM_BYTES)}
_NAMES = dict(enumerate(ITEM_BYTES))


class Status(IntEnum):
    """How a request ended, as the worker says. Everything but OK is a failure; none of it is trusted."""

    OK = 0
    EXCEPTION = 1
    OUT_OF_MEMORY = 2
    UNSUPPORTED_OUTPUT = 3
    NO_MODEL = 4
    IMPORT_ERROR = 5
    FAULT = 6
    """A reference worker found the problem file unusable; its text says why."""


FLAG_OVERRUN = 1
FLAG_RECORDED = 2
"""Something was written beside the tensors that the model made for itself."""


@dataclass(frozen=True)
class Leaf:
    """One tensor or number of an output. A number is a tensor without dimensions that says so."""

    dtype: str
    shape: tuple[int, ...]
    is_number: bool = False

    @property
    def size_bytes(self) -> int:
        """Raw bytes on the wire."""
        count = 1
        for length in self.shape:
            count *= length
        return count * ITEM_BYTES[self.dtype]

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class Record:
    """What a worker answers."""

    seq: int
    status: int
    flags: int = 0
    elapsed_ns: int = 0
    text_bytes: int = 0
    structure: bytes = bytes(32)
    leaves: tuple[Leaf, ...] = ()


def structure_digest(structure: str) -> bytes:
    """Fixed-size stand-in for an output's nesting."""
    return hashlib.sha256(structure.encode()).digest()


def pack_record(record: Record) -> bytes:
    """Inverse of ``parse_record``. Raises ValueError for more leaves or dimensions than a record holds."""
    if len(record.leaves) > MAX_LEAVES:
        raise ValueError(f"{len(record.leaves)} outputs: at most {MAX_LEAVES} are supported")
    parts = [
        _HEAD.pack(
            RECORD_MAGIC,
            record.seq,
            record.status,
            record.flags,
            record.elapsed_ns,
            record.text_bytes,
            record.structure,
            len(record.leaves),
        )
    ]
    for leaf in record.leaves:
        if len(leaf.shape) > MAX_RANK:
            raise ValueError(f"an output has {len(leaf.shape)} dimensions: at most {MAX_RANK} are supported")
        dims = (*leaf.shape, *([0] * (MAX_RANK - len(leaf.shape))))
        parts.append(_LEAF.pack(int(leaf.is_number), _CODES[leaf.dtype], len(leaf.shape), *dims))
    return b"".join(parts).ljust(RECORD_BYTES, b"\0")


def parse_record(raw: bytes | bytearray) -> Record:
    """Read a record that may be forged. Raises ValueError for anything that no honest worker writes."""
    if len(raw) != RECORD_BYTES:
        raise ValueError("not a record: wrong length")
    magic, seq, status, flags, elapsed_ns, text_bytes, structure, count = _HEAD.unpack_from(raw)
    if magic != RECORD_MAGIC or count > MAX_LEAVES or text_bytes > MAX_TEXT_BYTES:
        raise ValueError("not a record")
    leaves = tuple(_parse_leaf(raw, index) for index in range(count))
    return Record(seq, status, flags, elapsed_ns, text_bytes, structure, leaves)


def _parse_leaf(raw: bytes | bytearray, index: int) -> Leaf:
    kind, code, rank, *dims = _LEAF.unpack_from(raw, _HEAD.size + index * _LEAF.size)
    if kind > 1 or code not in _NAMES or rank > MAX_RANK:
        raise ValueError("not a record: malformed output")
    return Leaf(_NAMES[code], tuple(dims[:rank]), bool(kind))
