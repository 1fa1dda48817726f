import struct

import pytest

from tools.harness.wire import (
    MAX_LEAVES,
    MAX_RANK,
    RECORD_BYTES,
    Leaf,
    Record,
    Status,
    pack_record,
    parse_record,
    structure_digest,
)


def full_record() -> Record:
    leaves = tuple(Leaf("float32", tuple(range(1, MAX_RANK + 1))) for _ in range(MAX_LEAVES - 1))
    return Record(
        seq=7,
        status=Status.OK,
        flags=1,
        elapsed_ns=123456789,
        text_bytes=12,
        structure=structure_digest("(T,T)"),
        leaves=(*leaves, Leaf("int64", (), is_number=True)),
    )


@pytest.mark.parametrize("record", [Record(1, Status.EXCEPTION), full_record()], ids=["empty", "full"])
def test_a_record_survives_the_wire_and_is_always_as_long(record):
    raw = pack_record(record)
    assert len(raw) == RECORD_BYTES
    assert parse_record(raw) == record


@pytest.mark.parametrize(
    "leaves",
    [(Leaf("float32", (1,)),) * (MAX_LEAVES + 1), (Leaf("float32", (1,) * (MAX_RANK + 1)),)],
    ids=["outputs", "dimensions"],
)
def test_more_than_a_record_holds_is_refused_when_written(leaves):
    with pytest.raises(ValueError, match="at most"):
        pack_record(Record(1, Status.OK, leaves=leaves))


def forge(offset: int, form: str, value: object) -> bytes:
    raw = bytearray(pack_record(full_record()))
    struct.pack_into(form, raw, offset, value)
    return bytes(raw)


HEAD = RECORD_BYTES - MAX_LEAVES * 72


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        bytes(RECORD_BYTES),
        b"\xff" * RECORD_BYTES,
        pack_record(full_record()) + b"x",
        forge(0, "8s", b"KWREC002"),
        forge(HEAD - 8, "<Q", MAX_LEAVES + 1),
        forge(32, "<Q", 1 << 62),
        forge(HEAD, "<B", 2),
        forge(HEAD + 1, "<B", 200),
        forge(HEAD + 2, "<B", MAX_RANK + 1),
    ],
    ids=["nothing", "zeros", "ones", "longer", "magic", "outputs", "text", "kind", "dtype", "rank"],
)
def test_what_no_honest_worker_writes_is_no_record(raw):
    with pytest.raises(ValueError, match="not a record"):
        parse_record(raw)


def test_a_claimed_shape_costs_nothing_however_large():
    raw = forge(HEAD + 8, "<Q", (1 << 64) - 1)
    assert parse_record(raw).leaves[0].size_bytes > 1 << 64


def test_sizes_follow_the_dtype():
    assert Leaf("bfloat16", (3, 5)).size_bytes == 30
    assert Leaf("complex128", ()).size_bytes == 16
    assert Leaf("bool", (0, 4)).size_bytes == 0
