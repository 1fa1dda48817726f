"""How rows are dealt to programs where they are scanned or reduced, and how much each of them has under way."""

import math
import re

import pytest

from agent.builtin.triton_layout import PROCESSORS
from agent.builtin.triton_plan import TRITON, TritonPlan
from agent.builtin.triton_program import generate_triton


def text(op, shape, dim, plan, *, dtype="float32", reduced=False):
    """The Triton text of one operator over one dimension."""
    strides = [math.prod(shape[d + 1 :]) for d in range(len(shape))]
    left = [size for d, size in enumerate(shape) if d != dim] if reduced else shape
    dims = [dim] if reduced else dim
    graph = {
        "inputs": [{"name": "a", "kind": "user", "target": 0, "shape": shape, "dtype": dtype, "stride": strides}],
        "nodes": [
            {"name": "s", "op": op, "args": [{"ref": "a"}, dims], "kwargs": {}, "shape": left, "dtype": "float32"}
        ],
        "outputs": {"ref": "s"},
        "mutates": False,
    }
    return generate_triton(graph, "", plan)


def scan(shape, dim, plan, **facts):
    return text("aten.cumsum.default", shape, dim, plan, **facts)


def total(shape, dim, plan, **facts):
    return text("aten.sum.dim_IntList", shape, dim, plan, reduced=True, **facts)


def grids(program):
    found = re.findall(r"^ +(k\d+(?:_\d)?)\[\(([\d, ]+)\)\]", program, re.MULTILINE)
    return {name: tuple(int(size) for size in re.findall(r"\d+", sizes)) for name, sizes in found}


@pytest.mark.parametrize("plan", TRITON.drafts(False)[::2][:2])
def test_rows_across_memory_are_scanned_once_where_there_are_enough(plan):
    program = scan([16, 4096, 1024], 1, plan)
    assert grids(program) == {"k0": (256,)}
    assert program.count("tl.load(") == 1
    deep, beside = re.search(r"arange\(0, \d+\)\[None, :, None\] \* (\d+) \+ tl\.arange\(0, (\d+)\)", program).groups()
    assert deep == beside
    assert int(deep) >= 4


@pytest.mark.parametrize(("shape", "dim"), [([2, 65536, 520], 1), ([3, 5_000_001], 1), ([1 << 24], 0)])
def test_few_rows_are_scanned_by_programs_that_share_them(shape, dim):
    found = grids(scan(shape, dim, TritonPlan()))
    assert found["k0_0"] == (found["k0_1"][0], found["k0_1"][1] - 1)  # nothing comes after the last chunk
    assert 2 * PROCESSORS < math.prod(found["k0_1"]) <= 6 * PROCESSORS


def test_short_rows_are_not_shared():
    assert list(grids(scan([4, 64, 100], 1, TritonPlan()))) == ["k0"]
    assert list(grids(scan([40, 300], 1, TritonPlan()))) == ["k0"]


@pytest.mark.parametrize("shape", [[16384, 12288], [16384, 6400], [65536, 768], [100_000, 64], [8192, 16000]])
def test_columns_are_summed_by_about_as_many_programs_on_each_processor(shape):
    found = grids(total(shape, 0, TritonPlan(), dtype="bfloat16"))
    programs = math.prod(found["k0_0"])
    assert 2 * PROCESSORS < programs <= 6 * PROCESSORS
    assert programs / (math.ceil(programs / PROCESSORS) * PROCESSORS) > 0.9


def test_chunks_of_a_long_row_among_several_are_short_and_follow_each_other():
    program = total([256, 1 << 19], 1, TritonPlan())
    assert grids(program) == {"k0_0": (32, 256), "k0_1": (1, 256)}
    assert "s = tl.program_id(0) * 16384" in program
    assert "r = tl.program_id(1) * 1" in program
    assert grids(total([2, 1 << 24], 1, TritonPlan()))["k0_0"] == (512, 2)
    assert grids(total([1, 1 << 24], 1, TritonPlan()))["k0_0"][0] == 1  # of one row all of them are neighbours


