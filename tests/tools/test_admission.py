"""Problems to which wrong answers would pass are refused, and what a licence cannot see is told."""

from contextlib import closing
from types import SimpleNamespace

import pytest

from tests.tools.judged import problem
from tools import judging
from tools.admission import Admission, Blurred
from tools.errors import RequestError
from tools.judging import SandboxedJudge
from tools.problem import JudgeSettings

pytestmark = pytest.mark.torch

SOURCE = """
import torch
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.idle = torch.nn.Parameter(torch.ones(3))
    def forward(self, x, y):
        return {body}
def get_inputs():
    return [{x}, torch.rand(64, 64)]
"""


def admission(enclosed, tmp_path, body: str, x: str = "torch.randn(64, 64)", **settings):
    source = SOURCE.format(body=body, x=x)
    chosen = JudgeSettings(memory_bytes=2 << 30, **settings)
    with closing(SandboxedJudge(problem(source=source), enclosed, chosen, tmp_path)) as judge:
        judge.describe()
        return judge._admission


def test_an_ordinary_problem_is_admitted(enclosed, tmp_path):
    found = admission(enclosed, tmp_path, "x * y + 1")
    assert found.tried >= 20
    assert found.blurred == ()
    assert found.ignored == ("idle",)
    assert found.needed_bytes == {"default": 2 * 64 * 64 * 4}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("torch.cdist(x, x) + 0 * y", marks=pytest.mark.slow),
        *(pytest.param(body, marks=pytest.mark.slow) for body in ("torch.cdist(x, x)", "x @ x.T")),
    ],
)
def test_a_symmetric_answer_is_admitted(enclosed, tmp_path, body):
    assert admission(enclosed, tmp_path, body).tried >= 20


def test_parts_of_inputs_that_do_not_count_are_not_needed(enclosed, tmp_path):
    found = admission(enclosed, tmp_path, "x[:16] * y[:16]")
    assert found.needed_bytes == {"default": 2 * 16 * 64 * 4}


@pytest.mark.parametrize("body", ["x * 0 + 0.5", "torch.ones(64, 64)"])
def test_a_constant_answer_is_refused(enclosed, tmp_path, body):
    with pytest.raises(RequestError, match="the same answer"):
        admission(enclosed, tmp_path, body)


def test_inputs_that_are_always_the_same_are_refused(enclosed, tmp_path):
    source = SOURCE.format(body="x + y", x="torch.ones(64, 64)").replace("torch.rand(64, 64)", "torch.ones(64, 64)")
    judge = SandboxedJudge(problem(source=source), enclosed, JudgeSettings(), tmp_path)
    with closing(judge), pytest.raises(RequestError, match="the same inputs"):
        judge.describe()


def test_a_tolerance_larger_than_the_answer_is_refused(enclosed, tmp_path):
    small = "torch.randn(64, 64) * 1e-3"
    assert admission(enclosed, tmp_path, "x * y", small).tried >= 20
    with pytest.raises(RequestError, match="smaller atol"):
        admission(enclosed, tmp_path, "x * y", small, precision="tolerance", atol=1e-2)


def test_it_can_be_left_out(enclosed, tmp_path):
    assert admission(enclosed, tmp_path, "x * 0 + 0.5", admission=False) is None


@pytest.mark.parametrize("precision", ["native", pytest.param("tolerance", marks=pytest.mark.slow)])
@pytest.mark.parametrize("dtype", [pytest.param("half", marks=pytest.mark.slow), "bfloat16"])
def test_a_problem_in_16_bits_is_admitted(enclosed, tmp_path, dtype, precision):
    """Two factors of its precision: what rounding them makes of the answer is near 1 %."""
    body = f"torch.nn.functional.silu(x) * y.{dtype}()"
    found = admission(enclosed, tmp_path, body, f"torch.randn(64, 64).{dtype}()", precision=precision)
    assert found.tried >= 20


@pytest.mark.parametrize("dtype", [pytest.param("half", marks=pytest.mark.slow), "bfloat16"])
@pytest.mark.parametrize(
    ("body", "blurred"),
    [
        pytest.param("torch.softmax(x.float(), -1)", False, marks=pytest.mark.slow),
        pytest.param("x.float().sum(-1)", False, marks=pytest.mark.slow),
        pytest.param("x * y", False, marks=pytest.mark.slow),
        # Eager rounds on its way, so that no more can be asked of anybody.
        ("(x * y.to(x.dtype)).float().sum(-1)", True),
    ],
)
def test_an_answer_in_float32_of_16_bits_is_admitted(enclosed, tmp_path, body, blurred, dtype):
    found = admission(enclosed, tmp_path, body, f"torch.randn(64, 64).{dtype}()")
    assert ("the next lower precision" in found.blurred) == blurred


def test_an_answer_that_rounding_blurs_is_refused_all_the_same(enclosed, tmp_path):
    """It is what is left of numbers 64 times as large."""
    with pytest.raises(RequestError, match="wrong answers would pass"):
        admission(enclosed, tmp_path, "((x + 64) - 64).float()", "torch.randn(64, 64).bfloat16()")


@pytest.mark.parametrize("unlucky", [1, 2])
def test_weights_that_hide_what_is_wrong_are_drawn_once_more(monkeypatch, unlucky):
    """A weight of 16 among small ones makes a scale beside which the rest is rounding."""
    asked, crews = [], iter(range(9))

    def admitted(crew, *about):
        asked.append(crew.number)
        if len(asked) <= unlucky:
            raise Blurred("wrong answers would pass")
        return Admission(1)

    class Drawn:
        """Crews, each with weights of its own."""

        def __init__(self):
            self.forget()

        def now(self):
            return self.crew

        def forget(self):
            oracle = SimpleNamespace(machine=None)
            self.crew = SimpleNamespace(number=next(crews), describe=lambda: ("facts", {}), oracle=oracle)

    monkeypatch.setattr(judging, "admit", admitted)
    judge = object.__new__(SandboxedJudge)
    judge._crews, judge._admission, judge._licence, judge._problem = Drawn(), None, None, SimpleNamespace(name="p")
    judge._roof, judge.settings = SimpleNamespace(over=lambda facts, machine: facts), JudgeSettings()
    if unlucky == 1:
        assert judge._admitted() == "facts"
        assert judge._admission.tried == 1
    else:
        with pytest.raises(RequestError, match="would pass"):
            judge._admitted()
    assert asked == [0, 1]
