"""The table of wrong requests is sound, and what needs no sandbox to be refused is refused as it says."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tools.errors import RequestError
from tools.problem import load_problem

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
REQUESTS: list[dict[str, Any]] = json.loads((FIXTURES / "bad_inputs.json").read_text())["requests"]
LOADED = [row for row in REQUESTS if row["cost"] == "cheap" and row["arguments"][1].startswith("{tmp}")]


def write_file(row: dict[str, Any], folder: Path) -> None:
    file = row.get("file")
    if file is not None:
        content = base64.b64decode(file["base64"]) if "base64" in file else file["text"].encode() * file.get("times", 1)
        (folder / file.get("name", f"{row['name']}.py")).write_bytes(content)


def test_there_are_more_than_twenty_and_each_has_a_name():
    names = [row["name"] for row in REQUESTS]
    assert len(names) >= 20
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: row["name"])
def test_every_row_is_sound(row):
    assert set(row) <= {"name", "arguments", "exit_codes", "message", "cost", "file"}
    assert row["cost"] in {"cheap", "sandbox", "run"}
    assert set(row["exit_codes"]) <= {0, 1, 2, 3}
    re.compile(row["message"])
    path = row["arguments"][1]
    if path.startswith("{problems}"):
        assert Path(path.format(problems=FIXTURES / "bad_problems")).is_file()


def test_every_file_is_asked_for():
    asked = {Path(row["arguments"][1]).name for row in REQUESTS}
    assert {path.name for path in (FIXTURES / "bad_problems").iterdir()} - {"__pycache__"} <= asked


@pytest.mark.parametrize("row", LOADED, ids=lambda row: row["name"])
def test_what_no_sandbox_is_needed_for(row, tmp_path):
    write_file(row, tmp_path)
    with pytest.raises(RequestError, match=row["message"]) as caught:
        load_problem(Path(row["arguments"][1].format(tmp=tmp_path)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("row", [row for row in REQUESTS if row["cost"] != "cheap"], ids=lambda row: row["name"])
def test_what_a_sandbox_is_needed_for_loads(row):
    """The controller reads these without noticing anything: it never runs them."""
    path = row["arguments"][1].format(problems=FIXTURES / "bad_problems")
    assert load_problem(Path(path)).name == Path(path).stem


def test_a_careless_backslash_is_no_mistake(tmp_path):
    """Newer Pythons warn about it; a warning is neither an error nor a second line."""
    path = tmp_path / "careless.py"
    path.write_text('"""\\d"""\nclass Model: pass\ndef get_inputs(): return []\n')
    assert load_problem(path).name == "careless"
