"""Suites from FlashInfer-Trace datasets: what becomes a problem, and what each of the others says."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from evals.errors import SuiteError
from evals.flashinfer import load_flashinfer

RANDOM, SCALAR = {"type": "random"}, {"type": "scalar", "value": 1.0}
CUSTOM = {name: {"type": "custom"} for name in ("x", "weight", "eps")}
INPUTS = {"x": RANDOM, "weight": RANDOM, "eps": SCALAR}
AXES = {"rows": {"type": "var"}, "hidden": {"type": "const", "value": 16}}


def load(root, target="cpu", most=None):
    return load_flashinfer(f"flashinfer:{root}", target, most)


def test_a_definition_is_a_problem_and_its_workloads_are_cases(datasets, tmp_path):
    root = datasets.lay_flashinfer(tmp_path, datasets.definition(), datasets.workload(3), datasets.workload(40))
    (problem,) = load(root).problems
    assert (problem.name, problem.family, problem.refusal) == ("rmsnorm_h16", "rmsnorm", "")
    source = problem.problem.source
    compile(source, "problem", "exec")
    assert source.index('cases["rows=3"]') < source.index('cases["rows=40"]')
    for text in (
        "torch.randn((3, 16), dtype=torch.bfloat16),  # x",
        "1e-06,  # eps",
        "def forward(self, x, weight, eps):\n        return run(x, weight, eps)",
        "# Rows over their root mean square.",
        "# input x: bfloat16 [rows, hidden]: the rows",
        "2 of its 2 workloads",
    ):
        assert text in source
    assert source.count("import torch\n") == 1
    assert str(tmp_path) not in source


def test_the_same_files_elsewhere_are_the_same_suite_and_stay_as_they_are(datasets, tmp_path):
    root = datasets.lay_flashinfer(tmp_path / "a", datasets.definition(), datasets.workload())
    hashes = {path: hashlib.sha256(path.read_bytes()).digest() for path in root.rglob("*") if path.is_file()}
    suite = load(root)
    shutil.copytree(root, tmp_path / "b" / "flashinfer_trace")
    assert load(tmp_path / "b").id == suite.id
    assert hashes == {path: hashlib.sha256(path.read_bytes()).digest() for path in root.rglob("*") if path.is_file()}
    datasets.lay_flashinfer(root, datasets.definition(), datasets.workload(4))
    assert load(root).id != suite.id


REFUSED = {
    "unknown field": ({"precision": "high"}, {}, "precision: a field that is not known"),
    "unknown axis kind": ({"axes": {**AXES, "z": {"type": "sum"}}}, {}, r"axes.z: .*'sum'"),
    "wrong type": ({"axes": {"rows": {"type": "const", "value": "16"}}}, {}, r"axes.rows.const.value: .*integer"),
    "no reference": ({"reference": None}, {}, "reference: Field required"),
    "no Python": ({"reference": "def run(:"}, {}, "syntax error in line 1"),
    "no run": ({"reference": "x = 1"}, {}, "defines no function run"),
    "other parameters": ({"reference": "def run(x): return x"}, {}, "does not take the 3 inputs x, weight, eps"),
    "taken name": ({"reference": "class Model: pass\ndef run(x, weight, eps): return x"}, {}, "defines Model"),
    "four bits": ({"outputs": {"y": {"shape": ["rows"], "dtype": "float4_e2m1"}}}, {}, "y is float4_e2m1"),
    "undefined axis": ({"axes": {"rows": AXES["rows"]}}, {}, "has the axis hidden, which"),
    "undefined in an output": ({"outputs": {"y": {"shape": ["z"], "dtype": "int64"}}}, {}, "y has the axis z, which"),
    "only numbers": ({"outputs": {"y": {"shape": None, "dtype": "float32"}}}, {}, "its outputs are plain numbers"),
    "sampling": ({"op_type": "sampling"}, {}, "answers are random"),
    "constraint": ({"constraints": ["rows % 2 == 0"]}, {}, "rows-3 breaks the constraint rows % 2 == 0"),
    "no constraint": ({"constraints": ["rows ="]}, {}, "no Python expression"),
    "no axis": ({}, {"axes": {}}, "no size for the axis rows"),
    "strange axis": ({}, {"axes": {"rows": 3, "z": 1}}, "no axis z"),
    "other size": ({}, {"axes": {"rows": 3, "hidden": 8}}, "axis hidden is 16, and not 8"),
    "no size": ({}, {"axes": {"rows": -1}}, "greater than or equal to 0"),
    "no input": ({}, {"inputs": {"x": RANDOM}}, "says nothing of the input weight"),
    "strange input": ({}, {"inputs": {**INPUTS, "z": RANDOM}}, "no input z"),
    "strange kind": ({}, {"inputs": {**INPUTS, "x": {"type": "file"}}}, r"inputs.x: .*'file'"),
    "random number": ({}, {"inputs": {**INPUTS, "eps": RANDOM}}, "eps is a number that is random"),
    "strange word": ({}, {"seed": 1}, "seed: a field that is not known"),
    "custom": ({}, {"inputs": CUSTOM}, "the definition no custom_inputs_entrypoint"),
    "no entry": ({"custom_inputs_entrypoint": "draw"}, {}, "the reference defines no draw"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_a_problem_is_a_member_that_says_why(datasets, tmp_path, case):
    changes, changed, says = REFUSED[case]
    root = datasets.lay_flashinfer(tmp_path, datasets.definition(**changes), datasets.workload(**changed))
    (member,) = load(root).problems
    with pytest.raises(SuiteError, match=says):
        raise SuiteError(member.refusal)
    assert "\n" not in member.refusal
    assert member.problem.source == ""


def test_broken_files_say_so_and_where(datasets, tmp_path):
    root = datasets.lay_flashinfer(tmp_path, datasets.definition(), datasets.workload())
    datasets.write(root / "definitions/x/torn.json", '{"name": ')
    datasets.write(root / "definitions/x/bytes.json", "{}")
    (root / "definitions/x/bytes.json").write_bytes(b'{"name": "\xff"}')
    datasets.write(root / "definitions/x/none.json", json.dumps(datasets.definition(name="none")))
    with (root / "workloads/rmsnorm/rmsnorm_h16.jsonl").open("a") as file:
        file.write("\n{]\n")
    datasets.write(root / "workloads/y/orphan.jsonl", json.dumps(datasets.workload()) + "\n")
    said = {item.name: item.refusal for item in load(root).problems}
    assert sorted(said) == ["bytes", "none", "orphan", "rmsnorm_h16", "torn"]
    assert "no JSON: Expecting value at line 1" in said["torn"]
    assert "not UTF-8" in said["bytes"]
    assert "it has no workloads" in said["none"]
    assert "which no definition is called" in said["orphan"]
    assert "rmsnorm_h16.jsonl:3: no JSON" in said["rmsnorm_h16"]


def test_a_result_is_no_workload(datasets, tmp_path):
    root = datasets.lay_flashinfer(tmp_path, datasets.definition(), datasets.workload())
    line = {"definition": "rmsnorm_h16", "workload": datasets.workload(9), "solution": "mine", "evaluation": {}}
    with (root / "workloads/rmsnorm/rmsnorm_h16.jsonl").open("a") as file:
        file.write(json.dumps(line))
    assert "solution: it is a result" in load(root).problems[0].refusal


def test_identifiers_tell_workloads_apart_and_may_not_come_twice(datasets, tmp_path):
    one, other = datasets.workload(3, uuid="a"), datasets.workload(3, uuid="b")
    root = datasets.lay_flashinfer(tmp_path, datasets.definition(), one, other)
    assert 'cases["rows=3 (a)"]' in load(root).problems[0].problem.source
    datasets.lay_flashinfer(root, datasets.definition(), one, one)
    assert "two of its workloads are called a" in load(root).problems[0].refusal


def test_wrong_paths_are_said(datasets, tmp_path):
    root = datasets.lay_flashinfer(tmp_path / "a", datasets.definition())
    (tmp_path / "empty/definitions").mkdir(parents=True)
    for path, says in (
        (tmp_path / "no", "no folder"),
        (tmp_path, "no folder definitions"),
        (tmp_path / "empty", "holds no"),
    ):
        with pytest.raises(SuiteError, match=says):
            load(path)
    shutil.copytree(root / "definitions/rmsnorm", root / "definitions/again")
    with pytest.raises(SuiteError, match="two definitions are called rmsnorm_h16"):
        load(root)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("torch.empty(3, device='cuda')", "'cuda'"),
        ("torch.empty(3, device=torch.device('cuda:0'))", "'cuda:0'"),
        ("x.cuda()", ".cuda()"),
        ("torch.cuda.synchronize()", "torch.cuda.synchronize"),
    ],
)
def test_a_reference_that_needs_a_device_is_a_problem_on_devices_only(datasets, tmp_path, body, word):
    text = f"import torch\ndef run(x, weight, eps):\n    y = {body}\n    return x"
    root = datasets.lay_flashinfer(tmp_path, datasets.definition(reference=text), datasets.workload())
    assert f"asks for a CUDA device ({word})" in load(root).problems[0].refusal
    assert load(root, "cuda:sm90").problems[0].refusal == ""


@pytest.mark.parametrize(
    "body",
    ["'cuda' if torch.cuda.is_available() else 'cpu'", "x.device.type == 'cuda'", "x.is_cuda", "x.device"],
)
def test_a_reference_that_asks_where_it_is_works_anywhere(datasets, tmp_path, body):
    text = f"import torch\ndef run(x, weight, eps):\n    'on cuda'\n    y = {body}\n    return x"
    root = datasets.lay_flashinfer(tmp_path, datasets.definition(reference=text), datasets.workload())
    assert load(root).problems[0].refusal == ""


@pytest.mark.parametrize(
    ("most", "rows"), [(None, [9, 1, 5, 7, 3]), (2, [9, 1]), (3, [9, 1, 5]), (1, [5]), (9, [9, 1, 5, 7, 3])]
)
def test_fewer_workloads_are_of_all_sizes(datasets, tmp_path, most, rows):
    given = [datasets.workload(size) for size in (9, 1, 5, 7, 3)]
    root = datasets.lay_flashinfer(tmp_path, datasets.definition(), *given)
    source = load(root, most=most).problems[0].problem.source
    places = [source.find(f'cases["rows={size}"]') for size in rows]
    assert -1 not in places
    assert places == sorted(places)
    assert source.count("cases[") == len(rows)
    assert f"{len(rows)} of its 5 workloads" in source
