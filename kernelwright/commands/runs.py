"""``kernelwright runs``: the runs of this machine, newest first."""

from __future__ import annotations

from typing import Any

from kernelwright import exit_codes
from kernelwright.output import table, write, write_json
from kernelwright.wording import speedup

SCHEMA = "kernelwright.runs/1"


def run(arguments: dict[str, Any]) -> int:
    """Print the list."""
    from agent.runs import list_runs
    from agent.settings import AgentSettings

    found = list_runs(AgentSettings.load().home)
    if arguments.get("json"):
        write_json({"schema": SCHEMA, "runs": found})
    elif found:
        rows = [
            (
                str(item["run_id"]),
                str(item["started_at"])[:19].replace("T", " "),
                str(item["status"]),
                speedup(item.get("speedup")),
                str(item["problem"]),
                str(item["target"]),
                str(item.get("model", "")),
            )
            for item in found
        ]
        write(table(rows, header=("run", "started (UTC)", "status", "speed-up", "problem", "target", "model")))
    else:
        write("no runs yet: kernelwright optimize PROBLEM makes one")
    return exit_codes.DONE
