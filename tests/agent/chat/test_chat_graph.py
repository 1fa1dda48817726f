"""A conversation as a graph: every way through it, closed and taken up again at every question."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, ToolCall

from agent.chat.consulting import caps_of_search
from agent.chat.folder import ChatFolder, create_chat, find_chat, list_chats
from agent.chat.session import Chat, Question, open_chat
from agent.control import CONTROL
from agent.errors import OutOfBudget
from agent.events import EventLog, read_events
from agent.models.pricing import Price
from agent.run import Seams, optimize
from agent.scripted import ScriptedChatModel
from agent.settings import AgentSettings
from tools.artifacts import ArtifactStore
from tools.errors import RequestError
from tools.fake_judge import FakeJudge
from tools.problem import CaseFacts, Description, Problem, TensorFacts

FUNCTION = "def fused(x, w):\n    return torch.relu(x @ w)\n"
PAID = "openai:some-model@http://127.0.0.1:9/v1"


class Stub:
    """Searches that do nothing by themselves: a folder, and a log that is held open while they "run"."""

    def __init__(self) -> None:
        self.begun: list[tuple[Path, str, dict[str, Any]]] = []
        self.resumed: list[Path] = []
        self.logs: dict[Path, EventLog] = {}

    def begin(self, run: Path, problem: Path, words: Mapping[str, Any]) -> None:
        self.begun.append((run, problem.read_text(), dict(words)))
        run.mkdir()
        (run / "run.json").write_text(json.dumps({"run_id": run.name, "problem": problem.stem, "settings": {}}))
        self.logs[run] = EventLog(run / "events.jsonl")
        source = ArtifactStore(run / "artifacts").put(problem.read_text())
        self.logs[run].emit("run_started", run_id=run.name, source=source)

    def resume(self, run: Path) -> None:
        self.resumed.append(run)

    def is_starting(self, run: Path) -> bool:
        return False

    def end(self, run: Path, status: str = "improved") -> None:
        self.logs[run].emit("run_finished", status=status, best=None, stop_reason=None)
        self.logs.pop(run).close()

    def kill(self) -> None:
        for log in self.logs.values():
            log.close()
        self.logs.clear()


class Talk:
    """A chat, what it showed, and how it is closed and opened again."""

    def __init__(self, home: Path, **given: Any) -> None:
        self.folder: ChatFolder = create_chat(home, {"home": str(home), **given})
        self.searches, self.shown, self.checked = Stub(), [], []
        self.model: Any = None
        self.faults: list[str] = []
        self.reopens = False

    def check(self, problem: Problem, settings: AgentSettings) -> Description:
        self.checked.append(problem.source)
        if self.faults:
            raise RequestError(self.faults.pop(0))
        facts = TensorFacts(shape=(8, 4), dtype="float32")
        case = CaseFacts(name="default", inputs=(facts,), outputs=(facts,), bytes_moved=1, flops=1)
        return Description(problem=problem.name, cases=(case,), operators=("aten.relu.default",))

    @contextmanager
    def open(self) -> Iterator[Chat]:
        with open_chat(
            self.folder,
            lambda text, form: self.shown.append(text),
            self.searches,
            check=self.check,
            model=self.model,
        ) as chat:
            # What accelerators this machine has is no matter of these tests.
            object.__setattr__(chat.context, "local_chips", list)
            yield chat

    def say(self, *words: str, said: str = "") -> Question | None:
        """From where it stands; with ``reopens`` every answer is given to a chat that was opened for it."""
        left = list(words)
        with self.open() as chat:
            question = chat.begin(said)
            while left and not self.reopens:
                question = chat.answer(left.pop(0))
        while left:
            with self.open() as chat:
                assert chat.begin() == question, "the question at which it stood"
                question = chat.answer(left.pop(0))
        return question

    @property
    def run(self) -> Path:
        return self.searches.begun[-1][0]

    @property
    def last(self) -> str:
        return self.shown[-1]

    def asked(self) -> list[dict[str, Any]]:
        """Of the run."""
        path = self.run / CONTROL
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def talk(home: Path) -> Iterator[Talk]:
    made = Talk(home)
    yield made
    made.searches.kill()


@pytest.mark.parametrize("reopens", [False, True])
def test_from_a_pasted_function_to_a_search(talk: Talk, reopens: bool) -> None:
    talk.reopens = reopens
    question = talk.say()
    assert question is not None
    assert question.ask == "operator"
    question = talk.say(FUNCTION)
    assert question is not None
    assert (question.ask, "the shape of x and the shape of w" in question.text) == ("inputs", True)
    question = talk.say("x 8x4 and w 4x4", "fp16, stop at 2x", "20 candidates")
    assert question is not None
    assert question.ask == "confirm"
    for told in ("x 8x4 float16, w 4x4 float16", "aten.relu.default", "20 candidates", "stop at 2x", "cpu, cpp"):
        assert told in question.text
    question = talk.say("yes")
    assert question is not None
    assert (question.ask, question.run) == ("talk", talk.folder.run(1))
    ((run, problem, words),) = talk.searches.begun
    assert run == talk.folder.run(1)
    assert "torch.randn((8, 4), dtype=torch.float16)" in problem
    assert {name: words[name] for name in ("target_speedup", "max_candidates")} == {
        "target_speedup": 2.0,
        "max_candidates": 20,
    }
    assert len(talk.checked) == 2, "again after the dtype changed, not after the bounds did"


def test_only_what_cannot_be_found_out_is_asked(talk: Talk) -> None:
    question = talk.say("matmul with gelu 64x32x128 bf16")
    assert question is not None
    assert question.ask == "confirm"
    whole = "import torch\nclass Model(torch.nn.Module):\n    def forward(self, x):\n        return x\n"
    question = talk.say(
        whole + "def get_inputs():\n    return [torch.ones(4)]\ndef get_init_inputs():\n    return []\n"
    )
    assert question is not None
    assert question.ask == "confirm"
    assert talk.checked[-1].startswith(whole)


def test_the_problem_of_the_command_line_is_understood_at_once(talk: Talk) -> None:
    question = talk.say(said=FUNCTION)
    assert question is not None
    assert question.ask == "inputs"


def test_what_is_wrong_in_the_sandbox_is_shown_and_mended(talk: Talk) -> None:
    talk.faults = ["shapes cannot be multiplied"]
    question = talk.say(FUNCTION, "x 8x4, w 8x4")
    assert question is not None
    assert question.ask == "inputs"
    assert "shapes cannot be multiplied" in question.text
    question = talk.say("w 4x4")
    assert question is not None
    assert question.ask == "confirm"
    assert "torch.randn((4, 4))" in talk.checked[-1]
    talk.faults = ["boom"]
    question = talk.say(FUNCTION.replace("relu", "tanh"), "x 8x4, w 4x4")
    assert question is not None
    assert "boom" in question.text
    question = talk.say("def other(x):\n    return x * 2\n", "8x4")
    assert question is not None
    assert question.ask == "confirm", "something else may be pasted instead"
    assert "other(x=x)" in talk.checked[-1]


@pytest.mark.parametrize("text", ["make my model faster", "def f(x:\n    return\n", "rmsnorm with dropout 8x8", "yes"])
def test_without_a_language_model_it_says_what_it_needs(talk: Talk, text: str) -> None:
    question = talk.say(text)
    assert question is not None
    assert question.ask == "operator"
    assert "needs a language model" in talk.last


def test_what_makes_no_sense_is_told_and_nothing_is_lost(talk: Talk) -> None:
    question = talk.say(FUNCTION, "what?", "x 8x4, w 4x4", "hm", "language triton", "target cuda:sm9999")
    assert question is not None
    assert question.ask == "confirm"
    assert "cpu, cpp" in question.text
    question = talk.say("no", "x 2x4", "show problem")
    assert question is not None
    assert "torch.randn((2, 4))" in talk.last


def scripted(*replies: AIMessage) -> ScriptedChatModel:
    """One reply a question, in order of asking: a chat's questions are conversations of their own."""
    left, lock = list(replies), threading.Lock()

    def script(messages: list[BaseMessage]) -> AIMessage:
        with lock:
            return left.pop(0)

    model = ScriptedChatModel(script=script)
    model.metadata = {"price": Price(1.0, 2.0)}
    return model


