"""Handing open descriptors to a job: through a door that is there once, before any code of a stranger's runs.

A job has three pipes and mounts, none of which carries a descriptor. So a socket is mounted, the job's trusted program
connects to it, is given what it is meant to have, and the door is gone.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Sequence

from sandbox.base import Mount
from sandbox.errors import SandboxError
from sandbox.ownership import make_folder

TARGET = "/handed"
PATIENCE_S = 30.0


class Door:
    """Where a job may fetch descriptors, once."""

    def __init__(self) -> None:
        self._folder = make_folder("door")
        self._folder.chmod(0o755)
        path = self._folder / "door"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._listener.settimeout(PATIENCE_S)
        self._listener.bind(str(path))
        self._listener.listen(1)
        path.chmod(0o666)
        self.mount = Mount(path, TARGET)

    def hand_over(self, descriptors: Sequence[int]) -> None:
        """Wait for the job, give it these, close. Raises SandboxError if it does not come."""
        try:
            visitor, _ = self._listener.accept()
            with visitor:
                socket.send_fds(visitor, [b"!"], list(descriptors))
        except OSError as error:
            raise SandboxError(f"a job did not fetch what it was to be given: {error}") from error
        finally:
            self.close()

    def close(self) -> None:
        """No door any more; idempotent."""
        self._listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)
