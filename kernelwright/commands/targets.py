"""``kernelwright targets``: which chips and languages, and how far the numbers can be trusted."""

from __future__ import annotations

from typing import Any

from kernelwright import exit_codes
from kernelwright.output import table, write, write_json

SCHEMA = "kernelwright.targets/1"


def run(arguments: dict[str, Any]) -> int:
    """Print the matrix."""
    rows = matrix()
    if arguments.get("json"):
        write_json({"schema": SCHEMA, "targets": rows})
        return exit_codes.DONE
    lines = [
        (row["target"], row["chip"], cell["language"], cell["status"], cell["evidence"] or "-")
        for row in rows
        for cell in row["languages"]
    ]
    write(table(lines, header=("target", "chip", "language", "status", "evidence")))
    return exit_codes.DONE


def matrix() -> list[dict[str, Any]]:
    """The table of ``sandbox.target`` as plain JSON."""
    from sandbox.target import TARGETS

    return [
        {
            "target": str(target),
            "chip": target.chip,
            "languages": [
                {"language": row.language, "status": row.status, "evidence": row.evidence} for row in target.support
            ],
        }
        for target in TARGETS
    ]
