"""Progress on standard error: a status line that moves on a terminal, plain lines elsewhere.

Standard output is left to the result. Everything shown comes from the event log.
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
    from rich.console import Console, RenderableType

    from agent.events import Event

REFRESHES_PER_SECOND = 2  # the machine is measuring; a livelier screen would be in the measurement


class PlainWatcher:
    """One line for each event worth telling, with the run's active seconds before it."""

    def __init__(self) -> None:
        self.view = RunView()

    def __call__(self, event: Event) -> None:
        """Fold the event in and print its line, if it has one."""
        line = self.view.apply(event)
        if line:
            note(line, prefix=_stamp(self.view.elapsed_s))


class LiveWatcher:
    """The same lines, above a status line that shows what is being done now and how much time is left."""

    def __init__(self, console: Console) -> None:
        from rich.spinner import Spinner

        self.view = RunView()
        self._console = console
        self._spinner = Spinner("dots")
        self._lock = threading.Lock()
        self._seen = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Fold the event in and print its line, if it has one, above the status line."""
        with self._lock:
            line = self.view.apply(event)
            self._seen = time.monotonic()
        if line:
            text = _stamp(self.view.elapsed_s) + one_line(line)
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def __rich__(self) -> RenderableType:
        """Called by rich at every refresh."""
        with self._lock:
            elapsed = self.view.elapsed_s + time.monotonic() - self._seen
            status = one_line(self.view.summary(elapsed))
        self._spinner.update(text=status)
        return self._spinner


@contextmanager
def watching(quiet: bool = False) -> Iterator[Callable[[Event], None]]:
    """A watcher for the time of a run; nothing is left on the screen but its lines."""
    if quiet:
        yield _ignore
        return
    if not sys.stderr.isatty():
        yield PlainWatcher()
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    watcher = LiveWatcher(console)
    with Live(watcher, console=console, refresh_per_second=REFRESHES_PER_SECOND, transient=True):
        yield watcher


def _stamp(elapsed_s: float) -> str:
    return f"[{elapsed_s:6.1f}s] "


def _ignore(event: Event) -> None:
    """Nobody watches."""


@contextmanager
def telling() -> Iterator[Callable[[str], None]]:
    """A callback for work without an event log: a moving status on a terminal, plain lines elsewhere."""
    began = time.monotonic()
    if not sys.stderr.isatty():
        yield lambda text: note(text, prefix=_stamp(time.monotonic() - began))
        return
    from rich.console import Console

    with Console(stderr=True).status("starting", refresh_per_second=REFRESHES_PER_SECOND) as status:
        yield lambda text: status.update(one_line(text))