def answering(**answer: str) -> AIMessage:
    return AIMessage(content="", tool_calls=[ToolCall(name="answer", args=answer, id="1", type="tool_call")])


WHOLE = (
    "import torch\nclass Model(torch.nn.Module):\n    def forward(self, x):\n        return x.softmax(-1)\n"
    "def get_inputs():\n    return [torch.randn(8, 8)]\ndef get_init_inputs():\n    return []\n"
)


def test_a_language_model_writes_the_problem_file_and_asks_once(home: Path) -> None:
    talk = Talk(home, model="scripted:never-opened.json")
    talk.model = scripted(answering(question="Over which axis?"), answering(source=WHOLE))
    question = talk.say("an attention softmax for my decoder")
    assert question is not None
    assert (question.ask, question.text) == ("inputs", "Over which axis?")
    question = talk.say("the last one")
    assert question is not None
    assert question.ask == "confirm"
    assert WHOLE in talk.shown
    assert "the last one" in talk.model.calls[-1][1].text
    assert "decoder" in talk.model.calls[-1][1].text
    calls = [event for event in read_events(talk.folder.events) if event.type == "model_call"]
    assert len(calls) == 2, "what was asked is counted in the chat's own log"
    talk.say("yes")
    talk.searches.kill()


def test_spending_is_asked_for_before_the_first_question_and_may_be_refused(home: Path) -> None:
    talk = Talk(home, model=PAID, price_in="1", price_out="4")
    talk.model = scripted(answering(source=WHOLE))
    question = talk.say("something with my decoder")
    assert question is not None
    assert question.ask == "approve"
    assert "$1 a million tokens in, $4 out" in question.text
    assert talk.model.calls == [], "nothing was asked yet"
    question = talk.say("at most $2")
    assert question is not None
    assert "max cost $2" in question.text
    question = talk.say("yes")
    assert question is not None
    assert question.ask == "confirm"
    assert len(talk.model.calls) == 1
    question = talk.say("yes")
    assert question is not None
    assert question.ask == "talk", "one yes is enough"
    words = talk.searches.begun[0][2]
    assert words["max_cost"] == pytest.approx(1.8), "a tenth is the chat's own"
    talk.searches.kill()


