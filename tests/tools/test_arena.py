"""Memory shared with a worker: what lies where, and what a worker can do to it."""

import ctypes
import os
import struct

import pytest

from tools.arena import ALIGNMENT, FENCE_BYTES, GUARD_BYTES, PAGE_BYTES, Arena
from tools.harness.wire import ARENA_HEADER_BYTES, MAX_CALLS, MAX_LEAVES
from tools.inputs import Draw


def draw(value: int, size: int = 100) -> Draw:
    packed = (["float32", [size], [1], size], ["int8", [3], [1], 3])
    return Draw("case", {"list": []}, packed, (bytearray([value]) * 4 * size, bytearray([value]) * 3), 0)


@pytest.fixture
def arena():
    arena = Arena()
    yield arena
    arena.close()


def offsets(told) -> list[int]:
    return [place[-1] for call in told["calls"] for place in call["tensors"]]


def read(arena: Arena, offset: int, count: int) -> bytes:
    return os.pread(arena._file, count, offset)


def test_values_appear_only_when_it_is_filled(arena):
    told = arena.place([draw(1), draw(2)])
    places, size = offsets(told), told["arena"]
    assert all(read(arena, place, 4) == bytes(4) for place in places)
    assert os.fstat(arena._file).st_size == size
    arena.fill()
    assert [read(arena, place, 1)[0] for place in places] == [1, 1, 2, 2]
    assert all(place % ALIGNMENT == 0 and place >= ARENA_HEADER_BYTES for place in places)


def test_places_are_drawn_anew_or_kept(arena):
    first = arena.place([draw(1), draw(2)])
    second = arena.place([draw(3), draw(4)], again=True)
    assert offsets(first) == offsets(second)
    assert len({tuple(offsets(arena.place([draw(1)]))) for _ in range(8)}) > 1


def test_misaligned_is_one_element_off(arena):
    told = arena.place([draw(1)], misaligned=True)
    assert [place % ALIGNMENT for place in offsets(told)] == [4, 1]


def test_fenced_tensors_end_where_a_page_does_and_the_fence_holds_nothing(arena):
    told = arena.place([draw(1), draw(2)], fenced=True)
    assert len(told["fences"]) == 4
    ends = [place + size for place, size in zip(offsets(told), [400, 3, 400, 3], strict=True)]
    assert [start for start, _ in told["fences"]] == ends
    assert all(end % PAGE_BYTES == 0 for end in ends)
    starts = offsets(told)[1:]
    assert all(start >= end + FENCE_BYTES for (end, _), start in zip(told["fences"], starts, strict=False))
    assert arena.place([draw(1)])["fences"] == []


@pytest.mark.parametrize(
    ("where", "told"), [(0, "input"), (399, "input"), (-1, "guard"), (400, "guard"), (400 + GUARD_BYTES - 1, "guard")]
)
def test_what_a_worker_writes_over_is_noticed(arena, where, told):
    told_places = arena.place([draw(1)])
    arena.fill()
    assert arena.what_changed() is None
    place = offsets(told_places)[0] + where
    os.pwrite(arena._file, bytes([read(arena, place, 1)[0] ^ 1]), place)
    assert arena.what_changed() == told


def test_a_file_cut_short_does_no_harm(arena):
    arena.place([draw(1)])
    arena.fill()
    os.ftruncate(arena._file, 0)
    assert arena.what_changed() is not None
    assert arena.addresses() is None
    arena.place([draw(2)])
    arena.fill()
    assert arena.what_changed() is None


def test_addresses_are_read_and_nonsense_is_not(arena):
    arena.place([draw(1)])
    arena.fill()
    assert arena.addresses() == []
    os.pwrite(arena._file, struct.pack("<3Q", 2, 4096, 1 << 63), 0)
    assert arena.addresses() == [4096, 1 << 63]
    os.pwrite(arena._file, struct.pack("<Q", MAX_CALLS * MAX_LEAVES + 1), 0)
    assert arena.addresses() is None


def test_its_name_goes_and_it_stays(arena):
    path = arena.mount.source
    assert path.exists()
    arena.forget_name()
    arena.forget_name()
    assert not path.exists()
    arena.place([draw(1)])
    arena.fill()
    assert arena.what_changed() is None


@pytest.mark.parametrize("size", [-1, 1, 32 << 20])
def test_a_file_of_another_size_is_told(arena, size):
    assert arena.has_its_size()
    arena.place([draw(1)])
    arena.fill()
    assert arena.has_its_size()
    os.ftruncate(arena._file, arena._size + size)
    assert not arena.has_its_size()


KEEP_SIZE, PUNCH_HOLE = 1, 2


@pytest.mark.parametrize(("mode", "start", "length"), [(KEEP_SIZE, 0, 64 << 20), (KEEP_SIZE | PUNCH_HOLE, 0, 1 << 16)])
def test_memory_beyond_its_end_is_told_and_so_are_holes(arena, mode, start, length):
    arena.place([draw(1)])
    arena.fill()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.fallocate(arena._file, mode, ctypes.c_long(start), ctypes.c_long(length)) == 0
    assert not arena.has_its_size()


def test_inputs_turned_over_differ_in_every_byte(arena):
    places = offsets(arena.place([draw(7)]))
    arena.fill()
    arena.spoil()
    assert read(arena, places[0], 400) == bytes([255 - 7]) * 400
    assert read(arena, places[0] - 1, 1) != bytes([255 - 7])
