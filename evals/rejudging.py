"""The second opinion: a champion judged once more, by a judge that has never seen it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from agent.settings import AgentSettings
from evals.results import Host
from tools.candidate import Candidate
from tools.judge import Notice
from tools.problem import Problem
from tools.verdict import Verdict


@dataclass(frozen=True)
class SecondOpinion:
    """A verdict, and the machine it was reached on."""

    verdict: Verdict
    host: Host


def rejudge(
    problem: Problem, candidate: Candidate, settings: AgentSettings, notice: Notice | None = None
) -> SecondOpinion:
    """Confirm ``candidate`` with a fresh judge in a fresh sandbox.

    Nothing is shared with the run that found it but torch.compile's cache of the *reference*. The champion is
    held to what holds for any file that ``evaluate`` is given: without a boundary it is judged only if the
    builtin model wrote it, or if the settings allow it. Raises RequestError, ToolError or SandboxError.
    """
    from sandbox.opening import open_sandbox
    from tools.errors import RequestError
    from tools.opening import single_judge

    with closing(open_sandbox(settings.isolation)) as sandbox:
        trusted = settings.model == "builtin" or settings.allow_unsandboxed
        if not (sandbox.isolation.is_boundary or trusted):
            raise RequestError(
                "there is no sandbox to judge this champion in: apt-get install bubblewrap, "
                "or trust it with --allow-unsandboxed"
            )
        about = {"language": candidate.language, "target": settings.target, "seed": settings.seed + 1}
        with single_judge(problem, sandbox, settings.judging, settings.home, **about) as judge:
            facts = judge.describe()
            host = Host(cpu=facts.cpu, threads=facts.threads, torch_version=facts.torch_version, device=facts.device)
            return SecondOpinion(judge.confirm(candidate, notice), host)