def test_refused_spending_leaves_the_builtin_model(home: Path) -> None:
    talk = Talk(home, model=PAID)
    talk.model = scripted()
    question = talk.say("softmax 8x8", "yes")
    assert question is not None
    assert question.ask == "approve"
    assert "its price is unknown" in question.text
    talk.say("no")
    assert talk.searches.begun[0][2]["model"] == "builtin"
    talk.searches.kill()


def test_a_cap_that_is_used_up_begins_no_search(home: Path, toy: Any) -> None:
    talk = Talk(home)
    settings = AgentSettings(home=home, max_cost=0.05)
    with talk.open() as chat:
        assert caps_of_search(chat.context, settings) == {"max_cost": pytest.approx(0.045)}
        seams = Seams(judge=FakeJudge(toy.follow), propose=toy.climb, model=object())  # type: ignore[arg-type]
        optimize(toy.PROBLEM, toy.settings(home, out=talk.folder.run(1), memory=False), seams=seams)
        with pytest.raises(OutOfBudget, match="max-cost"):
            caps_of_search(chat.context, settings)
        with pytest.raises(OutOfBudget, match="max-tokens"):
            caps_of_search(chat.context, AgentSettings(home=home, max_tokens=20))
        assert 0 < caps_of_search(chat.context, AgentSettings(home=home, max_tokens=1000))["max_tokens"] < 900


def begun(talk: Talk, **given: Any) -> Talk:
    talk.say("softmax 8x8", "yes")
    return talk


@pytest.mark.parametrize("reopens", [False, True])
def test_steering_reaches_the_search(talk: Talk, reopens: bool) -> None:
    begun(talk).reopens = reopens
    talk.say("pause", "go on", "stop at 2x", "5 more candidates", "stop")
    told = [{name: one for name, one in request.items() if name not in ("id", "time")} for request in talk.asked()]
    assert told == [
        {"kind": "pause"},
        {"kind": "go_on"},
        {"kind": "target", "speedup": 2.0},
        {"kind": "limit", "limit": "max_candidates", "value": 17.0},
        {"kind": "finish"},
    ]


def test_the_builtin_model_takes_no_hints_and_answers_no_questions(talk: Talk) -> None:
    begun(talk).say("try shared memory")
    assert "builtin model follows no hints" in talk.last
    talk.say("is it bound by memory?")
    assert "needs a language model" in talk.last
    assert talk.asked() == []


