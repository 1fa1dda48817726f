from __future__ import annotations

from pathlib import Path

import pytest

from agent.run import Seams, optimize
from agent.settings import AgentSettings, default_home
from tools.errors import RequestError
from tools.fake_judge import FakeJudge
from tools.problem import JudgeSettings


def load(tmp_path: Path, given=None, environ=None, toml: str | None = None) -> AgentSettings:
    if toml is not None:
        (tmp_path / "kernelwright.toml").write_text(toml)
    return AgentSettings.load(given or {}, environ=environ or {}, folder=tmp_path)


def test_each_layer_hides_the_one_below(tmp_path: Path) -> None:
    toml = 'max_candidates = 3\nmax-seconds = 5\npolicy = "mcts"\n'
    environ = {"KERNELWRIGHT_MAX_CANDIDATES": "4", "KERNELWRIGHT_SLOTS": "7"}
    settings = load(tmp_path, {"slots": "1"}, environ, toml)
    assert (settings.max_candidates, settings.max_seconds) == (4, 5.0)
    assert (settings.policy, settings.slots, settings.stall) == ("mcts", 1, 8)


def test_a_default_given_by_name_wins(tmp_path: Path) -> None:
    default = AgentSettings().max_candidates
    settings = load(tmp_path, {"max_candidates": default}, {"KERNELWRIGHT_MAX_CANDIDATES": "99"})
    assert settings.max_candidates == default
    assert load(tmp_path, {"memory": True}, {"KERNELWRIGHT_MEMORY": "false"}).memory is True
    assert load(tmp_path, {}, {"KERNELWRIGHT_MEMORY": "false"}).memory is False


def test_none_and_empty_mean_not_given(tmp_path: Path) -> None:
    settings = load(tmp_path, {"slots": None}, {"KERNELWRIGHT_SLOTS": "5", "KERNELWRIGHT_SEED": ""})
    assert (settings.slots, settings.seed) == (5, 0)


@pytest.mark.parametrize(
    ("given", "environ", "toml", "fault"),
    [
        ({"slots": "many"}, {}, None, r"--slots: .*integer"),
        ({"max_candidates": 0}, {}, None, "--max-candidates: .*greater than or equal to 1"),
        ({}, {"KERNELWRIGHT_MAX_SECONDS": "-1"}, None, "KERNELWRIGHT_MAX_SECONDS: .*greater than 0"),
        ({}, {}, "slots = 'x'", r"slots in kernelwright\.toml: "),
        ({}, {}, "slotz = 3", "unknown setting 'slotz'; the known ones are .*slots"),
        ({}, {}, "slots = ", "not valid TOML"),
        ({}, {}, "api_key = 'sk-123'", "does not belong in a file"),
        ({"target": "cuda:sm1"}, {}, None, "--target: unknown target 'cuda:sm1'.*cpu"),
        ({"isolation": "jail"}, {}, None, "--isolation: .*'docker', 'bubblewrap' or 'process'"),
        ({"colour": "red"}, {}, None, "--colour"),
    ],
)
def test_faults_name_their_origin_on_one_line(tmp_path: Path, given, environ, toml, fault: str) -> None:
    with pytest.raises(RequestError, match=fault) as caught:
        load(tmp_path, given, environ, toml)
    assert "\n" not in str(caught.value)
    assert "sk-123" not in str(caught.value)


def test_the_key_is_read_but_never_written(tmp_path: Path) -> None:
    settings = load(tmp_path, {}, {"OPENAI_API_KEY": "sk-secret"})
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "sk-secret"
    stored = settings.model_dump(mode="json")
    assert "sk-secret" not in str(stored) + repr(settings)
    ours = load(tmp_path, {}, {"OPENAI_API_KEY": "sk-secret", "KERNELWRIGHT_API_KEY": "sk-ours"})
    assert ours.api_key is not None
    assert ours.api_key.get_secret_value() == "sk-ours"


def test_what_was_stored_is_restored(tmp_path: Path) -> None:
    settings = load(tmp_path, {"slots": 3, "out": tmp_path / "x", "home": tmp_path, "isolation": "bubblewrap"})
    stored = settings.model_dump(mode="json")
    assert AgentSettings.restore(stored, environ={}) == settings
    again = AgentSettings.restore(stored, environ={"KERNELWRIGHT_API_KEY": "sk-now", "KERNELWRIGHT_SLOTS": "9"})
    assert again.api_key is not None
    assert again.slots == 3
    with pytest.raises(RequestError, match=r"slots in run\.json"):
        AgentSettings.restore({**stored, "slots": "x"}, environ={})


def test_the_home_follows_the_environment(tmp_path: Path) -> None:
    assert default_home({"KERNELWRIGHT_HOME": str(tmp_path)}) == tmp_path
    assert default_home({}) == Path("~/.local/share/kernelwright").expanduser()
    assert load(tmp_path, {}, {"KERNELWRIGHT_HOME": str(tmp_path)}).memory_path == tmp_path / "memory.db"
    assert load(tmp_path, {"home": "~/kw"}).home == Path("~/kw").expanduser()


def test_the_judge_gets_its_part(tmp_path: Path) -> None:
    judging = load(tmp_path, {"precision": "tolerance", "atol": "1e-3", "blocks": "20"}).judging
    assert (judging.precision, judging.atol, judging.blocks, judging.check_seeds) == ("tolerance", 1e-3, 20, 3)


def test_a_close_call_may_take_a_share_of_the_run(tmp_path: Path) -> None:
    asked = [{"max_seconds": "60"}, {"max_seconds": "36000"}, {"max_seconds": "60", "close_call_s": "100"}]
    assert [load(tmp_path, words).judging.close_call_s for words in asked] == [15.0, 180.0, 100.0]


def test_profiles_and_the_check_of_accesses_can_be_switched_off(tmp_path: Path) -> None:
    judging = load(tmp_path, {"profile_s": "0", "memcheck_s": "5"}).judging
    assert (judging.profile_s, judging.memcheck_s) == (0, 5)
    assert load(tmp_path, {}).judging.profile_s == JudgeSettings().profile_s
    with pytest.raises(RequestError, match="--memcheck-s"):
        load(tmp_path, {"memcheck_s": "-1"})


def test_folders_of_knowledge_in_every_form(tmp_path: Path) -> None:
    both = (tmp_path / "a", tmp_path / "b")
    text = f"{both[0]}:{both[1]}"
    assert load(tmp_path, {"knowledge": text}).knowledge == both
    assert load(tmp_path, {}, {"KERNELWRIGHT_KNOWLEDGE": text}).knowledge == both
    assert load(tmp_path, {}, {}, f'knowledge = ["{both[0]}", "{both[1]}"]').knowledge == both
    assert load(tmp_path, {"knowledge": "~/notes"}).knowledge == (Path("~/notes").expanduser(),)
    stored = load(tmp_path, {"knowledge": text}).model_dump(mode="json")
    assert AgentSettings.restore(stored, environ={}).knowledge == both


def test_a_bad_folder_of_knowledge_ends_a_run_before_it_begins(toy, home: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.md").write_text("# no front matter\n")
    seams = Seams(judge=FakeJudge(toy.follow), propose=toy.climb, model=object())
    with pytest.raises(RequestError, match=r"--knowledge: .*bad\.md:1: a document begins"):
        optimize(toy.PROBLEM, toy.settings(home, knowledge=(tmp_path,)), seams=seams)
    assert not (home / "runs").exists()
