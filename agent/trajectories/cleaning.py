"""What must not leave this machine: keys, passwords and where things lie on its disks.

A conversation is not supposed to hold any of it. It may all the same: a compiler names header files by their
paths, a traceback names the interpreter's, and a problem file is whatever its author wrote.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HIDDEN = "[hidden]"

_SECRETS = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S),
    # Keys that say by their beginning whose they are.
    re.compile(r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}"),
    re.compile(r"\b(?:hf_|nvapi-|gsk_|xai-|r8_|glpat-|xox[abprs]-)[A-Za-z0-9_-]{16,}"),
    re.compile(r"\b(?:gh[oprsu]_|github_pat_)[A-Za-z0-9_]{20,}"),
    re.compile(r"\bA(?:KIA|SIA)[0-9A-Z]{16}\b"),
    re.compile(r"\bAIza[0-9A-Za-z_-]{30,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    re.compile(r"(?i)(?<=bearer )[A-Za-z0-9._~+/-]{12,}=*"),
    # Values of names that speak for themselves, as in a shell, a header, JSON or Python.
    re.compile(r"""(?i)(?<![A-Za-z])[\w-]*(?:api[_-]?key|password|passwd|secret|access[_-]?token)["']?\s*[:=]\s*["'][^"'\s]{6,}["']"""),
    re.compile(r"(?m)\b[A-Z0-9_]*(?:API_KEY|PASSWORD|SECRET|TOKEN)=\S{6,}"),
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),
)  # fmt: skip
_ROOTS = (
    "home|root|Users|tmp|var|opt|mnt|media|data|srv|scratch|work|workspace|workspaces|private|run|nix|app|builds|"
    "lustre|gpfs|nfs|cluster|projects|shared|content|kaggle|nvme\\d*|storage|volumes|Volumes"
)
_PATH = re.compile(rf"(?:(?<=-[IBL])|(?<=file://)|(?<![\w./~]))/(?:{_ROOTS})(?:/[\w.+@%=~-]+)*/([\w.+@%=~-]+)/?")
_WINDOWS = re.compile(r"(?<![\w])[A-Za-z]:\\(?:[\w.+@ -]+\\)+([\w.+@-]+)")


class Cleaner:
    """Cleans texts, and whatever is made of texts. ``secrets`` and ``places`` are hidden wherever they stand.

    A path keeps its last name, which is what a reader of a compiler's message needs.
    """

    def __init__(self, *, secrets: Iterable[str] = (), places: Iterable[Path] = ()) -> None:
        self._secrets = tuple(sorted((text for text in secrets if len(text) >= 6), key=len, reverse=True))
        here = {str(place) for place in (*places, Path.home(), Path(tempfile.gettempdir()), Path(sys.prefix))}
        # A place of one name ("/") is everywhere.
        kept = sorted((place for place in here if place.count("/") > 1), key=len, reverse=True)
        texts = "|".join(re.escape(place) for place in kept)
        self._places = re.compile(rf"(?:{texts})(?:/[\w.+@%=~-]+)*/([\w.+@%=~-]+)|(?:{texts})") if kept else None

    def text(self, text: str) -> str:
        """One text, cleaned."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        for pattern in _SECRETS:
            text = pattern.sub(HIDDEN, text)
        for paths in (self._places, _PATH, _WINDOWS):
            if paths is not None:
                text = paths.sub(lambda match: f"[path]/{match[1]}" if match[1] else "[path]", text)
        return text

    def clean(self, value: Any) -> Any:
        """Plain JSON with every text in it cleaned, names of fields too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(name): self.clean(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean(item) for item in value]
        return value
