"""The suite of torch's own operators: what is asked of torch in the sandbox, what its samples come to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evals.errors import ListingFailed, SuiteError
from evals.listing import write_problems
from evals.opinfo import is_opinfo, list_operators, load_opinfo
from sandbox.base import Execution, Isolation

LISTED = {
    "torch": "0.0",
    "operators": [
        {"name": name, "variant": variant, "kind": kind, "dtypes": dtypes, "function": function}
        for name, variant, kind, dtypes, function in (
            ("exp", "", "UnaryUfuncInfo", ["float32", "int64"], "torch._VariableFunctionsClass.exp"),
            ("nn.functional.softplus", "", "OpInfo", ["float32"], "torch._C._nn.softplus"),
            ("var", "unbiased", "ReductionOpInfo", ["float32"], ""),
            ("bitwise_not", "", "UnaryUfuncInfo", ["int64"], "torch.bitwise_not"),
        )
    ],
}


@pytest.fixture
def listed(monkeypatch):
    monkeypatch.setattr("evals.opinfo.list_operators", lambda isolation, device: LISTED)


def load(text, most=None):
    return load_opinfo(text, "cpu", None, most)


@pytest.mark.parametrize(("name", "meant"), [("opinfo", True), ("opinfo:add*", True), ("opinfo.json", False)])
def test_names_that_are_meant(name, meant):
    assert is_opinfo(name) is meant


def test_operators_are_chosen_by_name_and_dtype(listed):
    assert [(item.name, item.family) for item in load("opinfo").problems] == [
        ("exp", "unary"),
        ("nn.functional.softplus", "nn.functional"),
        ("var.unbiased", "reduction"),
        ("bitwise_not", "unary"),
    ]
    assert [item.name for item in load("opinfo:nn.*,var*").problems] == ["nn.functional.softplus", "var.unbiased"]
    assert load("opinfo:exp").id != load("opinfo:exp:int64").id != load("opinfo:exp:int64", 2).id
    assert "torch.exp, in torch.int64" in load("opinfo:exp:torch.int64").problems[0].problem.source


def test_who_does_not_take_the_dtype_says_so(listed):
    refusals = [item.refusal for item in load("opinfo").problems]
    assert refusals == ["", "", "", "bitwise_not does not take float32 on cpu: it takes int64"]


@pytest.mark.parametrize(
    ("text", "says"), [("opinfo:zzz", "is called zzz"), ("opinfo:exp:float3", "no operator takes float3")]
)
def test_what_is_wrong_is_said(listed, text, says):
    with pytest.raises(SuiteError, match=says):
        load(text)


class BrokenSandbox:
    python = ("python",)

    def __init__(self, done):
        self.done = done

    def path_inside(self, mount):
        return mount.target

    def run(self, job):
        return self.done

    def close(self):
        pass


@pytest.mark.parametrize(
    ("done", "says"),
    [
        (
            Execution(1, b"", b"Traceback\nModuleNotFoundError: No module named 'torch'\n", 1.0),
            "No module named 'torch'",
        ),
        (Execution(-9, b"", b"", 1.0), "exit code -9"),
        (Execution(0, b"hello\n", b"", 1.0), "in no form"),
        (Execution(0, b"", b"", 1.0), "in no form"),
    ],
)
def test_a_sandbox_without_torch_is_told(monkeypatch, done, says):
    monkeypatch.setattr("evals.opinfo.open_sandbox", lambda isolation: BrokenSandbox(done))
    with pytest.raises(ListingFailed, match=says):
        list_operators(None, "cpu")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Of operators of many kinds: what their problems do."""
    folder = tmp_path_factory.mktemp("operators")
    names = "softmax,gather,max.reduction_with_dim,nn.functional.scaled_dot_product_attention,multinomial"
    names += ",t,zeros_like,sparse.sampled_addmm,linalg.eigvalsh"
    suite = load_opinfo(f"opinfo:{names}", "cpu", Isolation.PROCESS, 3)
    write_problems(suite, folder)
    line = "invocations.wrapper_set_seed = "
    text = (folder / "multinomial.py").read_text()
    assert line in text
    (folder / "seeded.py").write_text(text.replace(line, "unused = "))
    program = Path(__file__).with_name("run_problems.py")
    done = subprocess.run([sys.executable, program, folder], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.torch
def test_samples_become_cases_that_follow_the_seed(ran):
    for name in ("softmax", "gather"):
        assert 1 < len(ran[name]) <= 3, (name, ran[name])
        for case in ran[name].values():
            assert len(case["inputs"]) == 3
            assert (case["repeats"], case["varies"]) == (True, True), name
    assert next(iter(ran["softmax"].values()))["inputs"][1:] == [["0"], {}]
    assert {case["answer"]["tuple"][0][0] for case in ran["max.reduction_with_dim"].values()} == {"float32"}
    assert "error" not in ran["nn.functional.scaled_dot_product_attention"]  # its samples without dropout
    assert all(name.startswith("sample ") and " of " in name for name in ran["softmax"])


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("multinomial", "its answers are random"),
        ("seeded", "its answers are random"),  # in a torch whose tests hide that elsewhere
        ("t", "it gives views of its input"),
        ("zeros_like", "its answer is the same for different values"),
        ("sparse.sampled_addmm", "tensors that are not plain and strided"),
        ("linalg.eigvalsh", "shapes or numbers that are drawn too"),
    ],
)
def test_operators_that_cannot_be_judged_say_why(ran, name, why):
    assert ran[name]["error"].startswith("ValueError: none of the ")
    assert why in ran[name]["error"]
