"""Flat nests that read neighbours, as sliding windows do: wide loads, and what windows share is read once."""

import re

import pytest

from agent.builtin.expr import Exprs
from agent.builtin.index import Var, of
from agent.builtin.triton_plan import TRITON, TritonPlan
from agent.builtin.triton_program import generate_triton
from agent.builtin.triton_stretches import with_index

WIDE = re.compile(r"kw_apart(\d)\(tl\.load\(")


def pooled(shape, out, *, dtype="float16", op="max_pool2d", window=(3, 2, 1), plan=None):
    """The kernel of a pooling with this window, stride and padding."""
    kernel, stride, padding = window
    node = {"op": f"aten.{op}.default", "args": [{"ref": "x"}, [kernel] * 2, [stride] * 2, [padding] * 2]}
    return written(shape, out, [node], dtype, plan)


def written(shape, out, nodes, dtype="float16", plan=None):
    """The kernel for operators one after the other."""
    steps = [1]
    for size in reversed(shape[1:]):
        steps.insert(0, steps[0] * size)
    graph = {
        "inputs": [{"name": "x", "kind": "user", "target": 0, "shape": shape, "dtype": dtype, "stride": steps}],
        "nodes": [{"name": f"n{k}", "kwargs": {}, "shape": out, "dtype": dtype, **n} for k, n in enumerate(nodes)],
        "outputs": {"ref": f"n{len(nodes) - 1}"},
        "mutates": False,
    }
    text = generate_triton(graph, "", plan or TritonPlan())
    return text.partition("def k0(")[2].partition("DEVICE")[0] + text.partition("DEVICE")[2].partition("k0[")[2]


def loads(text):
    """Elements of each load of a lane."""
    wide = [int(width) for width in WIDE.findall(text)]
    return sorted(wide + [1] * (text.count("tl.load(") - len(wide)))


def test_each_line_of_a_window_is_read_by_one_wide_load_and_what_lies_before_it():
    text = pooled([128, 64, 112, 112], [128, 64, 56, 56])
    assert loads(text) == [1, 1, 1, 8, 8, 8]
    assert "kw_beside4(" in text  # four results, of which each shares a column with the next
    assert text.count("kw_maximum(") == 9 * 2 + 4 * 2
    assert f"({128 * 64 * 56 * 14 // 256},)]" in text
    assert "num_warps=8" in text


def test_conditions_are_there_at_borders_only_and_stand_in_for_what_is_not_read():
    text = pooled([128, 64, 112, 112], [128, 64, 56, 56])
    assert "tl.where" not in text
    assert text.count('other=float("-inf")') == text.count("mask=") == 4  # the line above, and three on the left
    assert "mask=" not in pooled([128, 64, 112, 112], [128, 64, 56, 56], window=(2, 2, 0))


@pytest.mark.parametrize(("dtype", "step"), [("float16", 8), ("float32", 4), ("float64", 2)])
def test_a_lane_has_as_many_results_as_it_takes_to_read_by_sixteen_bytes(dtype, step):
    text = pooled([8, 8, 64, 64], [8, 8, 64, 64], dtype=dtype, window=(3, 1, 1))
    assert f"kw_beside{step}(" in text
    assert loads(text) == [1] * 6 + [step] * 3


