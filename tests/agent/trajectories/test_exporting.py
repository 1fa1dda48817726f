"""Runs with a scripted model and a scripted judge, exported: what is in a row, what is left out, what never leaves."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, ToolCall

from agent.errors import RunError
from agent.run import Outcome, Seams, optimize
from agent.scripted import ScriptedChatModel, ScriptedProposal, ScriptedReply, replay
from agent.settings import AgentSettings
from agent.trajectories.exporting import export_rows, to_lines
from agent.trajectories.reading import read_trajectories
from agent.trajectories.rows import reward
from tools.fake_judge import FakeJudge, accepted, rejected
from tools.problem import Problem
from tools.verdict import Verdict

KEY = "not-like-any-pattern-0123456789"


def source(name: str) -> str:
    return f"class ModelNew:\n    value = {name!r}\n"


def writes(round_: int, slot: int, text: str, said: str = "") -> ScriptedProposal:
    calls: Sequence[dict[str, Any]] = (
        {"name": "write_candidate", "args": {"source": text}},
        {"name": "compile_candidate"},
        {"name": "submit", "args": {"strategy": "by hand"}},
    )
    replies = tuple(ScriptedReply.model_validate({"content": said, "tool_calls": [call]}) for call in calls)
    return ScriptedProposal(round=round_, slot=slot, replies=replies)


def declines(round_: int, slot: int) -> ScriptedProposal:
    call = {"name": "decline", "args": {"reason": "no idea"}}
    return ScriptedProposal(round=round_, slot=slot, replies=(ScriptedReply.model_validate({"tool_calls": [call]}),))


VERDICTS = {
    "fast": accepted(2.0),
    "slow": accepted(0.5),
    "near": accepted(1.99),
    "wrong": rejected("wrong_output", "off by one"),
    "cheat": rejected("cheat.output_reuse", "it answered from a cache"),
    "fickle": accepted(3.0),
}


def run(home: Path, names: list[str | None], *, slots: int = 4, said: str = "", **changes: Any) -> Outcome:
    """One after another by round and slot; None declines."""
    played = [
        declines(place // slots, place % slots) if name is None else writes(*divmod(place, slots), source(name), said)
        for place, name in enumerate(names)
    ]

    def judged(text: str) -> Verdict:
        return next(verdict for name, verdict in VERDICTS.items() if source(name) == text)

    def again(text: str) -> Verdict:
        return rejected("cheat.seed_dependent") if text == source("fickle") else judged(text)

    settings = {"home": home, "slots": slots, "memory": False, "stall": 50, "model": "builtin", **changes}
    settings.setdefault("max_candidates", len(names))
    seams = Seams(judge=FakeJudge(judged, confirmations=again), model=ScriptedChatModel(script=replay(played)))
    return optimize(Problem("toy", "class Model: ...\n"), AgentSettings(**settings), seams=seams)


def rows(form: Any, *outcomes: Outcome, **flags: bool) -> list[dict[str, Any]]:
    return export_rows(form, [Path(one.run_dir) for one in outcomes], settings=AgentSettings(api_key=KEY), **flags)


def names_of(told: list[dict[str, Any]]) -> list[str]:
    """Which candidates a row's conversations wrote."""
    calls = [call for message in told for call in message.get("tool_calls", ())]
    written = [call["function"]["arguments"]["source"] for call in calls if "source" in call["function"]["arguments"]]
    return [name for name in VERDICTS if source(name) in written]


