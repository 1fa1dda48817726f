"""What the pages say is so: codes and fields are collected from the source and compared."""

from __future__ import annotations

import ast
import re
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

# Says what a candidate is rejected for: the argument's place in a call, or its name.
MAKERS = {"Rejected": 0, "WorkerFailed": 0, "Comparison": 1, "Screening": 0}
KEYWORDS = {"CompileResult": ("reason",), "Verdict": ("reason",), "require": ("kind",), "replace": ("reason",)}
CODE = re.compile(r"[a-z]+(_[a-z]+)*(\.[a-z]+(_[a-z]+)*)?")
NEVER_A_VERDICT = {
    "fault": "what the user's own problem file has to say: a request that is wrong, exit code 2",
}
PROFILERS = "tools/profiling/"
SCRIPTED = "tools/fake_judge.py"


def texts(node: ast.expr | None) -> Iterator[str]:
    """Every text that an expression may come to; of an f-string, its pattern with ``*`` for what is put in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from texts(node.body)
        yield from texts(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from texts(value)
    elif isinstance(node, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) else "*" for part in node.values)
    elif isinstance(node, ast.Call):  # {"runtime_error": "compile_error"}.get(reason, reason)
        function = node.func
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Dict):
            for value in function.value.values:
                yield from texts(value)


def said(tree: ast.Module) -> Iterator[str]:
    """The codes that one file gives as reasons."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            place = MAKERS.get(name)
            if place is not None and len(node.args) > place:
                yield from texts(node.args[place])
            for keyword in node.keywords:
                if keyword.arg in KEYWORDS.get(name, ()):
                    yield from texts(keyword.value)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {target.id for target in targets if isinstance(target, ast.Name)}
            if "reason" in names or "OUT_OF_BOUNDS" in names:
                yield from texts(node.value)
            if "_REASONS" in names and isinstance(node.value, ast.Dict):
                for value in node.value.values:
                    yield from texts(value)
        elif isinstance(node, ast.FunctionDef):
            returned = [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return)]
            if node.name in ("_difference", "_unseen"):
                prefix = "wrong_output." if node.name == "_difference" else ""
                yield from (prefix + text for value in returned for text in texts(value))
            for value in returned:  # ("cheat.late_work", "its outputs were ...")
                if isinstance(value, ast.Tuple) and value.elts and node.name in ("arm", "trouble"):
                    yield from texts(value.elts[0])


def is_of_a_verdict(name: str) -> bool:
    return name != SCRIPTED and (not name.startswith(PROFILERS) or name == f"{PROFILERS}running.py")


@pytest.fixture(scope="module")
def codes(repository: Path) -> set[str]:
    """Every reason that a verdict can carry, as the source has them."""
    found: set[str] = set()
    for room in ("tools", "sandbox"):
        for path in (repository / room).rglob("*.py"):
            if not is_of_a_verdict(path.relative_to(repository).as_posix()):
                continue
            text = path.read_text(encoding="utf-8")
            found |= set(said(ast.parse(text)))
            # Whatever else has the form of one, wherever it stands: a way to say it that nobody thought of above.
            found |= set(re.findall(r"[\"']((?:cheat|wrong_output|runtime_error)\.[a-z_]+)[\"']", text))
    found = {code for code in found if CODE.fullmatch(code)}
    return found - set(NEVER_A_VERDICT)


@pytest.fixture(scope="module")
def troubleshooting(repository: Path) -> str:
    return (repository / "docs" / "troubleshooting.md").read_text(encoding="utf-8")


def section(page: str, title: str) -> str:
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def first_cells(text: str) -> list[str]:
    """The codes in the first cells of a section's tables."""
    return [
        code for cell in re.findall(r"^\| (`[^|]+`) \|", text, re.MULTILINE) for code in re.findall(r"`([^`]+)`", cell)
    ]


