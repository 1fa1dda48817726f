"""``kernelwright runs``: the runs of this machine and its plans, newest first."""

from __future__ import annotations

from typing import Any

from kernelwright import exit_codes
from kernelwright.output import table, write, write_json
from kernelwright.wording import speedup

SCHEMA = "kernelwright.runs/1"


def run(arguments: dict[str, Any]) -> int:
    """Print both lists."""
    from agent.plans.listing import describe_plans
    from agent.runs import list_runs
    from agent.settings import AgentSettings

    home = AgentSettings.load().home
    runs, plans = list_runs(home), describe_plans(home)
    if arguments.get("json"):
        write_json({"schema": SCHEMA, "runs": runs, "plans": plans})
    elif runs or plans:
        told = [form(items) for form, items in ((_runs_table, runs), (_plans_table, plans)) if items]
        write("\n\n".join(told))
    else:
        write("no runs yet: kernelwright optimize PROBLEM makes one")
    return exit_codes.DONE


def _runs_table(runs: list[dict[str, Any]]) -> str:
    rows = [
        (
            str(item["run_id"]),
            _time(item["started_at"]),
            str(item["status"]),
            speedup(item.get("speedup")),
            str(item["problem"]),
            str(item["target"]),
            str(item.get("model", "")),
        )
        for item in runs
    ]
    return table(rows, header=("run", "started (UTC)", "status", "speed-up", "problem", "target", "model"))


def _plans_table(plans: list[dict[str, Any]]) -> str:
    rows = [
        (
            str(item["plan_id"]),
            _time(item["started_at"]),
            str(item["status"]),
            "" if item["operators"] is None else f"{item['done']} of {item['operators']}",
            ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in (item["ended"] or {}).items()),
            str(item["name"] or ""),
        )
        for item in plans
    ]
    return table(rows, header=("plan", "started (UTC)", "status", "done", "came to", "name"))


def _time(text: str | None) -> str:
    return (text or "")[:19].replace("T", " ")