def test_sft_is_one_whole_conversation_for_each_accepted_candidate(home: Path) -> None:
    outcome = run(home, ["fast", "wrong", "cheat", "slow"])
    told = rows("sft", outcome)
    assert [names_of(row["messages"]) for row in told] == [["fast"], ["slow"]]
    row = told[0]
    assert list(row) == ["schema", "messages", "tools", "metadata"]
    assert row["schema"] == "kernelwright.sft/1"
    roles = [message["role"] for message in row["messages"]]
    assert roles == ["system", "user", *["assistant", "tool"] * 3]
    call = row["messages"][2]["tool_calls"][0]
    assert call == {
        "type": "function",
        "id": call["id"],
        "function": {"name": "write_candidate", "arguments": {"source": source("fast")}},
    }
    answer = row["messages"][3]
    assert (answer["name"], answer["tool_call_id"]) == ("write_candidate", call["id"])
    assert "written" in answer["content"]
    offered = {tool["function"]["name"]: tool for tool in row["tools"]}
    assert {"write_candidate", "compile_candidate", "submit", "decline"} <= offered.keys()
    assert offered["submit"]["function"]["parameters"]["required"] == ["strategy"]
    facts = row["metadata"]
    assert {name: facts[name] for name in ("run_id", "problem", "target", "language", "model", "round", "slot")} == {
        "run_id": outcome.run_id, "problem": "toy", "target": "cpu", "language": "cpp", "model": "builtin",
        "round": 0, "slot": 0,
    }  # fmt: skip
    assert (facts["verdict"], facts["speedup"], facts["speedup_ci95"]) == ("accepted", 2.0, [1.98, 2.02])
    assert (facts["confirmed"], told[1]["metadata"]["confirmed"]) == (True, None)


def test_what_cheated_is_labelled_and_left_out_unless_asked_for(home: Path) -> None:
    outcome = run(home, ["fast", "wrong", "cheat", "slow"])
    assert len(rows("sft", outcome, with_rejected=True)) == 3
    everything = rows("sft", outcome, with_rejected=True, with_cheats=True)
    told = [(row["metadata"]["verdict"], row["metadata"]["reason"], row["metadata"]["cheated"]) for row in everything]
    assert told == [
        ("accepted", None, False),
        ("rejected", "wrong_output", False),
        ("rejected", "cheat.output_reuse", True),
        ("accepted", None, False),
    ]
    assert [names_of(row["messages"]) for row in rows("sft", outcome, with_cheats=True)] == [
        ["fast"], ["cheat"], ["slow"],
    ]  # fmt: skip


def test_a_champion_that_did_not_hold_is_no_example(home: Path) -> None:
    outcome = run(home, ["fickle", "slow", "fast", "wrong"])
    assert outcome.best is not None
    assert outcome.best["speedup"] == 2.0
    assert [names_of(row["messages"]) for row in rows("sft", outcome)] == [["slow"], ["fast"]]
    (group,) = rows("groups", outcome)
    (fickle,) = [one for one in group["metadata"]["members"] if one["slot"] == 0]
    assert (fickle["verdict"], fickle["cheated"], fickle["confirmed"], fickle["speedup"]) == (
        "rejected", True, False, None,
    )  # fmt: skip
    assert group["rewards"][0] == 0.0


def test_the_same_text_written_twice_is_one_example(home: Path) -> None:
    outcome = run(home, ["fast", "fast", "wrong", "slow"])
    assert [row["metadata"]["slot"] for row in rows("sft", outcome)] == [0, 3]
    (group,) = rows("groups", outcome)
    assert group["rewards"][0] == group["rewards"][1] == pytest.approx(math.log(2.0))


def test_the_same_program_written_differently_has_the_same_reward(home: Path) -> None:
    played = [writes(0, 0, source("fast")), writes(0, 1, source("fast") + "# with a remark\n")]
    settings = AgentSettings(home=home, memory=False, max_candidates=2, slots=2)
    seams = Seams(judge=FakeJudge(lambda _: accepted(2.0)), model=ScriptedChatModel(script=replay(played)))
    outcome = optimize(Problem("toy", "class Model: ...\n"), settings, seams=seams)
    (group,) = rows("groups", outcome)
    assert group["rewards"] == pytest.approx([math.log(2.0)] * 2)
    assert len(rows("sft", outcome)) == 1


