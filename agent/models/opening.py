"""From settings to a roster: makes the models, prices them, and puts the run's caps and limits before them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agent.activity import Activity
from agent.events import EventLog
from agent.ledger import Ledger
from agent.models.gate import Gate
from agent.models.outages import Outages
from agent.models.pacing import Pacer
from agent.models.pricing import price_models
from agent.models.purse import Purse
from agent.models.roster import Roster
from agent.models.waiting import Clock
from agent.settings import AgentSettings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

CAPPED_REPLY_TOKENS = 16_384
"""The longest reply that is asked for where a cap is set and no length: a candidate of the usual size, with thought."""


def make_models(settings: AgentSettings) -> dict[str, BaseChatModel]:
    """The chat models, in order. Raises RequestError for settings that cannot work; connects to nothing."""
    from agent.model import ModelSettings, make_model

    prices = price_models(settings.models, settings)
    reply_tokens = settings.max_reply_tokens
    if reply_tokens is None and (settings.max_tokens is not None or settings.max_cost is not None):
        reply_tokens = CAPPED_REPLY_TOKENS
    return {
        name: make_model(
            ModelSettings(
                name=name,
                base_url=settings.base_url,
                api_key=settings.key_of(name),
                temperature=settings.temperature,
                streaming=settings.streaming,
                timeout_s=settings.request_timeout_s,
                price=prices[name],
                max_reply_tokens=reply_tokens,
                return_reasoning=settings.return_reasoning,
            )
        )
        for name in settings.models
    }


def open_roster(
    models: Mapping[str, Any],
    settings: AgentSettings,
    ledger: Ledger,
    log: EventLog,
    clock: Clock,
    activity: Activity | None = None,
) -> Roster:
    """The models with everything in between; what was spent and answered before counts."""
    spent = ledger.usage()
    purse = Purse(settings.max_tokens, settings.max_cost, tokens=spent.tokens, cost_usd=spent.cost_usd)
    outages = Outages(
        tuple(models),
        clock,
        log.emit,
        limit_s=settings.max_outage_seconds,
        answered=ledger.answered(),
        activity=activity,
    )
    per_minute = (settings.requests_per_minute, settings.tokens_per_minute)
    gates = {name: Gate(name, clock, purse, Pacer(clock, *per_minute), outages) for name in models}
    return Roster(dict(models), gates, outages, purse)
