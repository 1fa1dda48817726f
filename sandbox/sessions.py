"""The sessions a sandbox has open, so that closing the sandbox stops them all."""

from __future__ import annotations

import threading

from sandbox.session import PipeSession


class OpenSessions:
    """Sessions that were started and perhaps not stopped yet. Thread-safe."""

    def __init__(self) -> None:
        self._sessions: set[PipeSession] = set()
        self._lock = threading.Lock()

    def add(self, session: PipeSession) -> PipeSession:
        """Remember ``session`` and hand it back; those stopped since are forgotten."""
        with self._lock:
            self._sessions = {other for other in self._sessions if not other.is_stopped}
            self._sessions.add(session)
        return session

    def stop_all(self) -> None:
        """Stop those that still run; idempotent."""
        with self._lock:
            sessions, self._sessions = self._sessions, set()
        for session in sessions:
            session.stop()