def test_the_collector_finds_what_is_known(codes):
    """It would agree with an empty page if it found nothing."""
    assert codes >= {
        *("compile_error", "import_error", "no_model_new", "runtime_error", "crash", "timeout", "out_of_memory"),
        *("wrong_output", "wrong_output.shape", "wrong_output.unstable", "wrong_output.unseen_shape"),
        *("aliased_output", "input_mutation", "out_of_bounds", "device_fault", "uninitialised_output"),
        *("cheat.late_work", "cheat.forged_record", "cheat.output_reuse", "cheat.below_floor", "infrastructure"),
    }


def test_every_reason_is_explained_and_no_other(troubleshooting, codes):
    told = first_cells(section(troubleshooting, "By reason"))
    assert sorted(told) == sorted(codes)


def test_every_exit_code_is_explained(troubleshooting):
    from kernelwright import exit_codes

    known = {value for name, value in vars(exit_codes).items() if name.isupper()}
    told = [int(code) for code in first_cells(section(troubleshooting, "By exit code"))]
    assert sorted(told) == sorted(known)


def test_every_reason_to_stop_is_explained(troubleshooting):
    from agent.budget import StopReason

    told = first_cells(section(troubleshooting, "By stop reason"))
    assert sorted(told) == sorted(typing.get_args(StopReason))


@pytest.fixture(scope="module")
def verdicts(repository: Path) -> str:
    return (repository / "docs" / "verdicts.md").read_text(encoding="utf-8")


def test_every_field_of_a_verdict_is_explained_and_no_other(verdicts):
    from dataclasses import fields

    from tools.harness.yardstick import ErrorFacts
    from tools.verdict import CaseVerdict, Timing, Verdict

    whole, _, parts = section(verdicts, "Fields").partition("\n### A case\n")
    case, _, rest = parts.partition("\n### A timing, an error\n")
    assert sorted(first_cells(whole)) == sorted(name.rstrip("_") for name in Verdict.model_fields)
    assert sorted(first_cells(case)) == sorted(CaseVerdict.model_fields)
    assert sorted(first_cells(rest)) == sorted([*Timing.model_fields, *(field.name for field in fields(ErrorFacts))])


def test_the_verdict_that_is_shown_is_one(verdicts):
    import json

    from tools.verdict import Verdict

    (shown,) = re.findall(r"^```json\n(.*?)^```", verdicts, re.MULTILINE | re.DOTALL)
    data = json.loads(shown)
    assert Verdict.from_json(data).to_json() == data


def test_what_the_page_of_evaluations_says_of_other_formats_is_so(repository):
    """Each number and name on the page, against the code that has it."""
    from evals.flashinfer import PREFIX as FLASHINFER
    from evals.formats import composing, reference
    from evals.formats.schema import Definition, Tolerance, Workload
    from evals.opinfo import MOST, NAME, USUAL_DTYPE
    from evals.sol import DEFINITION, WORKLOADS
    from evals.sol import PREFIX as SOL

    page = (repository / "docs" / "evals.md").read_text(encoding="utf-8")
    told = section(page, "Suites in other formats")
    low, high = composing._RANGES["int64"]
    for text in (
        f"`{FLASHINFER}DATASET`",
        f"`{SOL}DATASET`",
        f"`{NAME}[:PATTERN[:DTYPE]]`",
        f"at most {composing.MOST_STORED >> 10} KiB",
        f"from {low} to {high - 1}",
        f"`{DEFINITION}` and `{WORKLOADS}`",
        f"at most {MOST} of all sizes",
        f"is `{USUAL_DTYPE}`",
        f"`{reference.ENTRY}`",
    ):
        assert text in told, text
    names = {*Definition.model_fields, *Workload.model_fields, *Tolerance.model_fields}
    fields = {"reference", "op_type", "custom_inputs_entrypoint", "tolerance", "max_atol", "required_matched_ratio"}
    assert fields <= names
    assert all(f"`{name}`" in told for name in fields)
