"""Whether the models of the settings could be asked: looks, and spends nothing.

Servers list their models at ``GET /models``; that needs the key, and writes no token.
"""

from __future__ import annotations

import difflib
import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from agent.model import ModelSettings, check_remote, make_model
from agent.models.names import RemoteModel, parse_remote
from agent.models.pricing import Price, price_models
from agent.settings import AgentSettings
from tools.errors import RequestError
from tools.problem_text import one_line

PROBE_TIMEOUT_S = 10.0
MAX_LIST_BYTES = 4 << 20


@dataclass(frozen=True)
class Finding:
    """What was found out about one model."""

    model: str
    works: bool
    found: str
    mend: str = ""


def probe_models(settings: AgentSettings) -> list[Finding]:
    """One finding a model. Raises nothing for what can be mended."""
    try:
        prices = price_models(settings.models, settings)
    except RequestError as error:
        return [Finding(settings.model, False, str(error), "see above")]
    return [_probe(name, settings, prices[name]) for name in settings.models]


def _probe(name: str, settings: AgentSettings, price: Price | None) -> Finding:
    try:
        remote = parse_remote(name, settings.base_url)
        if remote is None:
            make_model(ModelSettings(name=name))
            return Finding(name, True, "needs no server")
        key = check_remote(remote, settings.key_of(name))
    except RequestError as error:
        return Finding(name, False, str(error), "see above")
    base = (remote.base_url or "https://api.openai.com/v1").rstrip("/")
    request = urllib.request.Request(f"{base}/models")  # noqa: S310 - check_remote lets http and https through only
    if key is not None:
        request.add_header("Authorization", f"Bearer {key.get_secret_value()}")
    try:
        with urllib.request.urlopen(request, timeout=PROBE_TIMEOUT_S) as answer:  # noqa: S310
            listed = _names(json.loads(answer.read(MAX_LIST_BYTES)))
    except urllib.error.HTTPError as error:
        return _refused(remote, base, error.code, name)
    except (OSError, http.client.HTTPException) as error:
        told = one_line(str(getattr(error, "reason", error)) or type(error).__name__, 200)
        return Finding(name, False, f"{base} cannot be reached ({told})", "check --base-url and that the server runs")
    except ValueError:
        return Finding(name, False, f"{base}/models is no list of models", "check --base-url: it usually ends in /v1")
    return _listed(remote, base, listed, price, name)


def _refused(remote: RemoteModel, base: str, status: int, name: str) -> Finding:
    if status in (401, 403):
        variable = "KERNELWRIGHT_API_KEY_HOST, see docs/settings.md" if remote.own_url else "OPENAI_API_KEY"
        return Finding(name, False, f"{base} refused the key ({status})", f"set {variable}")
    if status == 404:
        return Finding(name, False, f"{base} has no /models (404)", "check --base-url: it usually ends in /v1")
    return Finding(name, False, f"{base} failed ({status})", "try again later")


def _listed(remote: RemoteModel, base: str, listed: list[str], price: Price | None, name: str) -> Finding:
    if listed and remote.name not in listed:
        near = difflib.get_close_matches(remote.name, listed, n=3, cutoff=0.3) or listed[:5]
        return Finding(name, False, f"{base} does not list {remote.name}", f"it has {', '.join(near)}")
    cost = "price unknown"
    if price is not None:
        cost = f"${price.input:g} in, ${price.output:g} out a million tokens ({price.source})"
    return Finding(name, True, f"{base} answers; {cost}")


def _names(body: Any) -> list[str]:
    """Of the models. Raises ValueError for what is no such list."""
    entries = body.get("data") if isinstance(body, dict) else None
    if not isinstance(entries, list):
        raise ValueError("no list")
    names = [entry.get("id") for entry in entries if isinstance(entry, dict)]
    return [one_line(name, 100) for name in names if isinstance(name, str)]
