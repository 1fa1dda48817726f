"""The file by which another process speaks to a run: ``control.jsonl`` in its folder, only ever appended to.

One request a line, ``{"id": "...", "time": "...", "kind": "hint", "text": "try shared memory"}``. The kinds:

* ``pause`` and ``go_on``: hold the run after what it is doing, without spending its seconds; and let it go on
* ``stop``: interrupt it as Ctrl-C does; the state is kept
* ``finish``: search no further, confirm the best so far and leave the kernel
* ``hint`` with ``text``: told to the model in every prompt from now on
* ``target`` with ``speedup``: stop there (null: at no speed-up)
* ``limit`` with ``limit`` (a name of ``LIMITS``) and ``value``: the new bound, not what is added to it

What the run makes of a request is an event (``steered``) of its log, which is the truth; this file is only the way
there. Whoever writes looks first whether the run goes on (``agent.events.is_locked``): a pause, a stop or a finish
that nobody heard is not obeyed by a later resumption.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import stat
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent.errors import RunError
from agent.events import utc_now
from tools.errors import RequestError

CONTROL = "control.jsonl"
MAX_LINE_BYTES = 16 << 10
MAX_TEXT_CHARS = 2_000
READ_BYTES = 1 << 20
"""At once; what is left waits for the next look."""

Kind = Literal["pause", "go_on", "stop", "finish", "hint", "target", "limit"]
Limit = Literal["max_candidates", "max_seconds", "max_tokens", "max_cost"]
_ABLE = ("run.json", "plan.json")
"""What one of which lies in a folder that can be spoken to; a plan hears ``pause``, ``go_on``, ``stop``, ``finish``."""
KINDS: tuple[Kind, ...] = get_args(Kind)
LIMITS: tuple[Limit, ...] = get_args(Limit)


class Request(BaseModel):
    """What somebody asks of a run."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(min_length=1, max_length=64)
    """Tells it from every other request: it takes effect once."""
    time: str = Field(default="", max_length=40)
    """UTC, ISO 8601, when it was written."""
    kind: Kind
    text: str = Field(default="", max_length=MAX_TEXT_CHARS)
    """Of a hint."""
    speedup: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Of a target."""
    limit: Limit | None = None
    value: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Of a limit."""

    @model_validator(mode="after")
    def _is_whole(self) -> Request:
        if self.kind == "hint" and not self.text.strip():
            raise ValueError("a hint needs a text")
        if self.kind == "limit" and (self.limit is None or self.value is None):
            raise ValueError(f"a limit needs a name ({', '.join(LIMITS)}) and a value")
        return self

    def what(self) -> dict[str, Any]:
        """What it says besides its kind."""
        names = {"hint": ("text",), "target": ("speedup",), "limit": ("limit", "value")}.get(self.kind, ())
        return {name: getattr(self, name) for name in names}


def ask(folder: Path, kind: Kind, **what: Any) -> Request:
    """Write a request to the run in a folder. ``what``: text, speedup, or limit and value.

    Raises RequestError for one that makes no sense, RunError where it cannot be written.
    """
    if not any((folder / name).is_file() for name in _ABLE):
        raise RequestError(f"there is no run in {folder}: the folder has no run.json")
    try:
        request = Request(id=secrets.token_hex(8), time=utc_now(), kind=kind, **what)
    except ValidationError as error:
        raise RequestError(f"{kind}: {explain(error)}") from error
    line = json.dumps({"id": request.id, "time": request.time, "kind": kind, **request.what()}).encode() + b"\n"
    path = folder / CONTROL
    try:
        _append(path, line)
    except OSError as error:
        raise RunError(f"cannot write to {path}: {error.strerror}; the run did not hear it") from error
    return request


def explain(error: ValidationError) -> str:
    """What is wrong, in one line."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _append(path: Path, line: bytes) -> None:
    """The whole line or nothing of it, after whatever a writer that was killed left torn. Raises OSError."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        size = os.fstat(fd).st_size
        torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
        whole = b"\n" + line if torn else line
        if os.write(fd, whole) < len(whole):
            os.ftruncate(fd, size)
            raise OSError(28, "the disk is full")
    finally:
        os.close(fd)


class ControlFile:
    """Reads what was appended since it was asked last. Nothing that stands there makes it fail."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read_new(self) -> tuple[list[dict[str, Any]], int]:
        """New lines that are JSON objects with an id, and how many others there were; a torn last line is left."""
        raw = self._read()
        end = raw.rfind(b"\n") + 1
        if end == 0 and len(raw) >= READ_BYTES:
            end = len(raw)  # no line of ours is so long: passed over
        self._offset += end
        found: list[dict[str, Any]] = []
        foreign = 0
        for line in raw[:end].split(b"\n"):
            if not line.strip():
                continue
            request = _parsed(line)
            if request is None:
                foreign += 1
            else:
                found.append(request)
        return found, foreign

    def _read(self) -> bytes:
        try:
            about = self._path.stat()
            if about.st_size < self._offset:
                self._offset = 0  # somebody wrote it anew; what is known already has no effect again
            if about.st_size == self._offset or not stat.S_ISREG(about.st_mode):
                return b""
            with self._path.open("rb") as file:
                file.seek(self._offset)
                return file.read(READ_BYTES)
        except OSError:
            return b""  # not there, or not to be read: nothing was asked


def _parsed(line: bytes) -> dict[str, Any] | None:
    if len(line) > MAX_LINE_BYTES:
        return None
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_ours = isinstance(request, dict) and isinstance(request.get("id"), str) and 0 < len(request["id"]) <= 64
    return request if is_ours else None
