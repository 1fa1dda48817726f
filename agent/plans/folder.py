"""A plan's folder: ``plans/ID`` under the home, with its runs inside; how it is made and found again."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent.errors import RunError
from agent.events import is_locked
from agent.folder import write_atomically
from agent.plans.plan import PLAN_SCHEMA, Plan
from agent.space import free_bytes
from tools.errors import RequestError

PLAN_FILE = "plan.json"


@dataclass(frozen=True)
class PlanFolder:
    """Where everything of a plan lies; it may be moved as a whole."""

    path: Path

    @property
    def events(self) -> Path:
        """The plan's own log; each run has one, too."""
        return self.path / "events.jsonl"

    @property
    def home(self) -> Path:
        """Memory and caches are those of the home that the plan lies in."""
        return self.path.parent.parent

    def run(self, entry: str) -> Path:
        """The run folder of an entry, whether it has begun or not."""
        return self.path / "runs" / entry

    def plan(self) -> Plan:
        """What ``plan.json`` says. Raises RunError if it is damaged."""
        try:
            values = json.loads((self.path / PLAN_FILE).read_text(encoding="utf-8"))
            if values.pop("schema") != PLAN_SCHEMA:
                raise ValueError("another schema")
            return Plan.model_validate(values)
        except (OSError, ValueError, KeyError, AttributeError, TypeError, ValidationError) as error:
            raise RunError(f"the plan in {self.path} cannot be used: its {PLAN_FILE} is damaged") from error

    @property
    def is_going_on(self) -> bool:
        """Whether some process works on it."""
        return is_locked(self.events)

    def is_complete(self) -> bool:
        """Whether it has come to its end."""
        return any(event["type"] == "plan_finished" for event in read_lines(self.events)[-1:])


def create_plan_folder(plan: Plan, home: Path) -> PlanFolder:
    """Make the folder of a new plan. Raises RequestError where nothing can be written."""
    folder = PlanFolder(home / "plans" / plan.plan_id)
    try:
        folder.path.mkdir(parents=True)
        write_atomically(folder.path / PLAN_FILE, json.dumps(plan.to_json(), indent=2) + "\n")
    except OSError as error:
        with suppress(OSError):
            shutil.rmtree(folder.path)
        mend = f"free some space ({free_bytes(home) >> 10} KiB left), or " if home.is_dir() else ""
        reason = (error.strerror or str(error)).lower()
        raise RequestError(
            f"cannot write to {folder.path}: {reason}: {mend}set KERNELWRIGHT_HOME to another folder"
        ) from error
    return folder


def list_plans(home: Path) -> list[PlanFolder]:
    """Those there are, oldest first."""
    return [PlanFolder(path.parent) for path in sorted((home / "plans").glob(f"*/{PLAN_FILE}"))]


def find_plan(name: str | Path, home: Path) -> PlanFolder | None:
    """The plan given by its folder, its id or a unique beginning of it; None if there is none of that name.

    Raises RequestError for the beginning of several.
    """
    path = Path(name).expanduser()
    if (path / PLAN_FILE).is_file():
        return PlanFolder(path.absolute())
    matches = [plan for plan in list_plans(home) if str(name) and plan.path.name.startswith(str(name))]
    exact = [plan for plan in matches if plan.path.name == str(name)] or matches
    if len(exact) > 1:
        raise RequestError(f"{str(name)!r} is the beginning of {len(exact)} plans: give more of the id")
    return exact[0] if exact else None


def plans_of_file(path: Path, home: Path) -> list[tuple[PlanFolder, Plan]]:
    """The plans that were made of a file, oldest first; those whose folder is damaged are left out."""
    found = []
    for folder in list_plans(home):
        with suppress(RunError):
            plan = folder.plan()
            if plan.file == str(path.absolute()):
                found.append((folder, plan))
    return found


def read_lines(log: Path) -> list[dict[str, Any]]:
    """The whole events of a log that may be missing, as plain JSON; a torn last line is left out."""
    from agent.events import read_events

    return [event.to_json() for event in read_events(log)] if log.is_file() else []
