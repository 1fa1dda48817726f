"""The awaited forms: what they return and raise, and what cancelling leaves."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest

import agent.run
import kernelwright
import tools.opening
from agent.errors import RunInterrupted
from agent.events import read_events
from agent.scripted import ScriptedChatModel, ScriptedProposal, ScriptedReply, replay
from agent.stopping import StopFlag
from kernelwright import api
from kernelwright.in_thread import in_thread
from tools.errors import RequestError
from tools.fake_judge import FakeJudge, accepted

PATIENCE_S = 30


def writes(number: int) -> ScriptedProposal:
    source = f"class ModelNew:\n    value = {number}\n"
    calls = (
        {"name": "write_candidate", "args": {"source": source}},
        {"name": "compile_candidate"},
        {"name": "submit", "args": {"strategy": "by hand"}},
    )
    replies = tuple(ScriptedReply.model_validate({"tool_calls": [call]}) for call in calls)
    return ScriptedProposal(round=number, slot=0, replies=replies)


@pytest.fixture
def judge(monkeypatch, repository, tmp_path):
    """A scripted judge and model in place of the real ones, wherever a run is begun or gone on with."""
    judge = FakeJudge(lambda source: accepted(1.5))
    model = ScriptedChatModel(script=replay([writes(0), writes(1), writes(2)]))

    def with_seams(work):
        def run(*arguments, seams=None, **options):
            return work(*arguments, seams=replace(seams or agent.run.Seams(), judge=judge, model=model), **options)

        return run

    for name in ("optimize", "resume"):
        monkeypatch.setattr(agent.run, name, with_seams(getattr(agent.run, name)))
    return judge


@pytest.fixture
def problem(repository):
    return repository / "examples" / "problems" / "rms_norm.py"


def test_it_returns_and_raises_what_the_work_does():
    assert asyncio.run(in_thread(lambda: 7, StopFlag())) == 7

    def fails() -> None:
        raise RequestError("no such thing")

    with pytest.raises(RequestError, match="no such thing"):
        asyncio.run(in_thread(fails, StopFlag()))


def test_cancelling_waits_until_the_work_has_stopped():
    stop, begun, ended = StopFlag(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert stop._event.wait(PATIENCE_S)
        ended.set()
        stop.check()

    async def main() -> None:
        task = asyncio.create_task(in_thread(work, stop))
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert ended.is_set()
        assert isinstance(caught.value.__cause__, RunInterrupted)

    asyncio.run(main())


def test_a_cancelled_run_is_kept_and_gone_on_with(judge, problem, tmp_path):
    out = tmp_path / "run"
    settings = {"out": out, "max_candidates": 3, "slots": 1, "memory": False, "tune_trials": 0}

    async def main() -> None:
        loop = asyncio.get_running_loop()
        cancelled = threading.Event()

        def at_the_first(event) -> None:
            if event.type == "judged" and not cancelled.is_set():

                def cancel() -> None:
                    task.cancel()
                    loop.call_soon(cancelled.set)  # after the task has heard of it

                loop.call_soon_threadsafe(cancel)
                assert cancelled.wait(PATIENCE_S)

        task = asyncio.create_task(kernelwright.optimize_async(problem, subscribers=[at_the_first], **settings))
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    (interrupted,) = [event for event in read_events(out / "events.jsonl") if event.type == "interrupted"]
    assert "cancellation" in interrupted.data["message"]
    assert len(judge.judged) == 1
    outcome = asyncio.run(kernelwright.resume_async(out))
    assert (outcome.status, outcome.candidates) == ("improved", 3)
    assert len(judge.judged) == len(set(judge.judged)) == 3


def test_a_cancelled_judgement_ends_at_its_next_notice(monkeypatch, problem, repository):
    begun, cancelled = threading.Event(), threading.Event()
    told, closed = [], []

    class Slow(FakeJudge):
        def judge(self, candidate, notice=None):
            notice("checking")
            begun.set()
            assert cancelled.wait(PATIENCE_S)
            notice("timing")
            raise AssertionError("it went on")

    class Judging:
        def __init__(self, *_, **__) -> None:
            pass

        def __enter__(self):
            return Slow({})

        def __exit__(self, *_):
            closed.append(True)

    monkeypatch.setattr(tools.opening, "single_judge", Judging)
    monkeypatch.setattr(api, "open_boundary", lambda settings: type("Open", (), {"close": lambda self: None})())
    candidate = repository / "examples" / "candidates" / "rms_norm_library.py"

    async def main() -> None:
        task = asyncio.create_task(
            kernelwright.evaluate_async(problem, candidate, notice=told.append, language="python")
        )
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        task.cancel()
        asyncio.get_running_loop().call_soon(cancelled.set)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert (told, closed) == (["checking"], [True])
