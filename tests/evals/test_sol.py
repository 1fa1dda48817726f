"""Suites from SOL-ExecBench datasets: problems in folders, expressions, custom inputs, tolerances."""

from __future__ import annotations

import pytest

from evals.errors import SuiteError
from evals.formats.axes import sizes_of
from evals.formats.schema import Definition, FormatError, Workload
from evals.sol import load_sol

LICENCE = {"precision": "tolerance", "atol": 1e-3, "rtol": 2e-2}
STATED = {"max_atol": 1e-3, "max_rtol": 2e-2}


def load(root, target="cpu", most=None):
    return load_sol(f"sol:{root}", target, most)


def test_every_folder_with_a_definition_is_a_member(datasets, tmp_path):
    root = datasets.lay_sol(tmp_path, datasets.definition(), datasets.workload())
    datasets.lay_sol(root, datasets.definition(hf_id="a/model"), datasets.workload(), place="Quant/001_rms_norm")
    datasets.write(root / "L2/004_torn/definition.json", "{}")
    datasets.write(root / "L2/005_lost/workload.jsonl", "")
    suite = load(root)
    assert [(item.name, item.family) for item in suite.problems] == [
        ("L1_001_rms_norm", "L1"),
        ("L2_004_torn", "L2"),
        ("L2_005_lost", "L2"),
        ("Quant_001_rms_norm", "Quant"),
    ]
    refusals = [item.refusal for item in suite.problems]
    assert (refusals[0], refusals[3]) == ("", "")
    assert "has no workload.jsonl" in refusals[1]
    assert "has no definition.json" in refusals[2]
    assert len(suite.only("L1").problems) == 1


def test_one_problem_and_one_collection_can_be_named(datasets, tmp_path):
    root = datasets.lay_sol(tmp_path, datasets.definition(), datasets.workload())
    (item,) = load(root / "L1/001_rms_norm").problems
    assert (item.name, item.family) == ("001_rms_norm", "L1")
    assert "SOL-ExecBench problem L1/001_rms_norm" in item.problem.source
    assert load(root / "L1").problems[0].problem == item.problem


def test_wrong_paths_are_said(tmp_path):
    with pytest.raises(SuiteError, match="no folder"):
        load(tmp_path / "no")
    with pytest.raises(SuiteError, match="holds no problems"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("tolerances", "fixed"),
    [
        ([STATED, STATED], LICENCE),
        ([STATED, {**STATED, "_floor": [1], "required_matched_ratio": 0.99}], LICENCE),
        ([STATED, {**STATED, "max_atol": 1e-2}], {}),
        ([STATED, {**STATED, "max_error_cap": 1.0}], {}),
        ([STATED, None], {}),
        ([{"max_atol": 1e-3}], {}),
    ],
)
def test_a_licence_that_all_workloads_state_is_the_suites(datasets, tmp_path, tolerances, fixed):
    given = [datasets.workload(3 + number, tolerance=one) for number, one in enumerate(tolerances)]
    suite = load(datasets.lay_sol(tmp_path, datasets.definition(), *given))
    assert suite.problems[0].refusal == ""
    assert suite.settings == fixed


def test_a_tolerance_in_other_words_is_no_tolerance(datasets, tmp_path):
    given = datasets.workload(tolerance={**STATED, "mode": "cosine"})
    assert (
        "tolerance.mode: a field that"
        in load(datasets.lay_sol(tmp_path, datasets.definition(), given)).problems[0].refusal
    )


def test_an_older_name_of_the_tolerance_is_known(datasets, tmp_path):
    suite = load(datasets.lay_sol(tmp_path, datasets.definition(), datasets.workload(correctness=STATED)))
    assert suite.settings["atol"] == 1e-3


def sizes(datasets, expression, rows=6, constraints=()):
    axes = {
        "out": {"type": "expr", "expression": expression},
        "rows": {"type": "var"},
        "hidden": {"type": "const", "value": 16},
    }
    given = Definition.model_validate(datasets.definition(axes=axes, constraints=list(constraints)))
    return sizes_of(given, Workload.model_validate(datasets.workload(rows)))


@pytest.mark.parametrize(
    ("expression", "size"),
    [
        ("rows * hidden + 1", 97),
        ("hidden // rows", 2),
        ("hidden / 4", 4),
        ("hidden % rows", 4),
        ("2 ** rows", 64),
        ("-(rows - 8)", 2),
        ("(rows)", 6),
    ],
)
def test_expressions_are_sizes(datasets, expression, size):
    assert list(sizes(datasets, expression).items()) == [("out", size), ("rows", 6), ("hidden", 16)]


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("hidden / 5", "comes to 3.2, which is no size"),
        ("rows - 7", "comes to -1"),
        ("rows / 0", "division by zero"),
        ("other + 1", "uses other, which is no axis"),
        ("rows.bit_length()", "more than arithmetic"),
        ("__import__('os')", "more than arithmetic"),
        ("rows if rows else 1", "more than arithmetic"),
        ("9 ** 9 ** 9", "too large for a size"),
        ("((9 ** 60) ** 60) ** 60", "too large for a size"),
        ("rows +", "no Python expression"),
        ("out", "uses out, which is no axis"),
        ("rows > 2", "no size"),
        ("1e400", "inf"),
    ],
)
def test_what_is_no_size_is_said(datasets, expression, says):
    with pytest.raises(FormatError, match=says):
        sizes(datasets, expression)


@pytest.mark.parametrize(
    "text", ["rows == 6", "rows < hidden <= 16", "rows == 1 or not rows % 2", "out == 12 and hidden != 3"]
)
def test_constraints_on_axes_hold_or_are_told(datasets, text):
    assert sizes(datasets, "rows * 2", constraints=[text])
    with pytest.raises(FormatError, match="breaks the constraint"):
        sizes(datasets, "rows * 2", rows=17, constraints=[text])
