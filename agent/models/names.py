"""What a model is called on a command line, taken apart: ``builtin``, ``openai:NAME[@URL]``, ``scripted:FILE``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

OPENAI_HOST = "api.openai.com"

# A comma parts two models only where another form begins: a script's path may hold one.
_FORM = re.compile(r"\s*(?:builtin\b|openai:|scripted:)")
_COMMA = re.compile(rf"\s*,(?={_FORM.pattern})")
_URL = re.compile(r"@(?=https?://)")


@dataclass(frozen=True)
class RemoteModel:
    """A model behind an OpenAI-compatible server."""

    name: str
    """As the server knows it."""
    base_url: str | None
    """None for OpenAI's own."""
    own_url: bool
    """The server was named with the model, not for the whole run."""

    @property
    def host(self) -> str:
        """The server's name, with its port if it has one."""
        if self.base_url is None:
            return OPENAI_HOST
        parts = urlsplit(self.base_url)
        return (parts.hostname or "") + (f":{parts.port}" if parts.port else "")


def split_models(text: str) -> tuple[str, ...]:
    """The models of a run, in order."""
    return tuple(part.strip() for part in _COMMA.split(text.strip()))


def is_known_form(text: str) -> bool:
    """Whether it begins as a model's name does."""
    return _FORM.match(text) is not None


def parse_remote(text: str, base_url: str | None) -> RemoteModel | None:
    """``openai:NAME`` or ``openai:NAME@URL``; None for a model that is no server's."""
    kind, _, rest = text.partition(":")
    if kind != "openai" or not rest:
        return None
    name, *url = _URL.split(rest, maxsplit=1)
    return RemoteModel(name, url[0] if url else base_url, bool(url))