@pytest.mark.parametrize(
    ("width", "found"),
    [
        (112, [1, 1, 1, 8, 8, 8]),
        (116, [1, 1, 1, 4, 4, 4]),  # every second line starts amid eight
        (118, [1, 1, 1, 2, 2, 2]),
        (119, [1] * 9),
        (120, [1, 1, 1, 8, 8, 8]),
    ],
)
def test_how_much_is_read_at_once_depends_on_where_lines_start(width, found):
    assert loads(pooled([8, 8, 112, width], [8, 8, 56, (width - 1) // 2 + 1])) == found


def test_a_thread_has_one_result_where_lines_start_anywhere():
    text = pooled([8, 8, 113, 113], [8, 8, 57, 57])
    assert "tl.arange(0, 256)" in text
    assert "num_warps=8" in text


def test_an_extreme_of_halves_is_taken_in_halves_and_a_mean_is_not():
    maximum = pooled([8, 8, 64, 64], [8, 8, 32, 32], window=(2, 2, 0))
    assert maximum.count(".to(tl.float32)") == 4  # once a result
    mean = pooled([8, 8, 64, 64], [8, 8, 32, 32], op="avg_pool2d", window=(2, 2, 0))
    assert mean.count(".to(tl.float32)") == 4 * 4


def test_a_power_of_two_is_multiplied_by_and_no_other_divisor():
    four = pooled([8, 8, 64, 64], [8, 8, 32, 32], op="avg_pool2d", window=(2, 2, 0), dtype="float32")
    assert four.count(" * 0.25)") == 2
    assert "div_rn" not in four
    nine = pooled([8, 8, 64, 64], [8, 8, 62, 62], op="avg_pool2d", window=(3, 1, 0), dtype="float32")
    assert ", 9.0)" in nine


def test_neighbours_are_read_once_whatever_the_operator():
    def half(first):
        return {"op": "aten.slice.Tensor", "args": [{"ref": "x"}, 1, first, 512, 2]}

    both = {"op": "aten.mul.Tensor", "args": [{"ref": "n0"}, {"ref": "n1"}]}
    assert loads(written([64, 512], [64, 256], [half(0), half(1), both])) == [8]


def test_what_is_interleaved_is_written_as_it_is_read():
    def half(first):
        return {"op": "aten.slice.Tensor", "args": [{"ref": "x"}, 1, first, 512, 2], "shape": [64, 256]}

    operands = [{"ref": "n0"}, {"ref": "n1"}]
    both = [{"op": f"aten.{op}.Tensor", "args": operands, "shape": [64, 256]} for op in ("add", "sub")]
    joined = {"op": "aten.stack.default", "args": [[{"ref": "n2"}, {"ref": "n3"}], 2]}
    text = written([64, 512], [64, 256, 2], [half(0), half(1), *both, joined])
    assert loads(text) == [2]
    assert "kw_beside2(" in text
    assert not re.search("where|mask|%", text)  # a lane has the even one and the odd one: nothing is chosen


def test_a_lane_has_one_result_where_more_would_lie_too_far_apart():
    def every_second(name):
        return {"op": "aten.slice.Tensor", "args": [{"ref": name}, 1, 0, 512, 2]}

    def odd(name):
        return {"op": "aten.slice.Tensor", "args": [{"ref": name}, 1, 1, 512, 2]}

    up = {"op": "aten.flip.default", "args": [{"ref": "x"}, [0]], "shape": [64, 512]}
    two = {"op": "aten.mul.Tensor", "args": [{"ref": "n1"}, {"ref": "n2"}]}
    three = {"op": "aten.add.Tensor", "args": [{"ref": "n3"}, {"ref": "n4"}]}
    text = written([64, 512], [64, 256], [up, every_second("x"), odd("x"), two, every_second("n0"), three])
    assert loads(text) == [1, 2]  # with four results it would be a wide one and four that are each as far apart
    assert "kw_beside" not in text


def test_halves_of_a_line_that_lie_far_apart_are_left_as_they_are():
    def half(first):
        return {"op": "aten.slice.Tensor", "args": [{"ref": "x"}, 1, first, first + 256]}

    both = {"op": "aten.mul.Tensor", "args": [{"ref": "n0"}, {"ref": "n1"}]}
    text = written([64, 512], [64, 256], [half(0), half(256), both])
    assert text == written([64, 512], [64, 256], [half(0), half(256), both], plan=TritonPlan(stretch=0))
    assert "kw_" not in text


def test_a_plan_may_do_without_and_tuning_tries_that():
    text = pooled([128, 64, 112, 112], [128, 64, 56, 56], plan=TritonPlan(stretch=0))
    assert loads(text) == [1] * 9
    assert {0, 8, 32} <= {plan.stretch for plan in TRITON.neighbours(TritonPlan())}


def test_an_address_is_made_without_its_constant_and_has_room_for_that():
    many = 1 << 29
    one = {"op": "aten.slice.Tensor", "args": [{"ref": "x"}, 0, 0, 1], "shape": [1]}
    spread = {"op": "aten.expand.default", "args": [{"ref": "n0"}, [many]], "shape": [many]}
    fourths = {"op": "aten.slice.Tensor", "args": [{"ref": "x"}, 0, 0, 16, 4], "shape": [4]}
    joined = {"op": "aten.cat.default", "args": [[{"ref": "n1"}, {"ref": "n2"}]]}
    text = written([16], [many + 4], [one, spread, fourths, joined])
    assert f"(i0 * 4) - {4 * many}" in text  # what is read is within 16 elements, and 2^31 is beyond 32 bits
    assert "tl.program_id(0).to(tl.int64)" in text


@pytest.mark.parametrize(
    ("op", "limit", "expected"),
    [
        ("ge", 3, "True"), ("ge", 4, None), ("ge", 32, "False"), ("lt", 32, "True"), ("lt", 31, None),
        ("lt", 3, "False"), ("eq", 2, "False"), ("eq", 32, "False"), ("eq", 3, None), ("eq", 31, None),
    ],
)  # fmt: skip
def test_what_the_place_in_a_stretch_decides_is_no_condition(op, limit, expected):
    make, x, lane = Exprs(), Var("x", 32), Var("x", 8)
    condition = make.call(op, "b8", make.index(of(x)), make.const(limit, "i64"))
    found = with_index(make, condition, x, of(lane) * 4 + 3)
    assert (found.payload if found.op == "const" else None) == expected  # 3, 7, 11, ... 31


def test_of_two_conditions_the_one_that_is_decided_vanishes():
    make, x, lane = Exprs(), Var("x", 32), Var("x", 8)
    above, below = (make.call(op, "b8", make.index(of(x)), make.const(n, "i64")) for op, n in (("ge", 1), ("lt", 29)))
    both, value = make.call("and", "b8", above, below), make.index(of(x))
    assert with_index(make, both, x, of(lane) * 4 + 1).op == "lt"
    assert with_index(make, both, x, of(lane) * 4).op == "ge"
    either = make.where(above, value, make.const(7, "i64"))
    assert with_index(make, either, x, of(lane) * 4 + 2) is make.index(of(lane) * 4 + 2)
