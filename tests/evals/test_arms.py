"""What is set beside the agent, repeats and ablations, through the agent's own loop; model and judge are scripted."""

from __future__ import annotations

import json
import re

import pytest

from agent.run import Seams
from agent.settings import AgentSettings
from agent.stopping import StopFlag
from evals.arms import AGENT, ARMS, BEST_OF_N, ONCE, chosen_arms, licensed, settings_of_arm, told_alone, without
from evals.page import to_markdown
from evals.rejudging import SecondOpinion
from evals.results import Host, Step
from evals.runner import optimize_or_resume, run_suite
from evals.suite import Suite, SuiteProblem
from evals.writing import to_json
from tools.errors import RequestError
from tools.fake_judge import FakeJudge, accepted, rejected
from tools.problem import Problem

FILE = "```python\nclass ModelNew:\n    value = {value}\n```"


def follow(source: str):
    value = int(re.search(r"value = (\d+)", source)[1])
    return rejected("wrong_output") if value % 4 == 0 else accepted(value / 100)


def second(problem, candidate, settings, notice):
    return SecondOpinion(follow(candidate.source), Host(cpu="a processor", threads=2, torch_version="0"))


@pytest.fixture
def model(tmp_path):
    """A conversation of three replies for the agent, and a file at once for who asks without tools."""
    entries = []
    for number, value in enumerate((110, 150, 190, 130, 170, 111)):
        usage = {"input_tokens": 90, "output_tokens": 10}
        source = {"source": f"import torch\n\n\nclass ModelNew(torch.nn.Module):\n    value = {value}\n"}
        calls = [("write_candidate", source), ("compile_candidate", {}), ("submit", {"strategy": f"value {value}"})]
        asked = [{"tool_calls": [{"name": name, "args": args}], "usage": usage} for name, args in calls]
        asked[0]["content"] = FILE.format(value=value)
        entries.append({"round": number, "replies": asked})
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"proposals": entries}))
    return f"scripted:{path}"


@pytest.fixture
def suite():
    problems = tuple(SuiteProblem(Problem(name, f"class Model: ...  # {name}"), "toy") for name in ("a", "b"))
    return Suite("toys", "Toys.", "cpu", problems)


def optimizer(stop: StopFlag | None = None, seen: list | None = None):
    def run(problem, settings, subscribers):
        if seen is not None:
            seen.append((problem.name, settings))
        seams = Seams(judge=FakeJudge(follow), stop=stop or StopFlag())
        return optimize_or_resume(problem, settings, subscribers, seams=seams)

    return run


def settings_for(model: str, **changes) -> AgentSettings:
    return AgentSettings(model=model, max_candidates=2, slots=1, memory=False, tune_trials=0, **changes)


def test_the_agent_beside_the_model_asked_once_and_best_of_n(tmp_path, suite, model):
    seen: list = []
    report = run_suite(
        suite, settings_for(model), tmp_path / "out", arms=ARMS, optimizer=optimizer(seen=seen), second=second
    )
    assert report.exit_code == 0
    assert [(one.name, one.arm) for one in report.results] == [(name, arm) for name in "ab" for arm in ARMS]
    by_arm = {arm: report.of(arm)[0].outcome for arm in ARMS}
    # Three replies a candidate for the agent; one in all; one after another until the agent's six are spent.
    assert {arm: outcome["tokens"] for arm, outcome in by_arm.items()} == {AGENT: 600, ONCE: 100, BEST_OF_N: 600}
    assert by_arm[BEST_OF_N]["stop_reason"] == "enough_tokens"
    assert [by_arm[arm]["candidates"] for arm in ARMS] == [2, 1, 6]
    assert [by_arm[arm]["best"]["speedup"] for arm in ARMS] == [1.5, 1.1, 1.9]
    assert set(report.scores) == set(ARMS)
    data = to_json(report)
    assert set(data["beside"]) == {ONCE, BEST_OF_N}
    assert data["beside"][ONCE]["ratio"] == pytest.approx(1.5 / 1.1)
    page = to_markdown(report)
    assert "|  | agent | once | best_of_n |" in page
    assert "1,200 tokens beside 200" in page
    assert {settings.home.name for _, settings in seen} == {"agent-1", "once-1", "best_of_n-1"}


def test_all_arms_have_one_licence_tolerance_unless_chosen(tmp_path, suite, model):
    seen: list = []
    report = run_suite(
        suite, settings_for(model), tmp_path / "out", arms=ARMS, optimizer=optimizer(seen=seen), second=second
    )
    assert {settings.precision for _, settings in seen} == {report.precision} == {"tolerance"}
    chosen = settings_for(model, precision="native")
    assert licensed(chosen, ARMS).precision == "native"
    assert licensed(settings_for(model), [AGENT]).precision == "native"


def test_arms_that_were_interrupted_go_on_where_they_were(tmp_path, suite, model):
    stop, judged = StopFlag(), []

    def watch(event):
        if event.type == "judged":
            judged.append(event.data["candidate"])
            if len(judged) == 5:
                stop.request("test")

    def note(event):
        if event.type == "judged":
            judged.append(event.data["candidate"])

    about = {"arms": ARMS, "second": second}
    report = run_suite(
        suite, settings_for(model), tmp_path / "out", optimizer=optimizer(stop), subscribers=[watch], **about
    )
    assert (report.status, len(report.results)) == ("interrupted", 2)
    seen: list = []
    report = run_suite(
        suite, settings_for(model), tmp_path / "out", optimizer=optimizer(seen=seen), subscribers=[note], **about
    )
    assert report.status == "complete"
    assert [settings.home.name for _, settings in seen] == ["best_of_n-1", "agent-1", "once-1", "best_of_n-1"]
    assert len(judged) == 2 * (2 + 1 + 6)


