"""What a sandbox has running, so that closing the sandbox stops it all."""

from __future__ import annotations

import threading

from sandbox.base import Execution, Job
from sandbox.session import PipeSession, Running, run_to_end


class OpenSessions:
    """Jobs that were started and perhaps have not ended yet. Thread-safe."""

    def __init__(self) -> None:
        self._sessions: set[PipeSession] = set()
        self._runs: set[Running] = set()
        self._lock = threading.Lock()

    def run(self, running: Running, job: Job, data: bytes) -> Execution:
        """Run to the end, unless ``stop_all`` comes first."""
        with self._lock:
            self._runs.add(running)
        try:
            return run_to_end(running, data, job.limits)
        finally:
            with self._lock:
                self._runs.discard(running)

    def start(self, running: Running, job: Job) -> PipeSession:
        """A session, remembered; those stopped since are forgotten."""
        session = PipeSession(running, job.limits)
        with self._lock:
            self._sessions = {other for other in self._sessions if not other.is_stopped}
            self._sessions.add(session)
        return session

    def stop_all(self) -> None:
        """Stop what still runs; idempotent."""
        with self._lock:
            sessions, self._sessions = self._sessions, set()
            runs = list(self._runs)
        for running in runs:
            running.kill()
        for session in sessions:
            session.stop()
