"""A heap in order, as every window finds it. In a process of its own, with the environment that workers have."""

import json
import os
import subprocess
import sys

from tools.launching import STEADY

SCRIPT = """
import ctypes, resource, sys
from tools.harness.reserve import MOST_TOUCHED, SPACER_BYTES, Reserve
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.restype, libc.free.argtypes = None, [ctypes.c_void_p]
MIB = 1 << 20
reserve = Reserve()
reserve.tidy()  # before anything was reserved: nothing happens
reserve.grow(16 * MIB)
if "far" in sys.argv:  # a hole that stays, above all that was touched
    below, _, hole, _ = [libc.malloc(size) for size in (90 * MIB, 200 * MIB, 3 * MIB // 2, 200 * MIB)]
    libc.free(below)
    libc.free(hole)
starts = []
for number in range(200):
    # What an operator leaves behind: holes among blocks that stay.
    blocks = [libc.malloc(MIB + 64 * number) for _ in range(9)]
    for block in blocks[::2]:
        libc.free(block)
    tidied = "tidy" in sys.argv
    if tidied:
        reserve.tidy()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    fresh = [libc.malloc(MIB) for _ in range(4)]
    for block in fresh:
        ctypes.memset(block, 1, MIB)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    gaps = {after - before for before, after in zip(fresh, fresh[1:])}
    starts.append(fresh[0])
    if tidied:
        assert gaps == {MIB + 16}, gaps  # one after the other, in one stretch
        assert number < 10 or faults < 8, faults
    elif gaps != {MIB + 16}:
        print("scattered")
        break
    for block in blocks[1::2] + fresh:
        libc.free(block)
if tidied:
    assert len({start % 4096 for start in starts}) > 10, starts
    low, high = reserve._touched
    assert high - low <= MOST_TOUCHED * (16 * MIB + SPACER_BYTES), (high - low) / MIB  # it does not grow for ever
    print("in order")
"""

KEPT = """
import ctypes
from tools.harness.reserve import Reserve
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.restype, libc.free.argtypes = None, [ctypes.c_void_p]
MIB = 1 << 20
reserve = Reserve()
reserve.grow(64 * MIB)
touched = reserve._touched
windows = [[], []]
for number in range(60):
    for block in windows.pop(0):  # the last window's stay
        libc.free(block)
    reserve.tidy()
    windows.append([libc.malloc(3 * MIB + 64) for _ in range(1 if number % 3 == 2 else 5)])
print([end - begin for begin, end in (touched, reserve._touched)])
"""


def run(*arguments: str, script: str = SCRIPT) -> str:
    environment = {**os.environ, **STEADY}
    done = subprocess.run([sys.executable, "-c", script, *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_a_window_allocates_lies_in_one_stretch_at_a_place_drawn_by_lot():
    assert run("tidy") == "in order"


def test_a_hole_above_all_that_was_touched_does_not_keep_the_others_open():
    assert run("tidy", "far") == "in order"


def test_without_it_holes_are_filled_first():
    assert run() == "scattered"


def test_while_windows_come_and_go_the_heap_does_not_grow():
    before, after = json.loads(run(script=KEPT))
    assert after == before