def test_loads_of_later_turns_are_under_way_in_a_loop():
    assert "in tl.range(0, 131072, 4096, num_stages=3):" in total([2048, 131072], 1, TritonPlan())
    assert "in range(0, 131072, 4096):" in total([2048, 131072], 1, TritonPlan(stages=1))


def test_loads_under_way_fit_shared_memory():
    assert "num_stages=2" in total([2048, 131072], 1, TritonPlan(sweep=16384))
    assert "in range(0, 131072, 32768):" in total([2048, 131072], 1, TritonPlan(sweep=32768))


def test_rows_that_vectors_are_not_aligned_in_are_read_as_they_are_needed():
    assert "in range(0, 131073, 4096):" in total([2048, 131073], 1, TritonPlan())


def test_a_long_row_that_is_scanned_at_once_leaves_room_for_a_second_program():
    assert "num_warps=16, maxnreg=64" in scan([4096, 16384], 1, TritonPlan())
    assert "maxnreg" not in scan([4096, 16384], 1, TritonPlan(exact=True))
    assert "maxnreg" not in scan([4096, 8192], 1, TritonPlan())


def test_what_does_not_differ_along_a_run_is_read_once_a_tile():
    shapes = {"a": [8, 64, 8192], "w": [64, 1]}
    graph = {
        "inputs": [
            {"name": name, "kind": "user", "target": i, "shape": shape, "dtype": "float32", "stride": [*strides, 1]}
            for i, (name, shape, strides) in enumerate([("a", shapes["a"], [64 * 8192, 8192]), ("w", shapes["w"], [1])])
        ],
        "nodes": [
            {"name": name, "op": op, "args": [{"ref": ref}, other], "kwargs": {}, "shape": shape, "dtype": "float32"}
            for name, op, ref, other, shape in [
                ("m", "aten.mul.Tensor", "a", {"ref": "w"}, shapes["a"]),
                ("s", "aten.sum.dim_IntList", "m", [1, 2], [8]),
            ]
        ],
        "outputs": {"ref": "s"},
        "mutates": False,
    }
    program = generate_triton(graph, "", TritonPlan())
    (run,) = re.findall(r"(\w+) = \(o // 8192\)", program)
    assert f"tl.load(in1 + ({run}))" in program
    assert "num_stages=3" in program
    assert "(o //" not in generate_triton(graph, "", TritonPlan(sweep=1 << 14))  # a tile is longer than a run


@pytest.mark.parametrize(
    ("m", "strides", "dot", "tile"),
    [
        (16, [1, 8192], 232, (16, 32, 256)),  # few rows, and columns that lie along memory
        (64, [1, 8192], 343, (64, 64, 256)),
        (16, [4096, 1], 232, (16, 128, 64)),
        (512, [1, 8192], 232, (64, 128, 64)),
    ],
)
def test_few_rows_meet_a_matrix_in_narrow_and_deep_tiles(m, strides, dot, tile):
    n, k = 4096, 8192
    given = [("x", [m, k], [k, 1]), ("w", [k, n], strides)]
    graph = {
        "inputs": [
            {"name": name, "kind": "user", "target": i, "shape": shape, "dtype": "float16", "stride": stride}
            for i, (name, shape, stride) in enumerate(given)
        ],
        "nodes": [
            {
                "name": "p",
                "op": "aten.mm.default",
                "args": [{"ref": "x"}, {"ref": "w"}],
                "kwargs": {},
                "shape": [m, n],
                "dtype": "float16",
            }
        ],
        "outputs": {"ref": "p"},
        "mutates": False,
    }
    program = generate_triton(graph, "", TritonPlan(dot=dot))
    rows, columns = re.search(r"acc = tl.zeros\(\((\d+), (\d+)\)", program).groups()
    depth = re.search(r"d = tl.arange\(0, (\d+)\)", program)[1]
    assert (int(rows), int(columns), int(depth)) == tile
