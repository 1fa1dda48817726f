"""``kernelwright show RUN``: a run's state, candidates and champion, folded from its event log."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from kernelwright import exit_codes
from kernelwright.api import run_folder
from kernelwright.closing import closing_table, run_table
from kernelwright.output import note, write, write_json
from kernelwright.run_view import RunView

SCHEMA = "kernelwright.show/1"
REPLAY_SCHEMA = "kernelwright.replay/1"


def run(arguments: dict[str, Any]) -> int:
    """Print it; a run that is still going on can be looked at too."""
    from agent.runs import run_status

    folder = run_folder(arguments["run"])
    if arguments.get("replay"):
        return _replay(folder, as_json=arguments.get("json", False))
    view = load_view(folder)
    view.status = str(run_status(folder)["status"])
    if arguments.get("json"):
        write_json({"schema": SCHEMA, "run_dir": str(folder), **to_json(view)})
        return exit_codes.DONE
    write(run_table(view))
    if view.outcome is not None:
        write("\n" + closing_table(view.outcome))
    return exit_codes.DONE


def _replay(folder: Path, *, as_json: bool) -> int:
    """Rebuild the run from its log; 1 where it differs from what the run left."""
    from agent.replaying import replay

    told = replay(folder)
    differing = told.differences(folder)
    if as_json:
        write_json(
            {
                "schema": REPLAY_SCHEMA,
                "run_dir": str(folder),
                "progress": asdict(told.progress),
                "tree": [asdict(node) for node in told.tree],
                "outcome": None if told.outcome is None else told.outcome.to_json(),
                "report": told.files.get("report.md"),
                "differing": differing,
            }
        )
    else:
        write(told.files.get("report.md", run_table(load_view(folder))).rstrip())
        same = "it is what the run left" if told.files else "the run has not come to its end"
        note(f"kernelwright: told again from the log; {', '.join(differing) + ' differ' if differing else same}")
    return exit_codes.NOT_BETTER if differing else exit_codes.DONE


def load_view(folder: Path) -> RunView:
    """The view of a run folder, empty before its first event. Raises RunError for a damaged log."""
    from agent.events import read_events

    view, log = RunView(), folder / "events.jsonl"
    for event in read_events(log) if log.exists() else ():
        view.apply(event)
    return view


def to_json(view: RunView) -> dict[str, Any]:
    """The view as plain JSON; ``outcome`` is null until the run has finished."""
    return {
        "run_id": view.run_id,
        "status": view.status,
        "problem": view.problem,
        "target": view.target,
        "model": view.model,
        "elapsed_s": view.elapsed_s,
        "tokens": view.tokens,
        "baselines": view.baselines,
        "best": view.best,
        "speedup": view.best_speedup,
        "speedup_ci95": view.best_ci95,
        "candidates": [
            {
                "candidate": row.candidate,
                "strategy": row.strategy,
                "lesson": row.lesson,
                "origin": row.origin,
                "verdict": row.verdict,
                "tuned": row.tuned,
                "settings": row.settings,
            }
            for row in view.rows.values()
        ],
        "outcome": view.outcome,
    }