def test_where_the_agent_failed_there_are_no_tokens_to_equal(tmp_path, suite, model):
    def run(problem, settings, subscribers):
        if problem.name == "a" and settings.asking == "tools":
            raise RequestError("not deterministic")
        return optimizer()(problem, settings, subscribers)

    report = run_suite(suite, settings_for(model), tmp_path / "out", arms=ARMS, optimizer=run, second=second)
    assert [result.status for result in report.results[:3]] == ["failed", "improved", "failed"]
    assert "no tokens to equal" in report.results[2].message
    assert report.exit_code == 3


def test_repeats_have_a_seed_and_a_memory_of_their_own(tmp_path, suite, model):
    seen: list = []
    settings = settings_for(model, seed=7)
    report = run_suite(suite, settings, tmp_path / "out", repeats=3, optimizer=optimizer(seen=seen), second=second)
    assert [(name, given.seed, given.home.name) for name, given in seen] == [
        (name, 6 + repeat, f"agent-{repeat}") for repeat in (1, 2, 3) for name in "ab"
    ]
    assert len({given.out for _, given in seen}) == 6
    found = report.scores[AGENT]
    assert (found.problems, found.repeats, report.planned) == (2, 3, 6)
    again: list = []
    run_suite(suite, settings, tmp_path / "out", repeats=4, optimizer=optimizer(seen=again), second=second)
    assert [given.seed for _, given in again] == [10, 10]


def test_what_was_compiled_of_references_is_shared(tmp_path, suite, model):
    run_suite(suite, settings_for(model), tmp_path / "out", repeats=2, optimizer=optimizer(), second=second)
    caches = [(tmp_path / "out" / "homes" / f"agent-{repeat}" / "cache").resolve() for repeat in (1, 2)]
    assert set(caches) == {tmp_path / "out" / "cache"}


def test_steps_are_counted_to_what_holds(tmp_path, suite, model):
    report = run_suite(suite, settings_for(model), tmp_path / "out", optimizer=optimizer(), second=second)
    assert [step.speedup for step in report.results[0].steps] == [1.1, 1.5]
    assert report.scores[AGENT].steps_to_goal == 2

    def doubting(problem, candidate, settings, notice):
        return SecondOpinion(accepted(1.1), Host(cpu="a processor", threads=2, torch_version="0"))

    report = run_suite(suite, settings_for(model), tmp_path / "other", optimizer=optimizer(), second=doubting)
    assert report.scores[AGENT].steps_to_goal is None


def test_a_champion_that_was_unlucky_at_first_has_reached_the_goal_when_it_was_judged(reports):
    result = reports.result("p", 2.0, steps=[Step(place=1, speedup=1.1, elapsed_s=1.0, tokens=5)])
    result = result.model_copy(update={"outcome": {**result.outcome, "candidates_to_best": 1}})
    assert result.to_entry().steps == 1


@pytest.mark.parametrize(
    ("part", "setting", "value"),
    [
        ("memory", "memory", False),
        ("tuning", "tune_trials", 0),
        ("profiler", "profiler", False),
        ("policy", "drafts", 12),
    ],
)
def test_an_ablation_takes_one_part_away(part, setting, value):
    whole = AgentSettings()
    less = without(whole, [part])
    assert getattr(less, setting) == value
    changed = {name for name in AgentSettings.model_fields if getattr(less, name) != getattr(whole, name)}
    assert changed == {setting}


def test_ablations_are_named_in_the_report(tmp_path, suite, model):
    about = {"ablated": ["tuning", "memory"], "optimizer": optimizer(), "second": second}
    report = run_suite(suite, settings_for(model), tmp_path / "out", **about)
    assert report.without == ("memory", "tuning")
    assert "| Agent | without memory, tuning |" in to_markdown(report)


def test_the_builtin_model_stands_alone_and_the_report_says_why():
    settings = AgentSettings()
    assert chosen_arms(None, settings) == (AGENT,)
    assert "builtin model is deterministic" in told_alone(settings, (AGENT,))
    with pytest.raises(RequestError, match="leave once out"):
        chosen_arms(["agent", "once"], settings)


def test_arms_that_make_no_sense(model):
    settings = settings_for(model)
    assert chosen_arms(None, settings) == ARMS
    assert chosen_arms(["once", "agent"], settings) == (AGENT, ONCE)
    assert told_alone(settings, (AGENT,)) == ""
    for asked, says in ((["best"], "no arm 'best'"), (["best_of_n"], "run the agent beside it")):
        with pytest.raises(RequestError, match=says):
            chosen_arms(asked, settings)
    with pytest.raises(RequestError, match="no part 'luck'"):
        without(settings, ["luck"])
    several = AgentSettings(model=f"{model},openai:x", base_url="http://127.0.0.1:1/v1")
    assert chosen_arms(None, several) == (AGENT,)


def test_what_is_set_beside_the_agent_has_none_of_its_parts(model):
    settings = AgentSettings(model=model, policy="mcts", slots=4, restart_after=2)
    for arm in (ONCE, BEST_OF_N):
        bare = settings_of_arm(arm, settings, 1000)
        assert (bare.asking, bare.memory, bare.tune_trials, bare.slots, bare.restart_after) == (
            "once",
            False,
            0,
            1,
            None,
        )
        assert bare.drafts >= bare.max_candidates
