"""Which model proposes candidates: settings, and the one place that makes a chat model from them.

``builtin`` needs no key and no network; ``openai:NAME`` speaks to any OpenAI-compatible server through
langchain-openai; ``scripted:FILE`` replays replies for tests and examples.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from tools.errors import RequestError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

FORMS = "builtin, openai:NAME or scripted:FILE"
CONNECT_TIMEOUT_S = 10.0


class ModelSettings(BaseModel):
    """The model as a person chose it."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    name: str = "builtin"
    """One of the forms in ``FORMS``."""
    base_url: str | None = None
    """Of an OpenAI-compatible server, with its ``/v1``; default OpenAI's own."""
    api_key: SecretStr | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    """Default: the server's; some models refuse to be told."""
    streaming: bool = True
    timeout_s: float = Field(default=120.0, gt=0)
    """Seconds of silence after which the server counts as hanging."""
    max_retries: int = Field(default=4, ge=0, le=20)
    """After refusals for overload, server errors and lost connections; a silence is tried once more only."""
    price_in: float | None = Field(default=None, ge=0)
    """Dollars a million prompt tokens; without both prices the cost is unknown, not zero."""
    price_out: float | None = Field(default=None, ge=0)
    """Dollars a million completion tokens."""


def make_model(settings: ModelSettings) -> BaseChatModel:
    """Make the chat model. Raises RequestError when the settings cannot work; connects to nothing."""
    kind, _, rest = settings.name.partition(":")
    if settings.name == "builtin":
        from agent.builtin.model import BuiltinChatModel

        return _with_policy(BuiltinChatModel(), settings, free=True)
    if kind == "openai" and rest:
        return _with_policy(_openai(rest, settings), settings, free=False)
    if kind == "scripted" and rest:
        from agent.scripted import load_script

        return _with_policy(load_script(Path(rest), streaming=settings.streaming), settings, free=True)
    raise RequestError(f"unknown model {settings.name!r}: give {FORMS}")


def _openai(name: str, settings: ModelSettings) -> BaseChatModel:
    key = settings.api_key
    if key is not None and not key.get_secret_value().strip():
        key = None
    if key is None and settings.base_url is None:
        raise RequestError(
            f"openai:{name} needs a key or a server: set OPENAI_API_KEY, or pass --base-url for your own"
        )
    if settings.base_url is not None and not settings.base_url.startswith(("http://", "https://")):
        raise RequestError(f"--base-url {settings.base_url} is no URL: it looks like http://127.0.0.1:8000/v1")
    from agent.openai_chat import TolerantChatOpenAI

    limit = settings.timeout_s
    options: dict[str, Any] = {}
    if settings.temperature is not None:
        options["temperature"] = settings.temperature
    return TolerantChatOpenAI(
        model=name,
        base_url=settings.base_url,
        # A server of one's own wants some key; never let the client find another service's key by itself.
        api_key=key or SecretStr("none"),
        streaming=settings.streaming,
        # Servers other than OpenAI's stream without usage unless asked.
        stream_usage=True,
        # Retries happen in agent.calling, where they are told, and where a lost stream is retried too.
        max_retries=0,
        timeout=(min(CONNECT_TIMEOUT_S, limit), limit, limit, limit),  # connect, read, write, pool
        **options,
    )


def _with_policy(model: BaseChatModel, settings: ModelSettings, *, free: bool) -> BaseChatModel:
    """Attach what agent.calling needs to know, where LangChain keeps such things."""
    price_in, price_out = settings.price_in, settings.price_out
    if free:
        price_in, price_out = price_in or 0.0, price_out or 0.0
    model.metadata = {
        **(model.metadata or {}),
        "max_retries": settings.max_retries,
        "timeout_s": settings.timeout_s,
        "price_in": price_in,
        "price_out": price_out,
    }
    return model
