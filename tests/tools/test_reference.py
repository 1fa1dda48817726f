"""The user's problem file as the oracle's process meets it, here without that process."""

import json
from textwrap import dedent

import pytest

from tests.tools.judged import problem

torch = pytest.importorskip("torch")

from tools.harness.bounds import guarded  # noqa: E402 - imports torch
from tools.harness.faults import Fault  # noqa: E402
from tools.harness.kernel_harness import compiled  # noqa: E402
from tools.harness.reference import Reference  # noqa: E402

pytestmark = pytest.mark.torch

SOURCE = """
import torch
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
{construct}
    def forward(self, x):
{forward}
def get_inputs():
    return [torch.randn(16, 8)]
"""


def indented(text: str) -> str:
    return "\n".join(" " * 8 + line for line in (dedent(text).strip() or "pass").splitlines())


@pytest.fixture
def opened(tmp_path):
    """Makes a Reference of the bodies of a forward() and a constructor."""

    def opens(forward: str, construct: str = "") -> Reference:
        source = SOURCE.format(forward=indented(forward), construct=indented(construct))
        path = tmp_path / "problem.py"
        path.write_text(problem(source=source).source)
        reference = Reference()
        reference.open(str(path), "problem.py", 1)
        return reference

    return opens


def described(reference: Reference) -> dict:
    return json.loads(reference.describe(7, 1 << 30))


EMA = "self.register_buffer('mean', torch.zeros(8), persistent={})"


@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.parametrize(
    "forward",
    [
        "self.mean.mul_(0.9).add_(0.1 * x.mean(0))\nreturn x - self.mean",
        "self.mean = 0.9 * self.mean + 0.1 * x.mean(0)\nreturn x - self.mean",
        # The same inputs twice in a row get the same answer.
        "y = x - self.mean\nif not self.mean.any():\n    self.mean.copy_(x.mean(0))\n    y = x - self.mean\nreturn y",
    ],
    ids=["in place", "replaced", "first of all"],
)
def test_answers_from_buffers_that_forward_changes_are_refused(opened, forward, persistent):
    with pytest.raises(Fault, match=r"buffers that it changes \(mean\).* return it as an output"):
        opened(forward, EMA.format(persistent)).describe(7, 1 << 30)


def test_updates_of_buffers_that_no_answer_depends_on_are_noted(opened):
    norm = "self.norm = torch.nn.BatchNorm1d(8)"
    (note,) = described(opened("return self.norm(x)", norm))["notes"]
    assert "norm.running_mean" in note
    assert described(opened("return self.norm(x)", norm + ".eval()"))["notes"] == []


def test_a_buffer_outside_of_the_state_dict_is_put_back_in_float64_too(opened):
    reference = opened("self.mean += x.mean(0)\nreturn x - self.mean", EMA.format(False))
    inputs = reference.cases(3)["default"]
    (first,), (second,) = reference.run_precise(inputs)[1], reference.run_precise(inputs)[1]
    assert first.dtype == torch.float64
    assert torch.equal(first, second)
    assert torch.equal(first, inputs[0].double() - inputs[0].double().mean(0))


WEIGHT = "self.weight = torch.nn.Parameter(torch.randn(8, 8))"


