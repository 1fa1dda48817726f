"""Progress on standard error: a status line that moves on a terminal, plain lines elsewhere.

Standard output is left to the result. Everything shown of a run comes from its event log.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kernelwright.output import note, one_line
from kernelwright.run_view import RunView

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from agent.events import Event

REFRESHES_PER_SECOND = 2  # the machine is measuring; a livelier screen would be in the measurement
_FRAMES = "|/-\\"


class PlainWatcher:
    """One line for each event worth telling, with the run's active seconds before it."""

    def __init__(self, view: RunView | None = None) -> None:
        self.view = view or RunView()

    def __call__(self, event: Event) -> None:
        """Fold the event in and print its line, if it has one."""
        self.view = _of_this_run(self.view, event)
        line = self.view.apply(event)
        if line:
            note(line, prefix=_stamp(self.view.elapsed_s))


class LiveWatcher:
    """The same lines, above a status line that shows what is being done now and how much time is left."""

    def __init__(self, console: Console, view: RunView | None = None) -> None:
        self.view = view or RunView()
        self._console = console
        self._lock = threading.Lock()
        self._seen = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Fold the event in and print its line, if it has one, above the status line."""
        with self._lock:
            self.view = _of_this_run(self.view, event)
            line = self.view.apply(event)
            self._seen = time.monotonic()
        if line:
            text = _stamp(self.view.elapsed_s) + one_line(line)
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def __rich__(self) -> Text:
        """Called by rich at every refresh."""
        with self._lock:
            since = 0.0 if self.view.is_waiting else time.monotonic() - self._seen
            return _status(self.view.summary(self.view.elapsed_s + since))


class StatusLine:
    """One line that says what is being done."""

    def __init__(self) -> None:
        self.text = "starting"

    def __call__(self, text: str) -> None:
        """Say something else."""
        self.text = text

    def __rich__(self) -> Text:
        """Called by rich at every refresh."""
        return _status(self.text)


@contextmanager
def watching(view: RunView | None = None) -> Iterator[Callable[[Event], None]]:
    """A watcher for the time of a run, which goes on from ``view``; its lines are all that stays on the screen."""
    if not sys.stderr.isatty():
        yield PlainWatcher(view)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    watcher = LiveWatcher(console, view)
    with Live(watcher, console=console, refresh_per_second=REFRESHES_PER_SECOND, transient=True):
        yield watcher


@contextmanager
def telling() -> Iterator[Callable[[str], None]]:
    """A callback for work without an event log."""
    began = time.monotonic()
    if not sys.stderr.isatty():
        yield lambda text: note(text, prefix=_stamp(time.monotonic() - began))
        return
    from rich.console import Console
    from rich.live import Live

    line = StatusLine()
    with Live(line, console=Console(stderr=True), refresh_per_second=REFRESHES_PER_SECOND, transient=True):
        yield line


def _of_this_run(view: RunView, event: Event) -> RunView:
    """A suite watches one run after another; each begins with an empty view."""
    begins = event.type in ("run_started", "resumed")
    return RunView() if begins and view.run_id not in ("", event.data.get("run_id")) else view


def _stamp(elapsed_s: float) -> str:
    return f"[{elapsed_s:6.1f}s] "


def _status(text: str) -> Text:
    """A line that stays one line on a narrow terminal, and in which nothing is markup."""
    from rich.text import Text

    frame = _FRAMES[int(time.monotonic() * REFRESHES_PER_SECOND) % len(_FRAMES)]
    return Text(f"{frame} {one_line(text)}", no_wrap=True, overflow="ellipsis")