def test_preferences_are_pairs_that_began_alike_and_differ_beyond_noise(home: Path) -> None:
    outcome = run(home, ["fast", "wrong", "near", "slow"])
    told = rows("preferences", outcome)
    pairs = [(names_of(row["chosen"]), names_of(row["rejected"]), row["metadata"]["by"]) for row in told]
    assert pairs == [
        (["fast"], ["wrong"], "verdict"),
        (["fast"], ["slow"], "speedup"),
        (["near"], ["wrong"], "verdict"),
        (["near"], ["slow"], "speedup"),
        (["slow"], ["wrong"], "verdict"),
    ], "1.99 and 2.00 are the same within their intervals"
    row = told[0]
    assert list(row) == ["schema", "prompt", "chosen", "rejected", "tools", "metadata"]
    assert row["schema"] == "kernelwright.preferences/1"
    assert [message["role"] for message in row["prompt"]] == ["system", "user"]
    assert row["chosen"][0]["role"] == row["rejected"][0]["role"] == "assistant"
    assert row["metadata"]["chosen"]["speedup"] == 2.0
    assert row["metadata"]["rejected"]["reason"] == "wrong_output"


def test_those_of_other_rounds_did_not_begin_alike(home: Path) -> None:
    """The second round has seen the first: its prompt gives away what was wrong."""
    outcome = run(home, ["fast", "near", "slow", "wrong"], slots=2)
    assert len(rows("groups", outcome)) == 2
    pairs = [(names_of(row["chosen"]), names_of(row["rejected"])) for row in rows("preferences", outcome)]
    assert pairs == [(["slow"], ["wrong"])]


def test_groups_hold_every_proposal_of_a_prompt_with_its_reward(home: Path) -> None:
    outcome = run(home, ["fast", "wrong", None, "slow"])
    (group,) = rows("groups", outcome)
    assert list(group) == ["schema", "prompt", "completions", "rewards", "tools", "metadata"]
    assert group["schema"] == "kernelwright.groups/1"
    assert group["rewards"] == pytest.approx([math.log(2.0), 0.0, 0.0, math.log(0.5)])
    assert [one["verdict"] for one in group["metadata"]["members"]] == ["accepted", "rejected", "refused", "accepted"]
    assert len(group["completions"]) == 4
    assert rows("preferences", outcome)[-1]["metadata"]["rejected"]["verdict"] == "rejected", "a refusal is no verdict"


def test_what_was_never_judged_is_held_against_nobody(home: Path) -> None:
    outcome = run(home, ["fast", "wrong", "slow", "near"], max_candidates=4)
    folder = Path(outcome.run_dir)
    log = folder / "events.jsonl"
    kept = [line for line in log.read_text().splitlines(keepends=True) if '"type": "judged"' not in line]
    log.write_text("".join(kept))
    assert {one.status for one in read_trajectories(folder)} == {"unjudged"}
    assert rows("groups", outcome) == rows("preferences", outcome) == rows("sft", outcome, with_rejected=True) == []


def test_the_order_is_that_of_the_runs_and_always_the_same(home: Path) -> None:
    one, two = run(home, ["fast", "wrong", "slow", "near"]), run(home, ["near", "slow"], slots=2)
    for form in ("sft", "preferences", "groups"):
        assert to_lines(rows(form, one, two)) == to_lines(rows(form, one, two, one)), "each run once"
        there, back = rows(form, one, two), rows(form, two, one)
        assert sorted(map(json.dumps, there)) == sorted(map(json.dumps, back))
    assert [row["metadata"]["run_id"] for row in rows("groups", two, one)] == [two.run_id, one.run_id]
    assert [json.loads(line) for line in to_lines(rows("sft", one)).splitlines()] == rows("sft", one)


