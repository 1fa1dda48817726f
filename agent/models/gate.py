"""What stands between a conversation and one model: the caps, the rate limits, and outages."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.errors import ModelOut
from agent.models.outages import Outages
from agent.models.pacing import Pacer
from agent.models.purse import Purse
from agent.models.waiting import Clock, Leave

BYTES_A_TOKEN = 2.0
"""Of a prompt, at the least: code and JSON take three to four. More tokens than that, once seen, are believed."""
MESSAGE_TOKENS = 16
"""What a server's template adds to a message, at the most."""


@dataclass
class Gate:
    """One model's way in; without arguments it lets everything through."""

    name: str = "model"
    clock: Clock = field(default_factory=Clock)
    purse: Purse = field(default_factory=Purse)
    pacer: Pacer | None = None
    outages: Outages | None = None
    _tokens_a_byte: float = 1 / BYTES_A_TOKEN

    def prompt_tokens(self, size_bytes: int, messages: int) -> int:
        """The most a prompt of this size may take."""
        return int(size_bytes * self._tokens_a_byte) + MESSAGE_TOKENS * messages + 1

    def learn(self, size_bytes: int, messages: int, tokens: int) -> None:
        """A server counted more than was feared: later estimates are raised."""
        if size_bytes > 0 and tokens > self.prompt_tokens(size_bytes, messages):
            self._tokens_a_byte = max(self._tokens_a_byte, (tokens - MESSAGE_TOKENS * messages) / size_bytes)

    def before(self, leave: Leave) -> None:
        """Wait for a model that is known to be out."""
        if self.outages is not None:
            self.outages.before(self.name, leave)

    def answered(self) -> None:
        """It answered."""
        if self.outages is not None:
            self.outages.answered(self.name)

    def failed(self, error: ModelOut, leave: Leave) -> None:
        """It did not, after every retry: returns when it may be asked again, else raises."""
        if self.outages is None:
            raise error
        self.outages.failed(self.name, error, leave)
