"""What tokens cost: a packaged table with dates, a file of the user's above it, or two numbers for one model.

An unknown price is None everywhere, never zero.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.models.names import RemoteModel, parse_remote
from tools.errors import RequestError

PACKAGED = "prices.toml"


@dataclass(frozen=True)
class Price:
    """Dollars a million tokens."""

    input: float
    output: float
    cached_input: float | None = None
    """Prompt tokens the server had cached; None if they cost as much as the others."""
    source: str = ""
    """Where it comes from, for people."""

    def cost_usd(self, tokens_in: int, tokens_out: int, cached: int = 0) -> float:
        """Of one call; reasoning tokens are among ``tokens_out``, cached ones among ``tokens_in``."""
        cheap = self.input if self.cached_input is None else self.cached_input
        cached = min(max(cached, 0), tokens_in)
        return ((tokens_in - cached) * self.input + cached * cheap + tokens_out * self.output) / 1e6


FREE = Price(0.0, 0.0, source="runs here")


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)
    cached_input: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    host: str | None = None
    as_of: str = ""


@dataclass(frozen=True)
class PriceTable:
    """Prices by a model's name at its server."""

    entries: Mapping[str, tuple[_Entry, str]]
    """With where each comes from."""

    @classmethod
    def load(cls, path: Path | None = None) -> PriceTable:
        """The packaged table, and the user's file above it. Raises RequestError for a file that is wrong."""
        text = resources.files("agent.models").joinpath(PACKAGED).read_text(encoding="utf-8")
        entries = {name: (one, "packaged table") for name, one in _parse(text, PACKAGED).items()}
        if path is not None:
            try:
                own = path.expanduser().read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                told = error.strerror if isinstance(error, OSError) else "it is no text"
                raise RequestError(f"cannot read the prices in {path}: {told}; give --prices another file") from error
            entries |= {name: (one, path.name) for name, one in _parse(own, str(path)).items()}
        return cls(entries)

    def find(self, model: RemoteModel) -> Price | None:
        """What the model costs at its server, or None if that is not known."""
        found = self.entries.get(model.name)
        if found is None:
            return None
        entry, source = found
        if entry.host is not None and entry.host != model.host:
            return None
        dated = f"{source}, {entry.as_of}" if entry.as_of else source
        return Price(entry.input, entry.output, entry.cached_input, dated)


class Priced(Protocol):
    """The settings that say what models cost."""

    @property
    def base_url(self) -> str | None: ...  # noqa: D102
    @property
    def price_in(self) -> float | None: ...  # noqa: D102
    @property
    def price_out(self) -> float | None: ...  # noqa: D102
    @property
    def price_cached(self) -> float | None: ...  # noqa: D102
    @property
    def prices(self) -> Path | None: ...  # noqa: D102
    @property
    def max_cost(self) -> float | None: ...  # noqa: D102


def price_models(names: Sequence[str], settings: Priced) -> dict[str, Price | None]:
    """What each model costs, None if unknown (or if it is no server's).

    Raises RequestError for a table that is wrong, and for a cap on dollars that could not hold.
    """
    remote = {name: parse_remote(name, settings.base_url) for name in names}
    given: Price | None = None
    if settings.price_in is not None and settings.price_out is not None:
        given = Price(settings.price_in, settings.price_out, settings.price_cached, "given")
        if sum(model is not None for model in remote.values()) > 1:
            raise RequestError("--price-in and --price-out are for one model: put the prices of several into --prices")
    table = PriceTable.load(settings.prices)
    prices = {name: None if model is None else given or table.find(model) for name, model in remote.items()}
    unknown = [name for name, model in remote.items() if model is not None and prices[name] is None]
    if settings.max_cost is not None and unknown:
        raise RequestError(
            f"--max-cost needs prices, and that of {', '.join(unknown)} is unknown: give --price-in and --price-out, "
            "dollars a million tokens, or a file with --prices"
        )
    return prices


def _parse(text: str, name: str) -> dict[str, _Entry]:
    try:
        parsed: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"the prices in {name} are not valid TOML: {error}") from error
    entries = {}
    for model, values in parsed.items():
        try:
            entries[model] = _Entry.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join((model, *map(str, first["loc"])))
            raise RequestError(
                f"the prices in {name} are wrong at {place}: {first['msg']}; "
                'a model is ["NAME"] with input and output, dollars a million tokens'
            ) from error
    return entries