def test_reasoning_that_was_stored_goes_along(home: Path) -> None:
    outcome = run(home, ["fast", "slow"], slots=2)
    folder = Path(outcome.run_dir)
    log = folder / "events.jsonl"
    events = [json.loads(line) for line in log.read_text().splitlines()]
    from tools.artifacts import ArtifactStore

    store = ArtifactStore(folder / "artifacts")
    for event in events:
        if event["type"] == "proposed":
            entries = json.loads(store.text(event["data"]["transcript"]))
            entries[2]["reasoning"] = "bytes first"
            event["data"]["transcript"] = store.put(json.dumps(entries))
    log.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert rows("sft", outcome)[0]["messages"][2]["reasoning_content"] == "bytes first"
    assert "reasoning_content" not in rows("sft", outcome)[0]["messages"][4]


def test_a_log_without_the_tools_says_nothing_of_them(home: Path) -> None:
    outcome = run(home, ["fast", "slow"], slots=2)
    log = Path(outcome.run_dir) / "events.jsonl"
    events = [json.loads(line) for line in log.read_text().splitlines()]
    for event in events:
        event["data"].pop("tools", None)
    log.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert rows("sft", outcome)[0]["tools"] == []


def test_secrets_and_places_stay_here(home: Path, tmp_path: Path) -> None:
    said = (
        f"the key is {KEY}, also sk-abcdefghijklmnopqrstuvwx; see {home}/runs/x.log and /home/annabel/lib/torch/x.h:12"
    )
    outcome = run(home, ["fast", "slow"], slots=2, said=said)
    text = to_lines([*rows("sft", outcome), *rows("preferences", outcome), *rows("groups", outcome)])
    assert "the key is [hidden], also [hidden]; see [path]/x.log and [path]/x.h:12" in text
    for hidden in (KEY, "sk-abc", str(home), str(tmp_path), "/home/", "annabel", outcome.run_dir):
        assert hidden not in text, hidden


def test_the_name_of_a_scripted_model_is_no_way_out(home: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"tool_calls": [{"name": "decline", "args": {"reason": "no"}}]}]))
    settings = AgentSettings(home=home, memory=False, model=f"scripted:{script}", slots=1)
    outcome = optimize(Problem("toy", "class Model: ...\n"), settings, seams=Seams(judge=FakeJudge({})))
    members = [one for row in rows("groups", outcome) for one in row["metadata"]["members"]]
    assert {one["model"] for one in members} == {"scripted:[path]/script.json"}


def test_a_run_that_is_damaged_is_told(home: Path) -> None:
    outcome = run(home, ["fast", "slow"], slots=2)
    for path in (Path(outcome.run_dir) / "artifacts").rglob("*"):
        if path.is_file():
            path.write_text("{")
    with pytest.raises(RunError, match="cannot be exported"):
        rows("sft", outcome)


def test_the_reward_is_zero_or_a_logarithm() -> None:
    class Told:
        status = "accepted"
        speedup: float | None = math.e

    one: Any = Told()
    assert reward(one) == pytest.approx(1.0)
    one.status = "rejected"
    assert reward(one) == 0.0


def test_conversations_end_where_the_model_was_heard_last(home: Path) -> None:
    """A nudge and a call in text are part of it: what the model saw is what is exported."""

    def script(messages: list[BaseMessage]) -> AIMessage:
        said = sum(isinstance(message, AIMessage) for message in messages)
        if said == 0:
            return AIMessage(content="let me think")
        if said == 1:
            return AIMessage(content=f"```python\n{source('fast')}```")
        call = ToolCall(name="submit", args={"strategy": "by text"}, id="last", type="tool_call")
        return AIMessage(content="", tool_calls=[call])

    settings = AgentSettings(home=home, memory=False, slots=1, max_candidates=1)
    seams = Seams(judge=FakeJudge({source("fast"): accepted(2.0)}), model=ScriptedChatModel(script=script))
    outcome = optimize(Problem("toy", "class Model: ...\n"), settings, seams=seams)
    (row,) = rows("sft", outcome)
    roles = [message["role"] for message in row["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user", "assistant", "tool"]
