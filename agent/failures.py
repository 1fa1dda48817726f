"""The border where a provider's exceptions become ours: one line each, naming the server, never the key."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agent.errors import AgentError, ModelError, ModelOut, ModelRejected, ModelUnavailable
from tools.problem_text import one_line

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

RETRIED_STATUS = frozenset({408, 409, 425, 429})
"""Besides 5xx: the server may do better a moment later."""
_HTTP_PACKAGES = frozenset({"httpx", "httpx2", "httpcore", "httpcore2"})
_TOO_LONG = re.compile(
    r"context[ _-]?(length|window|size|limit)|maximum context|prompt is too long|too many (input )?tokens",
    re.I,
)

_QUOTA = re.compile(r"insufficient_quota|billing|credit|balance", re.I)


class PromptTooLong(ModelRejected):
    """The conversation does not fit the model's context."""


def is_remote(model: BaseChatModel) -> bool:
    """Whether it speaks to a server, so that its failures are the server's and not a defect of ours."""
    return any(cls.__module__.split(".")[0] == "langchain_openai" for cls in type(model).__mro__)


def translate(error: Exception, model: BaseChatModel) -> ModelError | None:
    """Ours for any exception that a remote model's client raised; None for a defect that must surface."""
    if isinstance(error, ModelError):
        return error
    if isinstance(error, AgentError):
        return None  # not the model's doing
    ours = foreign_cause(error)
    if ours is not None:
        return ours if isinstance(ours, ModelError) else None  # the client wrapped what was raised while it read
    if not is_remote(model):
        return None
    where = f"the model server at {_server(model)}"
    status = _status(error)
    if status is not None:
        return _refused(where, status, _told(error, model), retry_after_s(error))
    if is_silence(error):
        return ModelOut(f"{where} did not answer in time; check that it runs, or choose another --model")
    if is_lost_connection(error):
        told = _told(error.__cause__ if isinstance(error.__cause__, Exception) else error, model)
        return ModelOut(f"{where} cannot be reached ({told}); check --base-url and that the server runs")
    if _is_context_overflow(error) or _TOO_LONG.search(str(error)):
        return PromptTooLong(f"{where} takes no prompt this long: {_told(error, model)}")
    if _named(error, "openai") and not _is_api_error(error):
        return ModelRejected(f"{where} cannot be asked: {_told(error, model)}; check the key and --base-url")
    return ModelUnavailable(
        f"{where} sent something that is no chat completion ({type(error).__name__}: {_told(error, model)}); "
        "check --base-url: it usually ends in /v1"
    )


def is_silence(error: BaseException) -> bool:
    """The server took too long."""
    return _has_base(error, "TimeoutException", "APITimeoutError") or isinstance(error, TimeoutError)


def is_lost_connection(error: BaseException) -> bool:
    """No connection, or one that broke, possibly in the middle of a stream."""
    return (
        _has_base(error, "APIConnectionError")
        or any(cls.__module__.split(".")[0] in _HTTP_PACKAGES for cls in type(error).__mro__)
        or isinstance(error, ConnectionError)
    )


def is_out_of_quota(error: BaseException) -> bool:
    """Money or an allowance is used up: a moment later it still is."""
    return _status(error) == 402 or (_status(error) == 429 and bool(_QUOTA.search(_code(error))))


def was_not_billed(error: BaseException) -> bool:
    """The server refused before it wrote anything, or never got the request."""
    return _status(error) is not None or any(
        _has_base(inner, "ConnectError", "ConnectTimeout", "PoolTimeout", "ConnectionRefusedError")
        for inner in (error, *_causes(error))
    )


def foreign_cause(error: BaseException) -> AgentError | None:
    """An error of ours that the client wrapped into one of its own."""
    return next((inner for inner in _causes(error) if isinstance(inner, AgentError)), None)


def is_worth_retrying(error: BaseException) -> bool:
    """A later try may succeed: overload, a server's own failure, silence, a lost connection."""
    if is_out_of_quota(error):
        return False
    status = _status(error)
    if status is not None:
        return status >= 500 or status in RETRIED_STATUS
    return is_silence(error) or is_lost_connection(error)


def retry_after_s(error: BaseException) -> float | None:
    """What the server asked to wait, in seconds; None if it did not say."""
    headers: Mapping[str, str] = getattr(getattr(error, "response", None), "headers", None) or {}
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            wait = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if math.isfinite(wait) and wait >= 0:
            return wait
    return None


def _refused(where: str, status: int, told: str, wait: float | None) -> ModelError:
    if status in (401, 403):
        return ModelRejected(f"{where} refused the key ({status}: {told}); set OPENAI_API_KEY to a valid one")
    if status == 404:
        return ModelRejected(
            f"{where} knows no such model or path (404: {told}); check --model and --base-url: "
            "`kernelwright doctor` with the same two lists what it has"
        )
    if status == 402:
        return ModelOut(f"{where} wants to be paid first (402: {told}); top up the account", wait)
    if status == 429:
        return ModelOut(f"{where} is overloaded or the quota is used up (429: {told}); try again later", wait)
    if status >= 500 or status in RETRIED_STATUS:
        return ModelOut(f"{where} failed ({status}: {told}); try again later or choose another --model", wait)
    if status == 413 or _TOO_LONG.search(told):
        return PromptTooLong(f"{where} takes no prompt this long ({status}: {told})")
    return ModelRejected(f"{where} refused the request ({status}: {told}); check --model and its settings")


def _causes(error: BaseException) -> list[BaseException]:
    """What it was raised from, nearest first."""
    found: list[BaseException] = []
    inner = error.__cause__ or error.__context__
    while inner is not None and inner not in found and len(found) < 8:
        found.append(inner)
        inner = inner.__cause__ or inner.__context__
    return found


def _code(error: BaseException) -> str:
    """The server's own word for the kind of failure."""
    body: Any = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, dict) else None
    return " ".join(str(inner.get(name)) for name in ("code", "type")) if isinstance(inner, dict) else ""


def _status(error: BaseException) -> int | None:
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def _told(error: BaseException, model: BaseChatModel) -> str:
    """What the server or the client said, one line, the key blotted out."""
    body: Any = getattr(error, "body", None)
    text = ""
    if isinstance(body, dict):
        inner = body.get("error", body)
        text = str(inner.get("message", "")) if isinstance(inner, dict) else str(inner)
    text = text or str(getattr(error, "message", "")) or str(error) or type(error).__name__
    for secret in _secrets(model):
        text = text.replace(secret, "***")
    return one_line(text, 300)


def _secrets(model: BaseChatModel) -> list[str]:
    held = getattr(model, "openai_api_key", None)
    reveal = getattr(held, "get_secret_value", None)
    key = reveal() if callable(reveal) else ""
    return [key] if isinstance(key, str) and len(key) > 4 else []


def _server(model: BaseChatModel) -> str:
    """Its address without a user's name or password."""
    base = str(getattr(model, "openai_api_base", None) or "api.openai.com")
    parts = urlsplit(base)
    if not parts.hostname:
        return one_line(base, 100)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def _is_api_error(error: BaseException) -> bool:
    return _has_base(error, "APIError")


def _is_context_overflow(error: BaseException) -> bool:
    return _has_base(error, "ContextOverflowError")


def _named(error: BaseException, package: str) -> bool:
    return any(cls.__module__.split(".")[0] == package for cls in type(error).__mro__)


def _has_base(error: BaseException, *names: str) -> bool:
    # By name: importing the provider's client here would cost seconds where it is not used.
    return any(cls.__name__ in names for cls in type(error).__mro__)
