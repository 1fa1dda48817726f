"""From runs to the lines of a data set: read, put into rows, cleaned."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.settings import AgentSettings
from agent.trajectories.cleaning import Cleaner
from agent.trajectories.reading import read_trajectories
from agent.trajectories.rows import Form, Row, to_rows


def export_rows(
    form: Form,
    folders: Sequence[Path],
    *,
    settings: AgentSettings | None = None,
    with_rejected: bool = False,
    with_cheats: bool = False,
) -> list[Row]:
    """Rows of the runs in ``folders``, in that order, each run once, all of them cleaned.

    ``settings`` say which key and which places to look for besides the usual ones; None for those in force. Raises
    RunError for a run that cannot be read.
    """
    chosen = list(dict.fromkeys(folder.resolve() for folder in folders))
    settings = settings or AgentSettings.load()
    key = settings.api_key.get_secret_value() if settings.api_key is not None else ""
    cleaner = Cleaner(secrets=[key], places=[*chosen, *folders, settings.home])
    told = [one for folder in chosen for one in read_trajectories(folder)]
    rows: list[Row] = cleaner.clean(to_rows(form, told, with_rejected=with_rejected, with_cheats=with_cheats))
    return rows


def to_lines(rows: Sequence[dict[str, Any]]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
