"""The pool that stands before CUDA's runtime: arithmetic only, so that it is tried without a GPU."""

import ctypes
import itertools
import random
import shutil

import pytest

from tools.launching import build_pool

PAGE = 2 << 20
BASE = 1 << 40


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler here; CI has one")
    library = ctypes.CDLL(str(build_pool(tmp_path_factory.mktemp("pool"))))
    library.kernelwright_pool_taken.restype = ctypes.c_size_t
    return library


@pytest.fixture
def fresh(pool):
    pool.kernelwright_pool(ctypes.c_void_p(BASE), ctypes.c_size_t(16 * PAGE))
    return pool


def take(pool, size: int) -> int | None:
    found = ctypes.c_void_p()
    code = pool.cudaMalloc(ctypes.byref(found), ctypes.c_size_t(size))
    return None if code else found.value


def give(pool, address: int) -> None:
    assert pool.cudaFree(ctypes.c_void_p(address)) == 0


def test_memory_comes_from_the_pool_and_no_further(fresh):
    assert take(fresh, 1) == BASE
    assert take(fresh, PAGE + 1) == BASE + PAGE
    assert fresh.kernelwright_pool_taken() == 3 * PAGE
    assert take(fresh, 14 * PAGE) is None
    assert take(fresh, 13 * PAGE) == BASE + 3 * PAGE


def test_what_is_freed_is_merged_with_its_neighbours(fresh):
    blocks = [take(fresh, 4 * PAGE) for _ in range(4)]
    assert take(fresh, 1) is None
    for block in (blocks[1], blocks[3], blocks[2]):
        give(fresh, block)
    assert take(fresh, 12 * PAGE) == blocks[1]


def test_freeing_twice_does_no_harm(fresh):
    block = take(fresh, PAGE)
    give(fresh, block)
    give(fresh, block)
    assert fresh.kernelwright_pool_taken() == 0
    assert take(fresh, 16 * PAGE) == BASE


def test_free_memory_is_told_as_the_pool_has_it(fresh):
    take(fresh, 3 * PAGE)
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    assert fresh.cudaMemGetInfo(ctypes.byref(free), ctypes.byref(total)) == 0
    assert (free.value, total.value) == (13 * PAGE, 16 * PAGE)


def test_blocks_never_overlap(fresh):
    lot = random.Random(3)
    held: dict[int, int] = {}
    for _ in range(2000):
        if held and lot.random() < 0.5:
            give(fresh, held_address := lot.choice(list(held)))
            del held[held_address]
        elif (address := take(fresh, size := lot.randrange(1, 4 * PAGE))) is not None:
            held[address] = -(-size // PAGE) * PAGE
        ends = sorted((start, start + length) for start, length in held.items())
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(ends))
        assert all(start >= BASE and end <= BASE + 16 * PAGE for start, end in ends)
