"""Work that goes on without a terminal: in a session of its own, begun anew when it crashes.

``python -m kernelwright.detaching FOLDER`` is that session's leader: it starts the worker, waits for it, and starts it
again when it was killed or its infrastructure failed. A reboot ends both: docs/plans.md says how they come back.
"""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kernelwright import exit_codes
from kernelwright.output import note
from tools.errors import RequestError

LOG = "detached.log"
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 600.0
MAX_TRIES = 12
"""Begun anew so often in a row, some forty minutes in all; then a person has to look."""
LONG_S = 900.0
"""Who worked so long did not fail at once: the pauses begin from the shortest."""


def detach(folder: Path) -> dict[str, Any]:
    """Start the work on a run or a plan in a session of its own: ``pid`` and ``log``. Raises RequestError."""
    log = folder / LOG
    if is_attended(folder):
        raise RequestError(f"another process works on {folder.name} already: kernelwright watch {folder.name}")
    # Ignored before it exists: a terminal that is closed at this moment does not end it.
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with log.open("ab") as output:
            leader = subprocess.Popen(
                [sys.executable, "-m", "kernelwright.detaching", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
    except OSError as error:
        raise RequestError(f"cannot start a process for {folder}: {error.strerror}") from error
    finally:
        signal.signal(signal.SIGHUP, before)
    return {"pid": leader.pid, "log": str(log)}


def is_attended(folder: Path) -> bool:
    """Whether somebody works on it, or begins to again after a pause."""
    from agent.events import is_locked

    return is_locked(folder / "events.jsonl") or is_locked(folder / LOG)


def supervise(
    work: Callable[[], int],
    is_over: Callable[[int], bool],
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Call ``work`` until ``is_over`` of the exit code it gives; the last one. A signal's is negative."""
    tries = 0
    while True:
        began = now()
        code = work()
        if is_over(code):
            return code
        tries = 1 if now() - began >= LONG_S else tries + 1
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        if tries >= MAX_TRIES:
            note(f"kernelwright: the worker {how}, {tries} times in a row: given up")
            return code
        pause = min(FIRST_PAUSE_S * 2 ** (tries - 1), LONGEST_PAUSE_S)
        note(f"kernelwright: the worker {how}; begun anew in {pause:.0f} s")
        sleep(pause)


def main(folder: Path) -> int:
    """Lead the session. What stops this process stops the worker, which keeps its state."""
    # Held by the worker as well, which inherits it: whoever looks knows that somebody attends to the folder.
    fcntl.flock(sys.stdout.fileno(), fcntl.LOCK_EX)
    worker: list[subprocess.Popen[bytes]] = []

    def end(number: int, frame: object) -> None:
        stopping.append(number)
        for one in worker[-1:]:
            one.send_signal(number)

    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)

    def work() -> int:
        worker.append(subprocess.Popen([sys.executable, "-m", "kernelwright", "resume", str(folder)]))
        return worker[-1].wait()

    def is_over(code: int) -> bool:
        return bool(stopping) or (code >= 0 and (code != exit_codes.INFRASTRUCTURE or _is_complete(folder)))

    code = supervise(work, is_over)
    return code if code >= 0 else exit_codes.INTERRUPTED


def _is_complete(folder: Path) -> bool:
    """Whether a plan has come to its end, whatever failed in it."""
    from agent.plans.folder import PLAN_FILE, PlanFolder

    return (folder / PLAN_FILE).is_file() and PlanFolder(folder).is_complete()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
