"""Run a suite: optimize every problem, judge every champion a second time, score, report.

An evaluation can be killed at any moment and started again on the same folder: finished problems are taken
over, a run that was cut short is resumed, a champion that was not judged twice is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from agent.errors import AgentError, ModelError
from agent.folder import package_version
from agent.settings import AgentSettings
from evals.errors import EvalError
from evals.rejudging import SecondOpinion, rejudge
from evals.reporting import SuiteReport, write_report
from evals.results import ResultsFolder, SuiteResult, result_key
from evals.suite import Suite, SuiteProblem
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
    optimizer: Optimizer = optimize_or_resume,
    second: Rejudge = rejudge,
    notice: Notice | None = None,
    subscribers: Iterable[Subscriber] = (),
    command: str = "",
) -> SuiteReport:
    """Run ``suite`` with ``settings`` (``out`` is set for each problem) and write everything to ``out_dir``.

    ``out_dir`` is also the agent's home: memory begins empty, so what this machine learned before decides
    nothing; within the suite, problems may learn from those before them. ``notice`` gets a line a problem,
    ``subscribers`` every event of every run, ``command`` is named in the report. The report is written as
    ``report.json`` and ``report.md`` after every problem, so that a killed evaluation leaves one too.

    A problem that fails is a result and the suite goes on. What every problem would meet ends it: raises
    ModelError (wrong key, server gone), SandboxUnavailable, ResultsError. An interrupted run ends it too, with
    ``report.status == "interrupted"``.
    """
    folder = ResultsFolder(out_dir.absolute())
    folder.prepare()
    evaluation = _Evaluation(
        suite=suite,
        settings=settings.model_copy(update={"home": folder.root / "home", "target": suite.target}),
        folder=folder,
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
    optimizer: Optimizer
    second: Rejudge
    notice: Notice
    subscribers: tuple[Any, ...]
    command: str
    results: list[SuiteResult] = field(default_factory=list)

    def run(self) -> SuiteReport:
        report = self._report("interrupted")
        for number, item in enumerate(self.suite.problems, start=1):
            place = f"[{number}/{len(self.suite.problems)}] {item.name}"
            result = self._one(item, place)
            if result is None:
                self.notice(f"{place}: interrupted; the same command goes on from here")
                return self._publish("interrupted")
            self.results.append(result)
            self.notice(f"{place}: {_summary(result)}")
            finished = number == len(self.suite.problems)
            report = self._publish("complete" if finished else "interrupted")
        return report

    def _one(self, item: SuiteProblem, place: str) -> SuiteResult | None:
        """The result of one problem, stored; None if it was interrupted."""
        key = result_key(item, self.settings)
        result = self.folder.load(item.name, key)
        if result is not None and result.is_complete:
            return result
        if result is None or result.outcome is None:
            self.notice(f"{place}: optimizing")
            result = self._optimize(item, key)
            if result is None:
                return None
            self.folder.store(result)
        if result.first is not None and result.agrees is None:
            self.notice(f"{place}: judging the champion again")
            result = self._judge_again(item, result)
            self.folder.store(result)
        return result

    def _optimize(self, item: SuiteProblem, key: str) -> SuiteResult | None:
        settings = self.settings.model_copy(update={"out": self.folder.run_folder(item.name, key)})
        blank = SuiteResult(key=key, name=item.name, family=item.family, sha256=item.file_hash)
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
        return blank.model_copy(update={"outcome": outcome, "first": first})

    def _judge_again(self, item: SuiteProblem, result: SuiteResult) -> SuiteResult:
        try:
            candidate = _champion(result)
            opinion = self.second(item.problem, candidate, self.settings, None)
        except (RequestError, SandboxError, ToolError, OSError, UnicodeDecodeError) as error:
            return result.model_copy(update={"error": f"the champion was not judged again: {error}"})
        update = {"second": opinion.verdict, "host": opinion.host, "error": None}
        return result.model_copy(update=update)

    def _publish(self, status: str) -> SuiteReport:
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
            seed=self.settings.seed,
            version=package_version(),
            date=datetime.now(UTC).strftime("%Y-%m-%d"),
            command=self.command,
            planned=len(self.suite.problems),
            results=tuple(self.results),
        )


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