@pytest.mark.parametrize(
    ("forward", "truth"),
    [
        ("return (x.to(torch.bfloat16) @ self.weight.to(torch.bfloat16)).float()", "x @ w"),
        ("return (x.half() @ self.weight.half())", "x @ w"),
        ("return (x.float() @ self.weight.float()).type(torch.FloatTensor)", "x @ w"),
        ("with torch.autocast('cpu', dtype=torch.bfloat16):\n    return x @ self.weight", "x @ w"),
        ("return x.softmax(-1, dtype=torch.float32)", "x.softmax(-1)"),
        ("return x.sum(0, dtype=torch.float32) + x.cumsum(0, dtype=torch.float32)", "x.sum(0) + x.cumsum(0)"),
        ("y = torch.zeros(8, dtype=torch.float32)\nfor row in x:\n    y += row\nreturn y", "x.sum(0)"),
        (
            "y = torch.zeros(16, 8)\ny[:, 1:3] = x[:, 1:3].bfloat16()\ny.view(-1)[1] = 0\nreturn y",
            "x * ((i == 1) | (i == 2)) * (torch.arange(16)[:, None] + i != 1)",
        ),
        ("y = x.new_empty(16, 8, dtype=torch.float16)\ny[torch.arange(16)] = x.half()\nreturn y.t_()", "x.t()"),
        (
            "return x * (torch.arange(8) / 3) * torch.arange(8, dtype=torch.float32).div(7)",
            "x * (i[0] / 3) * (i[0] / 7)",
        ),
        ("return torch.view_as_real(torch.fft.fft(x).to(torch.complex64))", "torch.view_as_real(torch.fft.fft(x))"),
        (
            "return torch.nn.functional.scaled_dot_product_attention(x[None], x[None], x[None])",
            "(x @ x.t() / 8 ** 0.5).softmax(-1) @ x[None]",
        ),
    ],
)
def test_the_oracle_is_float64_whatever_the_reference_casts_to(opened, forward, truth):
    reference = opened(forward, WEIGHT)
    inputs = reference.cases(3)["default"]
    known = {"x": inputs[0].double(), "w": reference.model.weight.detach().double(), "torch": torch}
    known["i"] = torch.arange(8, dtype=torch.float64).expand(16, 8)
    (found,) = reference.run_precise(inputs)[1]
    torch.testing.assert_close(found, eval(truth, known), rtol=1e-12, atol=1e-12)
    assert described(reference)["oracle"] == "float64"
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("dtype", ["int8", "float8_e4m3fn"])
def test_what_a_reference_quantises_on_purpose_is_quantised_in_the_oracle(opened, dtype):
    reference = opened(f"return (x * 9).round().to(torch.{dtype}).float() / 9")
    inputs = reference.cases(3)["default"]
    (found,) = reference.run_precise(inputs)[1]
    rounded = (inputs[0].double() * 9).round().to(getattr(torch, dtype)).double()
    assert not torch.equal(rounded, inputs[0].double() * 9)
    torch.testing.assert_close(found, rounded / 9, rtol=1e-14, atol=0)


