"""Problems made of definitions, run: inputs of every kind, answers of every form."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from evals.flashinfer import load_flashinfer
from evals.listing import write_problems

pytestmark = pytest.mark.torch

DRAW = """import torch

def get_inputs(axes_and_scalars, device):
    rows = axes_and_scalars["rows"]
    assert axes_and_scalars["twice"] == 2 * rows and axes_and_scalars["offset"] == 1
    at = torch.randint(0, rows, (rows, 16), device=device)
    return {"at": at, "x": torch.randn(rows, 16, device=device), "unasked": 1}

def run(x, at, offset):
    x += torch.gather(x, 0, at) + offset
    return x
"""


def definitions(datasets):
    """Name to definition and workload."""
    made = {}

    def add(name, given, workload=None):
        made[name] = ({**given, "name": name}, workload or datasets.fitting(given))

    def simple(reference, inputs=(("x", "float32"),), outputs=1, **changes):
        return datasets.simple(f"import torch\n{reference}", dict(inputs), outputs, **changes)

    add("rms", datasets.definition(), datasets.workload())
    kinds = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "bool", "float8_e5m2")
    names = [f"x{number}" for number in range(len(kinds))]
    add("dtypes", simple(f"def run({', '.join(names)}): return x0", zip(names, kinds, strict=True)))
    add("mapping", simple("def run(x): return {'out1': x + 1, 'out0': x}", outputs=2))
    add("single", simple("def run(x): return (x,)"))
    add("mapped", simple("def run(x):\n    y = dict(out0=x)\n    return y if len(y) > 1 else {**y}"))
    add("number", simple("def run(x): return x.sum().item()"))
    add("later", simple("from math import pi\ndef run(x): return x * pi"))
    future = "from __future__ import annotations\nimport torch\ndef run(x: Tensor): return x"
    add("future", datasets.simple(future, {"x": "float32"}))
    add("reordered", simple("def run(y, x): return y - x", (("x", "float32"), ("y", "int32"))))
    add("renamed", simple("def run(a, lambda_): return a", (("self", "float32"), ("lambda", "int32"))))
    eighth = simple("def run(x): return (x.float() * 2).to(torch.float8_e4m3fn)", (("x", "float8_e4m3"),))
    eighth["outputs"]["out0"]["dtype"] = "float8_e4m3fn"
    add("eighth", eighth)
    custom = simple("", (("x", "float32"), ("at", "int64")))
    custom |= {"reference": DRAW, "custom_inputs_entrypoint": "get_inputs"}
    custom["axes"] = {**custom["axes"], "twice": {"type": "expr", "expression": "2 * rows"}}
    custom["inputs"] = {**custom["inputs"], "offset": {"shape": None, "dtype": "int32"}}
    kind, number = {"type": "custom"}, {"type": "scalar", "value": 1}
    add("custom", custom, datasets.workload(inputs={"x": kind, "at": kind, "offset": number}))
    add("mixed", custom, datasets.workload(inputs={"x": {"type": "random"}, "at": kind, "offset": number}))
    held = simple("def run(x): return x", constraints=["rows == x.shape[0]", "bool((x > 9).all())"])
    add("held", held)
    add("infinite", datasets.definition(), datasets.workload(inputs=infinite(datasets)))
    return made


def infinite(datasets):
    return {**datasets.workload()["inputs"], "eps": {"type": "scalar", "value": float("inf")}}


@pytest.fixture(scope="module")
def ran(datasets, tmp_path_factory):
    root = tmp_path_factory.mktemp("dataset")
    for given, workload in definitions(datasets).values():
        datasets.lay_flashinfer(root, given, workload)
    return run(load_flashinfer(f"flashinfer:{root}", "cpu"), root / "problems")


def run(suite, folder):
    listed = write_problems(suite, folder)
    assert [row["refusal"] for row in listed["problems"]] == [None] * len(listed["problems"])
    program = Path(__file__).with_name("run_problems.py")
    done = subprocess.run([sys.executable, program, folder], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_inputs_have_the_shapes_and_dtypes_of_the_definition(ran):
    (case,) = ran["rms"].values()
    assert case["inputs"] == [["bfloat16", [3, 16]], ["bfloat16", [16]], "1e-06"]
    assert case["answer"] == ["bfloat16", [3, 16]]
    (case,) = ran["dtypes"].values()
    kinds = [kind for kind, _ in case["inputs"]]
    assert kinds == ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "bool", "uint8"]


def test_numbers_are_drawn_from_where_the_format_has_them(ran):
    (case,) = ran["dtypes"].values()
    wide, *_ = case["values"]
    assert all(-1024 <= value < 1024 for values in case["values"][:3] for value in values)
    assert max(map(abs, (*wide, *case["values"][1], *case["values"][2]))) > 128
    assert all(-128 <= value < 128 for value in case["values"][3])
    assert set(case["values"][4]) <= {False, True}


def test_draws_follow_the_seed_from_outside(ran):
    for name in ("rms", "dtypes", "custom", "mixed", "eighth"):
        (case,) = ran[name].values()
        assert (case["repeats"], case["varies"]) == (True, True), name


def test_answers_are_in_the_order_of_the_outputs_whatever_run_returns(ran):
    def answer(name):
        (case,) = ran[name].values()
        return case["answer"], case["answers"]

    form, (first, second) = answer("mapping")
    assert form == {"tuple": [["float32", [3, 16]]] * 2}
    assert second == pytest.approx([value + 1 for value in first])
    for name in ("single", "mapped", "later", "future", "renamed"):
        assert answer(name)[0] == ["float32", [3, 16]], name
    assert list(answer("number")[0]) == ["tuple"]


def test_inputs_reach_the_parameters_of_their_names(ran):
    (case,) = ran["reordered"].values()
    assert case["inputs"] == [["float32", [3, 16]], ["int32", [3, 16]]]
    (values,), (answer,) = case["values"], case["answers"]
    assert all(abs(value - got) < 10 for value, got in zip(values, answer, strict=True))


def test_eight_bit_floats_travel_as_bytes(ran):
    (case,) = ran["eighth"].values()
    assert (case["inputs"], case["answer"]) == ([["uint8", [3, 16]]], ["uint8", [3, 16]])
    (values,), (doubled,) = case["values"], case["answers"]
    assert any(values)
    # Twice as much is one more in the exponent, above its three bits of fraction.
    normal = [(value, twice) for value, twice in zip(values, doubled, strict=True) if value & 0x78]
    assert normal
    assert all(twice == value + 8 for value, twice in normal)


def test_custom_inputs_come_from_the_function_of_the_reference(ran):
    for name in ("custom", "mixed"):
        (case,) = ran[name].values()
        assert case["inputs"] == [["float32", [3, 16]], ["int64", [3, 16]], "1"]
        assert all(0 <= value < 3 for value in case["values"][0])


def test_a_constraint_on_values_is_checked_where_they_are_drawn(ran):
    assert ran["held"] == {"error": "AssertionError: bool((x > 9).all())"}


def test_numbers_without_a_spelling_in_python_are_numbers(ran):
    (case,) = ran["infinite"].values()
    assert case["inputs"][2] == "inf"


def test_stored_tensors_are_what_the_file_holds(datasets, tmp_path):
    pytest.importorskip("safetensors", reason="make setup")
    values = [number % 1000 for number in range(200)]
    body = struct.pack("<200q", *values)
    header = json.dumps({"k": {"dtype": "I64", "shape": [2, 100], "data_offsets": [0, len(body)]}}).encode()
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + body)
    inputs = {"x": {"shape": ["2", 100], "dtype": "int64"}, "y": {"shape": [], "dtype": "float32"}}
    given = datasets.definition(name="stored", reference="def run(x, y): return x + y", inputs=inputs)
    stored = {"type": "safetensors", "path": "x.safetensors", "tensor_key": "k"}
    workload = datasets.workload(inputs={"x": stored, "y": {"type": "random"}})
    root = datasets.lay_flashinfer(tmp_path, given, workload)
    (case,) = run(load_flashinfer(f"flashinfer:{root}", "cpu"), root / "problems")["stored"].values()
    assert case["inputs"] == [["int64", [2, 100]], ["float32", []]]
    assert (case["values"], case["varies"]) == ([[0, 1, 2, 3]], True)


def test_an_agent_meets_each_problem_and_every_refusal_is_a_row(datasets, tmp_path):
    from agent.settings import AgentSettings
    from evals.page import to_markdown
    from evals.runner import run_suite

    root = datasets.lay_flashinfer(tmp_path / "data", datasets.definition(), datasets.workload())
    datasets.lay_flashinfer(root, datasets.definition(name="odd", precision="high"), datasets.workload())
    met = []

    def optimizer(problem, settings, subscribers):
        met.append(problem)
        return finished(problem, settings)

    report = run_suite(load_flashinfer(f"flashinfer:{root}", "cpu"), AgentSettings(), tmp_path, optimizer=optimizer)
    assert [problem.name for problem in met] == ["rmsnorm_h16"]
    assert {result.name: result.status for result in report.results} == {
        "odd": "failed",
        "rmsnorm_h16": "no_improvement",
    }
    assert "odd.json: precision: a field that is not known here" in to_markdown(report)
    assert (report.status, report.exit_code) == ("complete", 3)


def finished(problem, settings):
    from agent.outcome import Outcome

    told = ("r", "no_improvement", problem.name, "builtin", "cpu", "cpp", 1, 0, 1.0, 0, 0.0, 0, 0, None)
    return Outcome(*told, str(settings.out), "stall", "", None)


@pytest.mark.slow
@pytest.mark.timeout(900)  # other processes may measure on this machine, and it waits for them
def test_the_builtin_model_works_on_a_dataset(datasets, repository, tmp_path):
    """The whole way: read, described, measured, one candidate judged."""
    given = datasets.simple("import torch\ndef run(x): return torch.softmax(x * 2, -1)", {"x": "float32"}, name="soft")
    workloads = [datasets.fitting(given, uuid=str(rows), axes={"rows": rows}) for rows in (64, 512)]
    root = datasets.lay_flashinfer(tmp_path / "data", given, *workloads)
    words = ["eval", f"flashinfer:{root}", "--max-candidates", "1", "--out", tmp_path / "out", "--json"]
    argv = [sys.executable, "-m", "kernelwright", *map(str, words)]
    done = subprocess.run(argv, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    (result,) = json.loads(done.stdout)["results"]
    assert (result["name"], result["outcome"]["candidates"]) == ("soft", 1)
    assert result["error"] is None
