"""Pasted code and named operators, understood without running them; and the problem files made of them."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from agent.chat.reading import Operator, Unreadable, read_operator
from agent.chat.shapes import parse_shapes
from agent.chat.words import read_words
from agent.chat.writing import Inputs, problem_text

FUNCTION = """\
import torch

def helper(x):
    return x * 2

@torch.no_grad()
def fused(x, w, eps: float, alpha=2.0):
    # a comment that is kept
    return torch.softmax(helper(x) @ w, -1) * alpha + eps

print(fused(torch.ones(2, 2), torch.ones(2, 2), 0.1))
if __name__ == "__main__":
    fused()
"""
MODULE = """\
class Inner(nn.Module):
    def forward(self, x):
        return F.relu(x)

class Outer(nn.Module):
    def __init__(self, n, m, bias=True):
        super().__init__()
        self.inner, self.linear = Inner(), nn.Linear(n, m, bias=bias)

    def forward(self, x: "Tensor", scale: int):
        return self.inner(self.linear(x)) * scale
"""
WHOLE = """\
import torch
class Model(torch.nn.Module):
    def forward(self, x): return x + 1
def get_inputs(): return [torch.ones(4)]
def get_init_inputs(): return []
"""


def told(operator: Operator, *said: str) -> Inputs:
    inputs = Inputs()
    for text in said:
        names = (*operator.tensors, *operator.scalars, *operator.settings) if operator.derived is None else ()
        inputs.take(operator, parse_shapes(text, names))
    return Inputs.from_json(inputs.to_json())


def file_of(operator: Operator, *said: str) -> dict[str, Any]:
    """The problem file's definitions, by name, as text."""
    again = Operator.from_json(operator.to_json())
    inputs = told(again, *said)
    assert inputs.missing(again) == []
    text = problem_text(again, inputs)
    tree = ast.parse(text)
    found = {node.name: ast.unparse(node) for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return {**found, "": text}


def test_a_function_with_what_it_uses() -> None:
    operator = read_operator(FUNCTION)
    assert (operator.form, operator.name) == ("function", "fused")
    assert (operator.tensors, operator.scalars) == (("x", "w"), ("eps",))
    assert told(operator, "x 8x4").missing(operator) == ["the shape of w", "the value of eps"]
    found = file_of(operator, "x 8x4, w 4x4 bf16", "eps=1e-5")
    assert "# a comment that is kept" in found[""]
    assert "print" not in found[""]
    assert "__main__" not in found[""]
    assert "@torch.no_grad()" in found["fused"]
    assert "fused(x=x, w=w, eps=1e-05)" in found["Model"]
    assert "torch.randn((8, 4), dtype=torch.bfloat16)" in found["get_inputs"]
    assert found["get_init_inputs"].endswith("return []")


def test_a_class_with_its_constructor() -> None:
    operator = read_operator(MODULE)
    assert (operator.form, operator.name) == ("module", "Outer")
    assert (operator.tensors, operator.scalars, operator.settings) == (("x",), ("scale",), ("n", "m"))
    found = file_of(operator, "n=8, m=4, scale=3, x 2x8 bf16")
    assert found["get_init_inputs"].endswith("return [8, 4]")
    assert "self.to(torch.bfloat16)" in found["Model"], "its parameters are of the dtype that was said"
    assert "from torch import nn" in found[""]
    assert "import torch.nn.functional as F" in found[""]
    assert "pass" in file_of(operator, "n=8, m=4, scale=3, x 2x8")["Model"]


def test_a_class_that_is_called_model_is_left_alone_or_wrapped() -> None:
    operator = read_operator("class Model(nn.Module):\n    def forward(self, x):\n        return x\n")
    assert file_of(operator, "x 4x4")[""].count("class Model") == 1
    assert "class Model(Pasted)" in file_of(operator, "x 4x4 fp16")[""]


@pytest.mark.parametrize(
    "text", [WHOLE, f"```python\n{WHOLE}```", f"look:\n```\n{WHOLE}```\nplease", WHOLE.replace("\n", "\r\n")]
)
def test_a_whole_file_is_taken_as_it_is(text: str) -> None:
    operator = read_operator(text)
    assert (operator.form, Inputs().missing(operator)) == ("problem", [])
    assert problem_text(operator, Inputs()) == WHOLE


@pytest.mark.parametrize(
    ("text", "inputs", "code"),
    [
        ("torch.softmax(x @ w, -1)", ("x", "w"), "return torch.softmax(x @ w, -1)"),
        ("h = x @ w\ny = F.gelu(h + b)", ("x", "w", "b"), "return y"),
        (">>> y = torch.exp(x)\n>>> y / y.sum()", ("x",), "return y / y.sum()"),
        ("x += torch.exp(y)", ("y", "x"), "return x"),
        ("y = [f * 2 for f in x.unbind()]\ntorch.stack(y)", ("x",), "return torch.stack(y)"),
    ],
)
def test_a_snippet_becomes_a_function_of_what_it_reads(text: str, inputs: tuple[str, ...], code: str) -> None:
    operator = read_operator(text)
    assert set(operator.tensors) == set(inputs)
    assert code in operator.source
    compile(operator.source, "x", "exec")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def f(x:\n  return", "line 1"),
        ("def f():\n    return 1\n", "takes no tensor"),
        ("class A(nn.Module):\n    pass\n", "no forward"),
        ("softmax", "no function"),
        ("for x in y: print(x)", "last line"),
        ("torch.ones(3) * 2", "reads no input"),
        ("(" * 5000, "line|nested"),
    ],
)
def test_what_is_no_operator_is_told(text: str, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read_operator(text)


def test_whole_numbers_need_a_bound() -> None:
    operator = read_operator("def f(table, ids):\n    return table[ids]\n")
    inputs = told(operator, "table 100x8 fp32, ids 32 int64")
    assert inputs.missing(operator) == ["how large the numbers in ids may be"]
    found = file_of(operator, "table 100x8 fp32, ids 32 int64", "below 100")
    assert "torch.randint(0, 100, (32,), dtype=torch.int64)" in found["get_inputs"]
    assert "torch.randn((100, 8))" in found["get_inputs"]


def test_later_words_win() -> None:
    operator = read_operator("def f(x, y):\n    return x + y\n")
    inputs = told(operator, "all 8x8 fp16", "x 4x8", "bf16")
    assert [one.shape for one in inputs.tensors.values()] == [(4, 8), (8, 8)]
    assert inputs.dtype == "bfloat16"
    assert told(operator, "8x8", "2x2").tensors["y"].shape == (2, 2), "the next one that is missing"


@pytest.mark.parametrize(
    ("text", "shapes", "code"),
    [
        ("softmax 4096x4096 bf16", ["(4096, 4096)"], "softmax(x, dim=-1)"),
        ("log softmax over 8x16", ["(8, 16)"], "log_softmax(x, dim=-1)"),
        ("make a fused matmul with bias and gelu faster, 64x32x128", ["(64, 32)", "(32, 128)", "(128,)"], "F.gelu(y)"),
        ("layer norm batch 32 seq 128 dim 512", ["(32, 128, 512)", "(512,)", "(512,)"], "F.layer_norm"),
        ("relu 1M elements", ["(1048576,)"], "torch.relu(x)"),
        ("matmul 64x64 fp16", ["(64, 64)", "(64, 64)"], "a @ b"),
    ],
)
def test_operators_by_name(text: str, shapes: list[str], code: str) -> None:
    operator = read_words(text)
    found = file_of(operator, text)
    assert code in found[""]
    assert [shape for shape in shapes if shape in found["get_inputs"]] == shapes
    assert found["get_inputs"].count("torch.randn") == len(shapes)


@pytest.mark.parametrize("text", ["hello there", "rmsnorm with dropout 8x8", "softmax of a matmul 8x8", "conv2d 8x8"])
def test_words_that_are_not_known_are_told_not_passed_over(text: str) -> None:
    with pytest.raises(Unreadable):
        read_words(text)