def test_an_attribute_that_is_no_buffer_takes_part_in_float64(opened):
    reference = opened("return torch.nn.functional.linear(x, self.table)", "self.table = torch.rand(3, 8)")
    inputs = reference.cases(3)["default"]
    (found,) = reference.run_precise(inputs)[1]
    torch.testing.assert_close(found, inputs[0].double() @ reference.model.table.double().t(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "draw",
    [
        "torch.rand(16, 8)",
        "torch.randn_like(x)",
        "torch.empty_like(x).uniform_()",
        "torch.randint(0, 9, (16, 8))",
        "torch.bernoulli(torch.full((16, 8), 0.3))",
        "torch.nn.functional.dropout(torch.ones_like(x))",
    ],
)
def test_numbers_drawn_from_a_fixed_seed_are_the_same_in_the_oracle(opened, draw):
    reference = opened(f"torch.manual_seed(5)\nreturn x + {draw}")
    inputs = reference.cases(3)["default"]
    (eager,), (found,) = reference.run(inputs)[1], reference.run_precise(inputs)[1]
    torch.testing.assert_close(found, eager.double(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found - inputs[0].double(), (eager - inputs[0]).double(), rtol=1e-5, atol=1e-5)


def test_a_reference_that_reads_bits_has_no_float64_oracle(opened):
    """Twice as many, and others: what is summed up has the right shape and means nothing."""
    reference = opened("return (x.float().view(torch.int32) & 0x7fffffff).view(torch.float32).sum(-1)")
    assert described(reference)["oracle"] == "native"
    writes = opened("return x.float() * (torch.arange(120, 128, dtype=torch.int32) << 23).view(torch.float32)")
    assert described(writes)["oracle"] == "float64"


LOOP = "h = x[0]\nfor _ in range({}):\n    h = torch.tanh(h + x[1])\nreturn h"


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_graph_of_a_long_loop_is_left_out_and_its_problem_described(opened, monkeypatch):
    monkeypatch.setattr("tools.harness.describing.MAX_OPERATORS", 150)
    long = opened(LOOP.format(100))
    found = json.loads(long.graph(7))
    assert (found["graph"], found["operators"]) == (None, [])
    assert "carries out 3" in found["graph_error"]
    assert described(long)["cases"][0]["outputs"]
    assert json.loads(opened(LOOP.format(20)).graph(7))["operators"].count("aten.tanh.default") == 20


@pytest.mark.parametrize(
    ("forward", "construct", "needed"),
    [
        ("return x.sum()", "", 2 * (512 + 1024 + 4 + 8)),
        ("return x.long()", "", 2 * (512 + 1024 + 2 * 1024)),
        ("return x.sum() + self.weight.sum()", WEIGHT, 2 * (512 + 1024 + 4 + 8) + 256 + 512),
    ],
    ids=["inputs", "outputs", "parameters"],
)
def test_a_case_that_would_not_fit_into_memory_twice_is_refused(opened, forward, construct, needed):
    reference = opened(forward, construct)
    assert json.loads(reference.describe(7, needed))["cases"]
    with pytest.raises(Fault, match=r"case default is too large: .* make its inputs smaller or raise the memory limit"):
        reference.describe(7, needed - 1)


@pytest.mark.parametrize(
    ("drawn", "refused"),
    [
        ("float(torch.rand(()))", True),
        ("int(torch.randint(1 << 40, ()))", True),
        ("torch.ones(int(torch.randint(1 << 20, ())))", True),
        ("torch.rand(())", False),
        ("3.5", False),
    ],
)
def test_what_is_known_before_a_call_is_timed_must_not_be_drawn(tmp_path, drawn, refused):
    source = SOURCE.format(forward="        return x * 2", construct="        pass")
    source = source.replace("forward(self, x)", "forward(self, x, other)").replace("(16, 8)]", f"(16, 8), {drawn}]")
    (tmp_path / "problem.py").write_text(problem(source=source).source)
    reference = Reference()
    reference.open(str(tmp_path / "problem.py"), "problem.py", 1)
    if refused:
        with pytest.raises(Fault, match="differ in more than the values"):
            described(reference)
    else:
        assert described(reference)["cases"]


def test_inputs_that_are_too_large_are_refused_before_they_are_used(opened):
    reference = opened("raise ValueError('it was called')")
    with pytest.raises(Fault, match="too large"):
        reference.describe(7, 1024)


def test_a_baseline_is_compiled_for_every_shape_and_not_for_the_first_eight_alone():
    asked = []

    class Model(torch.nn.Module):
        def forward(self, x):
            return x + 1

    def backend(graph, inputs):
        asked.append(inputs[0].shape[0])
        return graph.forward

    call = compiled(Model(), backend=backend)
    for rows in range(2, 14):
        call(torch.ones(rows))
    assert asked == list(range(2, 14))


def test_more_rows_come_from_another_draw(opened):
    reference = opened("return x + 1")
    facts, chunks = reference.make("default", 3, 17)
    assert json.loads(facts)["tensors"][0][1] == [17, 8]
    first, second = (reference.cases(seed)["default"][0] for seed in (3, 4))
    assert torch.equal(chunks[0].view(torch.float32).view(17, 8), torch.cat([first, second])[:17])


def test_only_inputs_that_are_not_as_drawn_are_watched_for_indices_out_of_range(opened, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "tools.harness.reference.guarded",
        lambda device, *, is_altered: asked.append(is_altered) or guarded(torch.device("cuda"), is_altered=is_altered),
    )
    table = SOURCE.replace("torch.randn(16, 8)", "torch.randn(16, 8), torch.arange(16).flip(0)")
    monkeypatch.setitem(globals(), "SOURCE", table.replace("forward(self, x)", "forward(self, x, i)"))
    reference = opened("return x[i]")
    assert "refused" not in json.loads(reference.make("default", 3)[0])
    refusal = json.loads(reference.make("default", 3, 11)[0])["refused"]
    assert "index looks up 15 among 11" in refusal
    assert asked == [False, True, True]  # with both cut, then with the first alone


def test_of_two_square_matrices_the_first_alone_gets_other_rows(opened, monkeypatch):
    square = SOURCE.replace("torch.randn(16, 8)", "torch.randn(16, 16), torch.randn(16, 16)")
    monkeypatch.setitem(globals(), "SOURCE", square.replace("forward(self, x)", "forward(self, x, y)"))
    reference = opened("return x @ y")
    for rows in (11, 17):
        facts = json.loads(reference.make("default", 3, rows)[0])
        assert [tensor[1] for tensor in facts["tensors"]] == [[rows, 16], [16, 16]]
        assert json.loads(reference.condition("default", 4, rows))[0][0][0] > 0
    assert "refused" in json.loads(reference.make("default", 3, 1)[0])  # one row might be broadcast
    both = opened("return x + y")
    facts = json.loads(both.make("default", 3, 11)[0])
    assert [tensor[1] for tensor in facts["tensors"]] == [[11, 16], [11, 16]]
