"""Run a suite: optimize every problem, judge every champion a second time, score, report.

An evaluation can be killed at any moment and started again on the same folder: finished problems are taken
over, a run that was cut short is resumed, a champion that was not judged twice is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from agent.errors import AgentError, ModelError, RunError
from agent.folder import package_version
from agent.report.gathering import read_report
from agent.settings import AgentSettings
from evals.arms import AGENT, BEST_OF_N, licensed, repeated, settings_of_arm, told_alone, without
from evals.errors import EvalError
from evals.rejudging import SecondOpinion, rejudge
from evals.reporting import SuiteReport, machine_of
from evals.results import ResultsFolder, Step, SuiteResult, Turn, result_key
from evals.suite import Suite, SuiteProblem
from evals.writing import write_report
from sandbox.errors import SandboxError, SandboxUnavailable
from tools.candidate import Candidate
from tools.errors import RequestError, ToolError
from tools.judge import Notice
from tools.problem import Problem
from tools.verdict import Verdict

if TYPE_CHECKING:
    from agent.events import Subscriber
    from agent.run import Outcome, Seams


class Optimizer(Protocol):
    """Optimize a problem in the run folder ``settings.out``, or go on with the run that is there."""

    def __call__(self, problem: Problem, settings: AgentSettings, subscribers: tuple[Subscriber, ...]) -> Outcome:
        """Raises what ``agent.run.optimize`` raises."""


Rejudge = Callable[[Problem, Candidate, AgentSettings, Notice | None], SecondOpinion]


def optimize_or_resume(
    problem: Problem,
    settings: AgentSettings,
    subscribers: tuple[Subscriber, ...],
    seams: Seams | None = None,
) -> Outcome:
    """What ``run_suite`` uses unless told otherwise; ``seams`` as for ``agent.run.optimize``."""
    from agent.run import optimize, resume

    if settings.out is not None and (settings.out / "run.json").is_file():
        return resume(settings.out, subscribers=subscribers, seams=seams)
    return optimize(problem, settings, subscribers=subscribers, seams=seams)


def run_suite(
    suite: Suite,
    settings: AgentSettings,
    out_dir: Path,
    *,
    arms: Sequence[str] = (AGENT,),
    repeats: int = 1,
    ablated: Sequence[str] = (),
    optimizer: Optimizer = optimize_or_resume,
    second: Rejudge = rejudge,
    notice: Notice | None = None,
    subscribers: Iterable[Subscriber] = (),
    command: str = "",
) -> SuiteReport:
    """Run ``suite`` with ``settings`` (``out`` is set for each run) and write everything to ``out_dir``.

    ``arms`` (``evals.arms``) work on each problem one after another, ``repeats`` times, each time with another seed
    and an empty memory: what this machine learned before decides nothing, and within a repeat problems may learn from
    those before them. ``ablated`` parts of the agent are taken away. ``notice`` gets a line a run, ``subscribers``
    every event of every run, ``command`` is named in the report. The report is written (``evals.writing``) after every
    run, so that a killed evaluation leaves one too.

    A problem that fails is a result and the suite goes on. What every problem would meet ends it: raises
    ModelError (wrong key, server gone), SandboxUnavailable, ResultsError. An interrupted run ends it too, with
    ``report.status == "interrupted"``.
    """
    folder = ResultsFolder(out_dir.absolute())
    evaluation = _Evaluation(
        suite=suite,
        settings=licensed(without(settings, ablated), arms).model_copy(update={"target": suite.target}),
        folder=folder,
        arms=tuple(arms),
        repeats=repeats,
        ablated=tuple(sorted(set(ablated))),
        optimizer=optimizer,
        second=second,
        notice=notice or (lambda _: None),
        subscribers=tuple(subscribers),
        command=command or f"kernelwright eval {suite.name}",
    )
    return evaluation.run()


@dataclass
class _Evaluation:
    """One call of ``run_suite``."""

    suite: Suite
    settings: AgentSettings
    folder: ResultsFolder
    arms: tuple[str, ...]
    repeats: int
    ablated: tuple[str, ...]
    optimizer: Optimizer
    second: Rejudge
    notice: Notice
    subscribers: tuple[Any, ...]
    command: str
    results: list[SuiteResult] = field(default_factory=list)
    changed: bool = False
    """Since the report was written."""

    def run(self) -> SuiteReport:
        turns = self._turns()
        self.folder.prepare(dict.fromkeys(turn.series for turn in turns))
        report = self._report("interrupted")
        for number, turn in enumerate(turns, start=1):
            place = f"[{number}/{len(turns)}] {self._spelled(turn)}"
            result = self._one(turn, place)
            if result is None:
                self.notice(f"{place}: interrupted; the same command goes on from here")
                return self._publish("interrupted")
            self.results.append(result)
            self.notice(f"{place}: {_summary(result)}")
            # What was there already is not written down again a hundred times.
            if self.changed or number == len(turns):
                report = self._publish("complete" if number == len(turns) else "interrupted")
        return report

    def _turns(self) -> list[Turn]:
        """The arms side by side in time: whatever the machine does meanwhile happens to all of them."""
        return [
            Turn(arm, repeat, item)
            for repeat in range(1, self.repeats + 1)
            for item in self.suite.problems
            for arm in self.arms
        ]

    def _spelled(self, turn: Turn) -> str:
        name = turn.item.name
        name += f", {turn.arm}" if len(self.arms) > 1 else ""
        return f"{name}, repeat {turn.repeat}" if self.repeats > 1 else name

    def _one(self, turn: Turn, place: str) -> SuiteResult | None:
        """The result of one run, stored; None if it was interrupted."""
        settings, why_not = self._settings_of(turn)
        key = result_key(turn.item, settings)
        blank = SuiteResult(
            key=key,
            arm=turn.arm,
            repeat=turn.repeat,
            name=turn.item.name,
            family=turn.item.family,
            sha256=turn.item.file_hash,
        )
        if why_not:
            return blank.model_copy(update={"error": why_not})
        result = self.folder.load(turn, key)
        if result is not None and result.is_complete:
            return result
        if result is None or result.outcome is None:
            self.notice(f"{place}: optimizing")
            out = settings.model_copy(update={"out": self.folder.run_folder(turn, key)})
            result = self._optimize(turn.item, out, blank)
            if result is None:
                return None
            self._store(result)
        if result.first is not None and result.agrees is None:
            self.notice(f"{place}: judging the champion again")
            result = self._judge_again(turn.item, settings, result)
            self._store(result)
        return result

    def _settings_of(self, turn: Turn) -> tuple[AgentSettings, str]:
        """The settings of a run, and why it cannot be begun, if so."""
        own = repeated(self.settings, turn.repeat).model_copy(update={"home": self.folder.home(turn.series)})
        if turn.arm != BEST_OF_N:
            return settings_of_arm(turn.arm, own, None), ""
        beside = (AGENT, turn.repeat, turn.item.name)
        agent = next((one for one in self.results if (one.arm, one.repeat, one.name) == beside), None)
        if agent is None or agent.outcome is None:
            return own, turn.item.refusal or "the agent failed here, so there are no tokens to equal"
        return settings_of_arm(turn.arm, own, int(agent.outcome["tokens"])), ""

    def _optimize(self, item: SuiteProblem, settings: AgentSettings, blank: SuiteResult) -> SuiteResult | None:
        if item.refusal:
            return blank.model_copy(update={"error": item.refusal})
        try:
            outcome = self.optimizer(item.problem, settings, self.subscribers).to_json()
        except (ModelError, SandboxUnavailable, EvalError):
            raise
        except (AgentError, RequestError, SandboxError, ToolError) as error:
            return blank.model_copy(update={"error": str(error)})
        if outcome["status"] == "interrupted":
            return None
        if outcome["status"] == "failed":
            return blank.model_copy(update={"error": outcome.get("message") or "the run failed"})
        best = outcome["best"]
        first = None if best is None else Verdict.from_json(best)
        steps = steps_of(Path(outcome["run_dir"]))
        return blank.model_copy(update={"outcome": outcome, "first": first, "steps": steps})

    def _judge_again(self, item: SuiteProblem, settings: AgentSettings, result: SuiteResult) -> SuiteResult:
        try:
            candidate = _champion(result)
            opinion = self.second(item.problem, candidate, settings, None)
        except (RequestError, SandboxError, ToolError, OSError, UnicodeDecodeError) as error:
            return result.model_copy(update={"error": f"the champion was not judged again: {error}"})
        update = {"second": opinion.verdict, "host": opinion.host, "error": None}
        return result.model_copy(update=update)

    def _store(self, result: SuiteResult) -> None:
        self.folder.store(result)
        self.changed = True

    def _publish(self, status: str) -> SuiteReport:
        self.changed = False
        report = self._report(status)
        write_report(report, self.folder)
        return report

    def _report(self, status: str) -> SuiteReport:
        return SuiteReport(
            status="complete" if status == "complete" else "interrupted",
            suite=self.suite.name,
            suite_id=self.suite.id,
            description=self.suite.description,
            target=self.suite.target,
            language=self.settings.language,
            model=self.settings.model,
            precision=self.settings.precision,
            atol=self.settings.atol,
            rtol=self.settings.rtol,
            seed=self.settings.seed,
            arms=self.arms,
            repeats=self.repeats,
            without=self.ablated,
            note=told_alone(self.settings, self.arms),
            least=self.suite.least,
            version=package_version(),
            date=datetime.now(UTC).strftime("%Y-%m-%d"),
            command=self.command,
            machine=machine_of(self.results),
            planned=len(self._turns()),
            results=tuple(self.results),
        )


def steps_of(run: Path) -> tuple[Step, ...]:
    """The candidates of a run that were the fastest so far; none where its log is lost."""
    try:
        nodes = read_report(run).nodes
    except RunError:
        return ()
    steps: list[Step] = []
    for node in nodes:
        if node.speedup is not None and (not steps or node.speedup > steps[-1].speedup):
            steps.append(Step(place=node.place, speedup=node.speedup, elapsed_s=node.elapsed_s, tokens=node.tokens))
    return tuple(steps)


def _champion(result: SuiteResult) -> Candidate:
    """The champion's file as it was left to the user: that is what is judged again."""
    best = (result.outcome or {})["best"]
    source = Path(best["path"]).read_text(encoding="utf-8")
    return Candidate(source=source, language=best.get("language", "cpp"))


def _summary(result: SuiteResult) -> str:
    if result.outcome is None:
        return f"failed: {result.message}"
    if result.first is None or result.first.speedup is None:
        return "no improvement"
    text = f"{result.first.speedup:.2f}x"
    if result.second is None or result.second.speedup is None:
        reason = None if result.second is None else result.second.reason
        return f"{text}, judged again: {reason or result.error}"
    opinion = "agrees" if result.agrees else "DISAGREES"
    return f"{text}, judged again: {result.second.speedup:.2f}x, {opinion}"
