"""Plan files: what they mean, and errors that name file, table and key and say how to mend it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.plans.plan import Plan
from agent.plans.reading import read_plan
from tools.errors import RequestError

NOW = datetime(2026, 11, 29, 22, 0, tzinfo=UTC)
WHOLE = """
name = "tonight"
deadline = 07:30:00
[budget]
seconds = "6h"
dollars = 5.0
[settings]
slots = 1
[[operator]]
problem = "ops/softmax.py"
start = "mine.py"
priority = 10
deadline = "2h"
budget = { seconds = 1800, candidates = 20 }
settings = { slots = 4, policy = "mcts" }
[[operator]]
problem = "ops/softmax.py"
name = "again"
model = ["openai:a", "openai:b"]
target = ["cpu"]
"""


@pytest.fixture
def read(tmp_path: Path):
    (tmp_path / "ops").mkdir()
    (tmp_path / "ops" / "softmax.py").write_text("class Model: ...\ndef get_inputs(): ...\n")
    (tmp_path / "mine.py").write_text("class ModelNew: ...\n")

    def read(text: str) -> Plan:
        path = tmp_path / "night.toml"
        path.write_text(text)
        return read_plan(path, NOW, environ={})

    return read


def test_a_whole_plan(read) -> None:
    plan = read(WHOLE.replace("dollars = 5.0\n", ""))
    first, second = plan.entries
    assert plan.deadline == datetime(2026, 11, 30, 7, 30, tzinfo=UTC)
    assert plan.budget.seconds == 6 * 3600
    assert (first.name, first.priority, first.deadline) == ("softmax", 10, NOW + timedelta(hours=2))
    assert (first.budget.seconds, first.budget.candidates, first.starts[0].name) == (1800, 20, "mine.py")
    assert (first.settings["slots"], first.settings["policy"]) == (4, "mcts")
    assert (second.name, second.settings["slots"], second.settings["model"]) == ("again", 1, "openai:a,openai:b")
    assert Plan.model_validate(plan.model_dump(mode="json")) == plan


def test_several_targets_are_several_entries(read) -> None:
    plan = read('[[operator]]\nproblem = "ops/softmax.py"\ntarget = ["cpu", "cuda:sm90"]\n')
    assert [(entry.name, entry.settings["target"]) for entry in plan.entries] == [
        ("softmax-cpu", "cpu"),
        ("softmax-cuda-sm90", "cuda:sm90"),
    ]


OPERATOR = '[[operator]]\nproblem = "ops/softmax.py"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = \n", ["night.toml", "not valid TOML"]),
        ("name = 'x'\n", ["night.toml", "no operators", "[[operator]]"]),
        ("[operator]\nproblem = 'x.py'\n", ["night.toml", "[[operator]]", "double brackets"]),
        ("[[operator]]\nname = 'x'\n", ["[[operator]] 1 (x)", "key problem", "add it"]),
        (OPERATOR + "prio = 3\n", ["[[operator]] 1 (ops/softmax.py)", "key prio is unknown", "priority"]),
        (OPERATOR + "priority = 'high'\n", ["[[operator]] 1", "key priority", "integer"]),
        (OPERATOR + "budget = {dollars = -1}\n", ["key budget.dollars", "greater than 0"]),
        (OPERATOR + "budget = {euros = 1}\n", ["key budget.euros is unknown", "dollars"]),
        ("budget = {seconds = 'soon'}\n" + OPERATOR, ["key budget.seconds", "'soon' is no duration", "90min"]),
        ("deadline = 'soon'\n" + OPERATOR, ["night.toml: deadline", "'soon' is no deadline", "07:30"]),
        (OPERATOR + "deadline = true\n", ["[[operator]] 1 (softmax), key deadline", "07:30"]),
        (OPERATOR + "settings = {slots = 0}\n", ["[[operator]] 1 (softmax)", "slots in settings", "greater"]),
        (OPERATOR + "settings = {speed = 0}\n", ["settings.speed is unknown", "docs/settings.md"]),
        (OPERATOR + "settings = {max_cost = 1}\n", ["settings.max_cost", "budget.dollars"]),
        (OPERATOR + "settings = {api_key = 'k'}\n", ["settings.api_key", "environment"]),
        (OPERATOR + "target = 'tpu'\n", ["[[operator]] 1 (softmax)", "tpu"]),
        ("[[operator]]\nproblem = 'gone.py'\n", ["[[operator]] 1 (gone)", "no problem file"]),
        (OPERATOR + "start = 'gone.py'\n", ["[[operator]] 1 (softmax)", "cannot read", "gone.py"]),
        (OPERATOR + OPERATOR, ["two operators are called softmax", "name ="]),
        (OPERATOR + "name = '../x'\n", ["key name", "pattern"]),
    ],
)
def test_what_is_wrong_is_told_in_one_line_with_its_place(read, text: str, words: list[str]) -> None:
    with pytest.raises(RequestError) as caught:
        read(text)
    told = str(caught.value)
    assert "\n" not in told
    assert [word for word in words if word not in told] == [], told


def test_a_plan_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot read the plan"):
        read_plan(tmp_path / "gone.toml", NOW)
