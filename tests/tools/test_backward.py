"""Problems that are judged with their backward: whole checks in real sandboxes, and the reference by itself."""

from contextlib import closing

import pytest

from agent.builtin.model import BuiltinChatModel
from tools.candidate import Candidate
from tools.errors import RequestError
from tools.judging import SandboxedJudge
from tools.problem import JudgeSettings, Problem
from tools.problem_text import cases_text

pytestmark = pytest.mark.torch

FAST = JudgeSettings(
    blocks=4, close_call_s=0, check_seeds=3, stage_timeout_s=20, memory_bytes=1500 << 20, admission=False
)

PROBLEM = """
import torch
GRADIENTS = True
class Model(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.table = torch.nn.Parameter(torch.randn(40, width))
        self.weight = torch.nn.Parameter(torch.randn(width))
        self.unused = torch.nn.Parameter(torch.randn(3))
        self.register_buffer("shift", torch.randn(width))

    def forward(self, index, x):
        return torch.sin(x * self.weight + self.shift) + self.table[index], index + 1

def get_inputs():
    return [torch.randint(0, 40, (24,)), torch.randn(24, 32)]

def get_init_inputs():
    return [32]
"""

HONEST = """
import torch
class Wave(torch.autograd.Function):
    @staticmethod
    def forward(ctx, index, x, weight, shift, table):
        inner = x * weight + shift
        ctx.save_for_backward(index, x, weight, inner, table)
        return torch.sin(inner) + table[index]

    @staticmethod
    def backward(ctx, grad):
        index, x, weight, inner, table = ctx.saved_tensors
        common = grad * torch.cos(inner)
        rows = torch.zeros_like(table).index_add_(0, index, grad)
        return None, common * weight, (common * x).sum(0), None, rows

class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.table = torch.nn.Parameter(torch.randn(40, width))
        self.weight = torch.nn.Parameter(torch.randn(width))
        self.register_buffer("shift", torch.randn(width))

    def forward(self, index, x):
        return Wave.apply(index, x, self.weight, self.shift, self.table), index + 1
"""


def honest(*changes: tuple[str, str]) -> Candidate:
    source = HONEST
    for old, new in changes:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    return Candidate(source=source, language="python")


@pytest.fixture(scope="module")
def judge(enclosed, tmp_path_factory):
    problem = Problem(name="waves", source=PROBLEM)
    with closing(SandboxedJudge(problem, enclosed, FAST, tmp_path_factory.mktemp("judge"))) as judge:
        yield judge


def test_it_is_described(judge):
    found = judge.describe()
    (case,) = found.cases
    assert [str(item) for item in case.inputs] == ["int64[24]", "float32[24, 32]", "float32[24, 32]"]
    shapes = ["float32[24, 32]", "int64[24]", "float32[24, 32]", "float32[40, 32]", "float32[32]"]
    assert [str(item) for item in case.outputs] == shapes
    assert found.gradients == ("input 1", "table", "weight"), "of integers, buffers and what is not used there is none"
    assert (found.graph, found.operators[-1], found.oracle) == (None, "backward", "float64")
    written = 4 * (24 * 32 + 24 * 32 + 40 * 32 + 32) + 8 * 24
    assert case.bytes_moved >= written + 4 * 2 * 24 * 32, "gradients are read and written too"
    assert "the gradients of input 1, table, weight" in cases_text(found)


@pytest.mark.slow
def test_an_honest_candidate_is_accepted_and_both_halves_are_timed(judge):
    verdict = judge.judge(honest())
    assert (verdict.status, verdict.reason) == ("accepted", None), (verdict.detail, verdict.log)
    assert set(verdict.baselines) == {"eager", "torch.compile"}
    # Backward alone sleeps: so it is part of what is timed.
    slow = honest(("common = grad", "import time; time.sleep(0.02); common = grad"))
    verdict = judge.judge(slow)
    assert verdict.status == "accepted", (verdict.detail, verdict.log)
    assert verdict.cases[0].candidate.median_s > 0.02


