"""Where operands lie in memory in different orders, kernels go over tiles of two axes; others are left as they are."""

import math
import re

import pytest

from agent.builtin.triton_plan import TRITON, TritonPlan
from agent.builtin.triton_program import generate_triton

SIDES = re.compile(r"tl\.arange\(0, (\d+)\)\[(:, None|None, :)\]")


def kernel(shape, order, plan, *, stored=None, dtype="float32"):
    """The text for ``a + b.permute(order)``; ``b`` lies in memory as its shape says, or with strides ``stored``."""
    before = [shape[order.index(d)] for d in range(len(shape))]

    def tensor(name, sizes, strides=None):
        steps = [1]
        for size in reversed(sizes[1:]):
            steps.insert(0, steps[0] * size)
        facts = {"shape": sizes, "dtype": dtype, "stride": strides or steps}
        return {"name": name, "kind": "user", "target": "ab".index(name), **facts}

    graph = {
        "inputs": [tensor("a", shape), tensor("b", before, stored)],
        "nodes": [
            node("p", "aten.permute.default", [{"ref": "b"}, order], shape, dtype),
            node("s", "aten.add.Tensor", [{"ref": "a"}, {"ref": "p"}], shape, dtype),
        ],
        "outputs": {"ref": "s"},
        "mutates": False,
    }
    text = generate_triton(graph, "", plan)
    return text.replace(str(plan), "")


def summed(shape, order, plan):
    """The text for ``a.permute(order).sum(-1)``, where ``a`` lies as its shape says."""
    turned = [shape[d] for d in order]
    strides = [math.prod(shape[d + 1 :]) for d in range(len(shape))]
    graph = {
        "inputs": [{"name": "a", "kind": "user", "target": 0, "shape": shape, "dtype": "float32", "stride": strides}],
        "nodes": [
            node("p", "aten.permute.default", [{"ref": "a"}, order], turned, "float32"),
            node("s", "aten.sum.dim_IntList", [{"ref": "p"}, [-1]], turned[:-1], "float32"),
        ],
        "outputs": {"ref": "s"},
        "mutates": False,
    }
    return generate_triton(graph, "", plan)


def node(name, op, args, shape, dtype):
    return {"name": name, "op": op, "args": args, "kwargs": {}, "shape": shape, "dtype": dtype}


def sides(text):
    return tuple(int(size) for size, _ in SIDES.findall(text))


def launched(text):
    return int(re.search(r"k0\[\((\d+),\)\]", text)[1])


@pytest.mark.parametrize(("digits", "expected"), [(22, (64, 64)), (12, (32, 64)), (31, (128, 32))])
def test_a_transposed_operand_makes_tiles_of_the_sides_planned(digits, expected):
    text = kernel([8192, 8192], [1, 0], TritonPlan(sides=digits))
    assert sides(text) == expected
    assert launched(text) == 8192 * 8192 // (expected[0] * expected[1])
    assert "mask=" not in text


def test_what_lies_otherwise_is_read_first():
    text = kernel([512, 512], [1, 0], TritonPlan())
    assert text.index("tl.load(in1") < text.index("tl.load(in0")


def test_other_axes_are_those_of_programs():
    text = kernel([6, 128, 4, 192], [0, 3, 2, 1], TritonPlan())  # b: 6, 192, 4, 128
    assert sides(text) == (64, 64)
    assert launched(text) == 6 * 4 * 2 * 3


def test_short_axes_are_taken_together_with_their_neighbours_in_memory():
    text = kernel([128, 2048, 8], [1, 2, 0], TritonPlan(), stored=[128, 1, 1024])
    assert sides(text) == (64, 64)  # the columns: eight of the second axis by the whole of the third
    text = kernel([400, 5, 7, 400], [3, 1, 2, 0], TritonPlan(), stored=[35, 1, 5, 400 * 35])
    assert sides(text) == (64, 64)  # b: its axes of 5 and 7, one beside the other, lie innermost
    assert launched(text) == 400 * 7


def test_where_one_axis_is_short_a_tile_is_longer():
    assert sides(kernel([8, 1 << 18], [1, 0], TritonPlan())) == (8, 512)


def test_a_small_result_is_shared_by_more_programs():
    assert sides(kernel([256, 256], [1, 0], TritonPlan())) == (32, 32)


@pytest.mark.parametrize(
    ("shape", "order", "stored"),
    [
        ([512, 512], [0, 1], None),
        ([512, 512], [1, 0], [1, 512]),  # transposed twice
        ([16, 512, 64], [1, 0, 2], None),  # rows change places, and lie as they did
        ([4096, 3], [1, 0], None),  # a warp reads all of three neighbours' sectors
        ([512, 512], [1, 0], [512 * 16, 16]),  # no neighbours to read
    ],
)
def test_what_is_read_well_is_left_as_it_is(shape, order, stored):
    text = kernel(shape, order, TritonPlan(), stored=stored)
    assert sides(text) == ()
    assert text == kernel(shape, order, TritonPlan(sides=0), stored=stored)


def test_rows_that_lie_across_memory_are_read_with_their_neighbours():
    assert "[None, :]" in summed([4096, 4096], [1, 0], TritonPlan()).partition("r = ")[2].partition("\n")[0]
    assert "[:, None]" in summed([4096, 4096], [0, 1], TritonPlan()).partition("r = ")[2].partition("\n")[0]


def test_a_plan_may_do_without_tiles():
    assert sides(kernel([512, 512], [1, 0], TritonPlan(sides=0))) == ()


def test_tuning_varies_the_sides():
    tried = {plan.sides for plan in TRITON.neighbours(TritonPlan())}
    assert {11, 12, 21, 0} <= tried