def test_a_language_model_gets_hints_and_answers_questions(home: Path) -> None:
    talk = Talk(home, model="scripted:never-opened.json")
    talk.model = scripted(answering(text="By the cache."), AIMessage(content="no tool"))
    begun(talk).say("try shared memory", "only bf16")
    assert [one["text"] for one in talk.asked()] == ["try shared memory", "only bf16"]
    talk.say("what limits it?")
    assert talk.last == "By the cache."
    talk.say("what limits it?")
    assert "of no use" in talk.last
    talk.searches.kill()


def test_a_search_that_was_interrupted_goes_on_when_told(talk: Talk) -> None:
    begun(talk).searches.kill()
    talk.say("pause")
    assert "`go on` takes it up again" in talk.last
    talk.say("go on")
    assert talk.searches.resumed == [talk.run]
    assert talk.asked() == []


def test_after_the_end_another_search_may_begin(talk: Talk) -> None:
    begun(talk).searches.end(talk.run)
    talk.say("stop")
    assert "is over" in talk.last
    question = talk.say("30 more candidates")
    assert question is not None
    assert question.run == talk.folder.run(2)
    assert talk.searches.begun[1][2]["max_candidates"] == 30
    talk.say("again")
    assert "not over" in talk.last


def test_a_killed_chat_does_not_begin_a_search_twice(talk: Talk) -> None:
    talk.say("softmax 8x8")
    begin = talk.searches.begin

    def killed(*arguments: Any) -> None:
        begin(*arguments)
        raise KeyboardInterrupt

    talk.searches.begin = killed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        talk.say("yes")
    question = talk.say()
    assert question is not None
    assert question.ask == "talk"
    assert len(talk.searches.begun) == 1


def test_what_is_told_comes_from_the_log_of_a_real_run(talk: Talk, home: Path, toy: Any, tmp_path: Path) -> None:
    def real(run: Path, problem: Path, words: Mapping[str, Any]) -> None:
        talk.searches.begun.append((run, "", {}))
        seams = Seams(judge=FakeJudge(toy.follow), propose=toy.climb, model=object())  # type: ignore[arg-type]
        optimize(toy.PROBLEM, toy.settings(home, out=run, memory=False), seams=seams)

    talk.searches.begin = real  # type: ignore[method-assign]
    begun(talk).say("status")
    assert "4 judged" in talk.last
    assert "best: " in talk.last
    talk.say("why?")
    assert "value " in talk.last
    talk.say("what did you learn?")
    assert "x" in talk.last
    talk.say("explain this kernel")
    best = (talk.run / "best.py").read_text()
    assert "written by" in talk.last
    talk.say("explain 0000")
    assert "no candidate 0000" in talk.last
    talk.say("show kernel")
    assert talk.last == best
    target = tmp_path / "mine.py"
    talk.say(f"save it to {target}", f"save it to {target}")
    assert target.read_text() == best
    assert "is there already" in talk.last


def test_whoever_comes_back_after_a_goodbye_talks_on(talk: Talk) -> None:
    assert talk.say("quit") is None
    question = talk.say("softmax 8x8", "yes", "quit")
    assert question is None
    question = talk.say()
    assert question is not None
    assert (question.ask, question.run) == ("talk", talk.run)
    talk.say("pause")
    assert [one["kind"] for one in talk.asked()] == ["pause"]


def test_a_search_that_did_not_begin_is_tried_again(talk: Talk) -> None:
    begin, talk.searches.begin = talk.searches.begin, lambda *_: None  # type: ignore[method-assign]
    begun(talk).say("pause")
    assert "did not begin" in talk.last
    talk.searches.begin = begin  # type: ignore[method-assign]
    talk.say("3 candidates", "again")
    assert talk.searches.begun[0][2]["max_candidates"] == 3


def test_chats_are_listed_and_found(home: Path) -> None:
    first, second = Talk(home), Talk(home)
    begun(second).searches.end(second.run)
    rows = {row["chat_id"]: row for row in list_chats(home)}
    assert rows[first.folder.chat_id]["status"] is None
    assert (rows[second.folder.chat_id]["status"], rows[second.folder.chat_id]["problem"]) == ("improved", "softmax")
    assert find_chat(home, first.folder.chat_id) == first.folder
    with pytest.raises(RequestError, match="no chat 'x'"):
        find_chat(home, "x")
    with pytest.raises(RequestError, match="another process"), first.open(), first.open():
        pass