WRONG = {
    "a factor": (("common * weight,", "2 * common * weight,"), "wrong_output", "the gradient of input 1: "),
    "a parameter": (("(common * x).sum(0)", "1.01 * (common * x).sum(0)"), "wrong_output", "the gradient of weight: "),
    "rows": (("rows = torch.zeros_like(table)", "rows = torch.ones_like(table)"), "wrong_output", "gradient of table"),
    "none": (("(common * x).sum(0)", "None"), "runtime_error", "backward gives no gradient of weight"),
    "detached": (("self.table), index", "self.table).detach(), index"), "runtime_error", "output 0 is detached"),
    "lost": (("self.weight = torch.nn.Parameter(torch.randn(width))", "self.weight = torch.ones(width)"),
             "runtime_error", "it has no parameter named weight"),
    "frozen": (("torch.randn(40, width))", "torch.randn(40, width), requires_grad=False)"),
               "runtime_error", "its parameter table wants no gradient"),
    "mutated": (("common = grad * torch.cos(inner)", "common = grad.mul_(torch.cos(inner))"), "input_mutation", ""),
    "forward": (("return torch.sin(inner)", "return torch.cos(inner)"), "wrong_output", ""),
    "shorter": (("self.table), index + 1", "self.table)"), "runtime_error", "returns 1 values, the reference 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_wrong_backward_is_rejected_with_the_reason(judge, name):
    change, reason, detail = WRONG[name]
    result = judge.check(honest(change))
    assert (result.passed, result.reason) == (False, reason), (result.detail, result.log)
    assert detail in result.detail


LATE = (
    ("ctx.save_for_backward(index, x, weight, inner, table)", "ctx.save_for_backward(index, x, weight, inner, table)\n"
     "        late.append((answer := torch.zeros_like(inner), inner, table[index]))\n        return answer"),
    ("class Wave", "late = []\nclass Wave"),
    ("common = grad", "answer, inner, rows = late.pop()\n        answer.copy_(torch.sin(inner) + rows)\n"
     "        common = grad"),
)  # fmt: skip


def test_an_answer_that_is_only_there_once_backward_has_run_is_wrong(judge):
    """Whoever trains looks at the loss before."""
    result = judge.check(honest(*LATE))
    # It is as if it had never been written: so it is for who looks at it then.
    assert (result.passed, result.reason) == (False, "uninitialised_output"), (result.detail, result.log)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("GRADIENTS = True", "GRADIENTS = 'some'"), "GRADIENTS = 'some': say True for all, 'inputs' or 'parameters'"),
        (("return torch.sin(x * self.weight + self.shift) + self.table[index], index + 1", "return index + 1"),
         "no output depends on anything that has a gradient"),
    ],
)  # fmt: skip
def test_what_has_no_gradient_is_refused_in_one_line(enclosed, tmp_path, change, message):
    refused = Problem(name="waves", source=PROBLEM.replace(*change))
    with closing(SandboxedJudge(refused, enclosed, FAST, tmp_path)) as judge:
        with pytest.raises(RequestError, match=r"waves\.py: ") as caught:
            judge.describe()
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_the_gradients_of_inputs_or_parameters_alone_and_of_several_cases(tmp_path):
    from tools.harness.reference import Reference

    for word, names in (("inputs", ("input 1",)), ("parameters", ("table", "weight"))):
        cases = "def get_cases():\n    return {'a': get_inputs(), 'b': [torch.arange(3), torch.randn(3, 32)]}\n"
        path = tmp_path / f"{word}.py"
        path.write_text(PROBLEM.replace("GRADIENTS = True", f"GRADIENTS = {word!r}") + cases)
        reference = Reference()
        reference.open(str(path), "waves.py", 7)
        assert reference.plan is not None
        assert reference.plan.names == names
        drawn, again, other = (reference.cases(seed) for seed in (1, 1, 2))
        assert [inputs[-1].shape[0] for inputs in drawn.values()] == [24, 3]
        assert (drawn["b"][-1] == again["b"][-1]).all(), "of the same seed the same"
        assert (drawn["b"][-1] != other["b"][-1]).any(), "and secret like all inputs"


def test_the_gradients_are_those_of_float64(tmp_path):
    """Against a formula that has nothing to do with autograd."""
    import torch

    from tools.harness.reference import Reference

    path = tmp_path / "waves.py"
    path.write_text(PROBLEM)
    reference = Reference()
    reference.open(str(path), "waves.py", 7)
    inputs = reference.cases(3)["default"]
    answer = reference.run_precise(inputs)
    assert answer is not None
    index, x, grad = (item.double() if item.is_floating_point() else item for item in inputs)
    state = {name: value.double() for name, value in reference.model.state_dict().items()}
    common = grad * torch.cos(x * state["weight"] + state["shift"])
    table = torch.zeros_like(state["table"]).index_add_(0, index, grad)
    for mine, theirs in zip((common * state["weight"], table, (common * x).sum(0)), answer[1][2:], strict=True):
        assert theirs.dtype == torch.float64
        assert torch.allclose(mine, theirs, rtol=1e-13, atol=1e-13)


def test_the_builtin_model_leaves_it_to_others(judge, tmp_path):
    from agent.prompts import task_prompt
    from agent.proposing import ProposalTask, propose
    from tools.artifacts import ArtifactStore

    task = ProposalTask(0, 0, 1, None, (), (), {}, "cpu", "cpp", 0)
    store = ArtifactStore(tmp_path)
    problem = Problem(name="waves", source=PROBLEM)
    assert "forward() and its backward together" in task_prompt(task, problem, judge.describe(), store)
    proposal = propose(
        task,
        model=BuiltinChatModel(),
        judge=judge,
        problem=problem,
        description=judge.describe(),
        store=store,
        memory=None,
        max_steps=8,
        emit=lambda *_, **__: None,
    )
    assert proposal.candidate is None
    assert proposal.needs_language_model
    assert "backward" in (proposal.refusal or "")
