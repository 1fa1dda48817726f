"""Content-addressed store: sources, logs and profiles live here; state holds only their ids."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from tools.full_disk import WhenFull, patiently

_BEGUN = "begun-"
"""How the names of files begin that are not whole yet; no artifact's does."""


class ArtifactStore:
    """Files named by the hash of their content. Writing twice is harmless; a torn write is never visible."""

    def __init__(self, root: Path, when_full: WhenFull | None = None) -> None:
        """``when_full`` is asked what to do where there is no space; without it, that is an error."""
        self.root = root
        self._when_full = when_full

    def put(self, content: str | bytes) -> str:
        """Store and return the id: 64 hexadecimal digits of SHA-256. Raises OSError."""
        raw = content.encode() if isinstance(content, str) else content
        digest = hashlib.sha256(raw).hexdigest()
        path = self._path(digest)
        if not path.exists():
            patiently(lambda: self._write(path, raw), self._when_full)
        return digest

    def _write(self, path: Path, raw: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_BEGUN)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def get(self, artifact: str) -> bytes:
        """Content of an artifact. Raises KeyError if there is none."""
        path = self._path(artifact)
        if len(artifact) != 64 or not path.is_file():
            raise KeyError(f"no artifact {artifact}")
        return path.read_bytes()

    def text(self, artifact: str) -> str:
        """Content decoded as UTF-8, undecodable bytes replaced."""
        return self.get(artifact).decode("utf-8", "replace")

    def unfinished(self) -> list[Path]:
        """What writers that were killed left behind; nobody may be writing now."""
        return sorted(self.root.glob(f"*/{_BEGUN}*"))

    def _path(self, artifact: str) -> Path:
        return self.root / artifact[:2] / artifact[2:]
