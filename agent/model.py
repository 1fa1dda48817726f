"""Which model proposes candidates: settings, and the one place that makes a chat model from them.

``builtin`` needs no key and no network; ``openai:NAME`` speaks to any OpenAI-compatible server through
langchain-openai, ``openai:NAME@URL`` to the one at that address; ``scripted:FILE`` replays replies for tests and
examples.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from agent.models.names import RemoteModel, parse_remote
from agent.models.pricing import FREE, Price
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
    price: Price | None = None
    """Of a server's model; None: the cost is unknown, not zero."""
    max_reply_tokens: int | None = Field(default=None, ge=1)
    """The longest reply that is asked for, reasoning included; default the server's."""
    return_reasoning: Literal["auto", "always", "never"] = "auto"
    """Whether a server gets the reasoning of earlier tool calls back; ``auto``: where its convention asks for it."""


def make_model(settings: ModelSettings) -> BaseChatModel:
    """Make the chat model. Raises RequestError when the settings cannot work; connects to nothing."""
    kind, _, rest = settings.name.partition(":")
    if settings.name == "builtin":
        from agent.builtin.model import BuiltinChatModel

        return _with_policy(BuiltinChatModel(), settings, FREE)
    remote = parse_remote(settings.name, settings.base_url)
    if remote is not None:
        return _with_policy(_openai(remote, settings), settings, settings.price)
    if kind == "scripted" and rest:
        from agent.scripted import load_script

        script = load_script(Path(rest), streaming=settings.streaming)
        return _with_policy(script, settings, settings.price or FREE)
    raise RequestError(f"unknown model {settings.name!r}: give {FORMS}")


def check_remote(remote: RemoteModel, key: SecretStr | None) -> SecretStr | None:
    """The key to use, None for none. Raises RequestError for what cannot work, before anything is asked."""
    if key is not None and not key.get_secret_value().strip():
        key = None
    if key is None and remote.base_url is None:
        raise RequestError(
            f"openai:{remote.name} needs a key or a server: set OPENAI_API_KEY, or pass --base-url for your own"
        )
    if remote.base_url is not None and not remote.base_url.startswith(("http://", "https://")):
        raise RequestError(f"--base-url {remote.base_url} is no URL: it looks like http://127.0.0.1:8000/v1")
    return key


def _openai(remote: RemoteModel, settings: ModelSettings) -> BaseChatModel:
    key = check_remote(remote, settings.api_key)
    from agent import reasoning
    from agent.openai_chat import TolerantChatOpenAI, watched_client

    limit = settings.timeout_s
    timeout = (min(CONNECT_TIMEOUT_S, limit), limit, limit, limit)  # connect, read, write, pool
    options: dict[str, Any] = {}
    if settings.temperature is not None:
        options["temperature"] = settings.temperature
    if settings.max_reply_tokens is not None:
        options["max_tokens"] = settings.max_reply_tokens
    back = settings.return_reasoning
    return TolerantChatOpenAI(
        model=remote.name,
        base_url=remote.base_url,
        # A server of one's own wants some key; never let the client find another service's key by itself.
        api_key=key or SecretStr("none"),
        streaming=settings.streaming,
        # Servers other than OpenAI's stream without usage unless asked.
        stream_usage=True,
        # Retries happen in agent.calling, where they are told, and where a lost stream is retried too.
        max_retries=0,
        timeout=timeout,
        http_client=watched_client(timeout),
        returns_reasoning=back == "always" or (back == "auto" and bool(reasoning.WANTED_BACK.search(remote.name))),
        may_learn=back == "auto",
        **options,
    )


def _with_policy(model: BaseChatModel, settings: ModelSettings, price: Price | None) -> BaseChatModel:
    """Attach what agent.calling needs to know, where LangChain keeps such things."""
    model.metadata = {
        **(model.metadata or {}),
        "max_retries": settings.max_retries,
        "timeout_s": settings.timeout_s,
        "max_reply_tokens": settings.max_reply_tokens,
        "price": price,
    }
    return model
