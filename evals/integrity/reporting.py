"""The table attack by verdict, for people and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evals.integrity.running import Outcome

SCHEMA = "kernelwright.integrity/1"


@dataclass(frozen=True)
class IntegrityReport:
    """What came of the whole corpus."""

    outcomes: Sequence[Outcome]
    isolation: str
    version: str
    date: str
    skipped: int = 0
    """Programs that need a GPU and were not run."""

    @property
    def wrong(self) -> list[Outcome]:
        """Where the judge was fooled, or unfair, or did not judge."""
        return [outcome for outcome in self.outcomes if not outcome.is_right]

    @property
    def exit_code(self) -> int:
        """0 if all went right, 1 if not, 3 if some was not judged."""
        if any(outcome.verdict.status == "infrastructure_error" for outcome in self.wrong):
            return 3
        return 1 if self.wrong else 0

    def counts(self) -> dict[str, int]:
        """The figures that matter."""
        attacks = [outcome for outcome in self.outcomes if not outcome.program.is_honest]
        honest = [outcome for outcome in self.outcomes if outcome.program.is_honest]
        return {
            "attacks": len(attacks),
            "attacks_rejected": sum(outcome.verdict.status == "rejected" for outcome in attacks),
            "attacks_rejected_for_another_reason": sum(
                outcome.verdict.status == "rejected" and not outcome.is_right for outcome in attacks
            ),
            "attacks_with_their_true_time": sum(outcome.word == "true time" for outcome in attacks),
            "attacks_accepted": sum(outcome.word == "ACCEPTED" for outcome in attacks),
            "attacks_said_to_be_faster": sum(outcome.tells_a_lie for outcome in attacks),
            "honest": len(honest),
            "honest_rejected": sum(outcome.verdict.status == "rejected" for outcome in honest),
            "not_judged": sum(outcome.verdict.status == "infrastructure_error" for outcome in self.outcomes),
            "skipped": self.skipped,
        }

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "schema": SCHEMA,
            "version": self.version,
            "date": self.date,
            "isolation": self.isolation,
            "counts": self.counts(),
            "programs": [
                {
                    "name": outcome.program.name,
                    "row": outcome.program.row,
                    "form": outcome.program.form,
                    "problem": outcome.program.problem,
                    "expect": outcome.program.expect,
                    "reasons": list(outcome.program.reasons),
                    "right": outcome.is_right,
                    "status": outcome.verdict.status,
                    "reason": outcome.verdict.reason,
                    "detail": outcome.verdict.detail,
                    "confirmed": outcome.verdict.confirmed,
                    "speedup": outcome.verdict.speedup,
                    "speedup_ci95": outcome.verdict.speedup_ci95,
                    "seconds": round(outcome.seconds, 2),
                }
                for outcome in self.outcomes
            ],
        }

    def to_markdown(self) -> str:
        """The table, then the figures."""
        lines = ["| row | form | program | problem | verdict | why, or speed |", "|---|---|---|---|---|---|"]
        lines += [_row(outcome) for outcome in self.outcomes if not outcome.program.is_honest or not outcome.is_right]
        honest = Counter(outcome.program.problem for outcome in self.outcomes if outcome.program.is_honest)
        lines += ["", "Honest programs by problem: " + ", ".join(f"{key} {count}" for key, count in honest.items())]
        lines += ["", *(f"- {key.replace('_', ' ')}: {count}" for key, count in self.counts().items())]
        lines += [f"- isolation: {self.isolation}; version {self.version}; {self.date}"]
        return "\n".join(lines) + "\n"


def line_of(outcome: Outcome) -> str:
    """One line while it runs."""
    program = outcome.program
    return f"{'ok  ' if outcome.is_right else 'BAD '} {program.row:6} {program.name}: {outcome.word}, {_why(outcome)}"


def _row(outcome: Outcome) -> str:
    program = outcome.program
    cells = (program.row, program.form, program.name, program.problem, outcome.word, _why(outcome).replace("|", "/"))
    return "| " + " | ".join(cells) + " |"


def _why(outcome: Outcome) -> str:
    verdict = outcome.verdict
    if verdict.speedup is not None and verdict.speedup_ci95 is not None:
        low, high = verdict.speedup_ci95
        return f"{verdict.speedup:.2f}x [{low:.2f}, {high:.2f}]"
    return f"{verdict.reason}: {verdict.detail}"[:160]
