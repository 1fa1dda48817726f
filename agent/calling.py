"""One call of a chat model: streamed or not, retried, bounded, counted, paid, and never a foreign exception."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import closing
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import add_ai_message_chunks

from agent import reasoning
from agent.equipping import Equipped
from agent.errors import AgentError, ModelOut, ModelUnavailable, OutOfTime
from agent.failures import (
    foreign_cause,
    is_remote,
    is_silence,
    is_worth_retrying,
    retry_after_s,
    translate,
    was_not_billed,
)
from agent.models.gate import Gate
from agent.models.pricing import Price
from agent.models.purse import Amount, Reservation
from agent.replies import MAX_REPLY_CHARS, Counted, Malformed, Reply, clean, count

__all__ = ["MAX_REPLY_CHARS", "WATCH", "Emit", "Malformed", "Reply", "call_model", "never"]

MAX_BODY_BYTES = 64 << 20
"""Of a server's answer as it comes over the line, wrappings included."""
EMPTY_PIECE_CHARS = 8
"""What a piece of a stream without any text counts for: a stream of nothing must end too."""
CHARS_A_TOKEN = 8
"""More than any tokenizer's mean: a reply longer than this times its limit comes from a server that knows none."""
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
"""A server that asks to wait longer is out."""
STREAM_PATIENCE = 10
"""A reply may last this many times the silence limit in all."""
ENDLESS = "the model's reply does not end; choose another --model"

WATCH: ContextVar[Callable[[int], None] | None] = ContextVar("WATCH", default=None)
"""Called with the size of every piece that comes over the line, by clients that can; raises to leave the reply."""

Emit = Callable[..., None]


def never() -> bool:
    """There is no end of time."""
    return False


def call_model(
    asked: Equipped,
    messages: list[BaseMessage],
    step: int,
    emit: Emit,
    out_of_time: Callable[[], bool] = never,
    gate: Gate | None = None,
    keep: Callable[[Reply], None] | None = None,
) -> Reply:
    """Ask once, with retries, and emit ``model_call`` for every try that may have to be paid.

    ``keep`` is given the reply before that is told, which may raise: what was paid for is not lost then.
    ``out_of_time`` is asked at every piece of a reply and all through every wait, and may raise. Raises OutOfTime
    when it says so, OutOfBudget, ModelUnavailable or ModelRejected; what a local model raises by mistake surfaces as
    it is.
    """
    return _Call(asked, messages, step, emit, out_of_time, gate or Gate(), keep).make()


@dataclass
class _Call:
    asked: Equipped
    messages: list[BaseMessage]
    step: int
    emit: Emit
    out_of_time: Callable[[], bool]
    gate: Gate
    keep: Callable[[Reply], None] | None
    lost: list[Amount] = field(default_factory=list)
    received: int = 0
    """Characters of the reply so far."""

    @property
    def model(self) -> BaseChatModel:
        return self.asked.model

    def make(self) -> Reply:
        """Until it answers, is rejected, or is given up."""
        while True:
            self.gate.before(self._leave)
            try:
                reply = self._with_retries()
            except ModelOut as error:
                self.gate.failed(error, self._leave)
                continue
            self.gate.answered()
            return reply

    def _with_retries(self) -> Reply:
        """Retry what may pass. Silence is retried once only: it has already cost the longest wait there is."""
        most = int(self._policy("max_retries", 0))
        silences = 0
        for attempt in range(most + 1):
            try:
                return self._attempt()
            except Exception as error:  # the room's border: everything is translated or raised again
                ours = translate(error, self.model)
                if ours is None:
                    inner = None if isinstance(error, AgentError) else foreign_cause(error)
                    if inner is not None:
                        raise inner from error
                    raise
                silences += is_silence(error)
                wait = retry_after_s(error)
                delay = FIRST_DELAY_S * 2**attempt if wait is None else wait
                last = attempt == most or silences > 1 or delay > LONGEST_DELAY_S
                if last or not is_worth_retrying(error):
                    raise ours from error
            if wait is not None and self.gate.pacer is not None:
                self.gate.pacer.hold(wait)
            self.emit("notice", text=f"{ours}; trying again in {delay:.1f} s")
            self.gate.clock.wait(delay, self._leave)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _attempt(self) -> Reply:
        """Ask once: in its turn, with its worst case kept back, and counted whatever becomes of it."""
        size, longest = self._prompt_bytes(), self._policy("max_reply_tokens", None)
        feared = self.gate.prompt_tokens(size, len(self.messages))
        worst = self._amount(Counted(feared, int(longest or 0)))
        with self.gate.purse.reserved(worst, self._leave) as reservation:
            admission = None if self.gate.pacer is None else self.gate.pacer.admit(worst.tokens, self._leave)
            began, self.received = self.gate.clock.now(), 0
            self._ask_for(worst)
            try:
                raw = self._ask(longest)
            except BaseException as error:
                if was_not_billed(error):
                    self._ask_for(Amount(0, 0.0))
                elif is_remote(self.model):
                    self._lose(reservation, feared, longest)
                raise
            counted = count(raw, self.messages)
            if counted.approximate and self.gate.purse.is_capped and is_remote(self.model):
                counted = Counted(feared, self._written(), approximate=True)  # a cap wants the upper estimate
            amount = self._amount(counted)
            reservation.settle(amount)
            if admission is not None and self.gate.pacer is not None:
                self.gate.pacer.correct(admission, amount.tokens)
            self.gate.learn(size, len(self.messages), 0 if counted.approximate else counted.tokens_in)
            return self._reply(raw, counted, amount, self.gate.clock.now() - began)

    def _ask_for(self, worst: Amount) -> None:
        """Where there is a cap, a call that a kill cuts off must be known of: nobody would count it."""
        if self.gate.purse.is_capped and is_remote(self.model):
            self.emit("model_asked", tokens=worst.tokens, cost_usd=worst.cost_usd)

    def _reply(self, raw: AIMessage, counted: Counted, amount: Amount, seconds: float) -> Reply:
        message, malformed, dropped = clean(raw, self.step)
        finish = str(raw.response_metadata.get("finish_reason") or "")
        costs = [one.cost_usd for one in self.lost]
        reply = Reply(
            message=message,
            malformed=malformed,
            dropped=dropped,
            finish=finish,
            tokens_in=counted.tokens_in,
            tokens_out=counted.tokens_out,
            approximate=counted.approximate,
            cost_usd=amount.cost_usd,
            seconds=seconds,
            lost_tokens=sum(one.tokens for one in self.lost),
            lost_cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
        )
        if self.keep is not None:
            self.keep(reply)
        self._tell(counted, amount, finish, seconds)
        return reply

    def _lose(self, reservation: Reservation, feared: int, longest: int | None) -> None:
        """A try whose end was not seen is counted at its worst: nobody will say what it took."""
        counted = Counted(feared, longest or self._written(), approximate=True)
        amount = self._amount(counted)
        reservation.settle(amount)
        self.lost.append(amount)
        self._tell(counted, amount, "lost", 0.0)

    def _tell(self, counted: Counted, amount: Amount, finish: str, seconds: float) -> None:
        self.emit(
            "model_call",
            seconds=round(seconds, 4),
            tokens_in=counted.tokens_in,
            tokens_out=counted.tokens_out,
            cached=counted.cached,
            reasoning=counted.reasoning,
            approximate=counted.approximate,
            cost_usd=amount.cost_usd,
            finish=finish,
        )

    def _ask(self, longest: int | None) -> AIMessage:
        deadline = self.gate.clock.now() + STREAM_PATIENCE * float(self._policy("timeout_s", 3600.0))
        over_the_line = 0

        def look(size: int = 0) -> None:
            nonlocal over_the_line
            over_the_line += size
            self._leave()
            if self.gate.clock.now() > deadline or over_the_line > MAX_BODY_BYTES:
                raise ModelUnavailable(ENDLESS)

        token = WATCH.set(look)
        try:
            if not getattr(self.model, "streaming", False):
                reply = self.asked.bound.invoke(self.messages)
                self.received = _length(reply)
                return reply
            stream = cast("Generator[BaseMessage, None, None]", self.asked.bound.stream(self.messages))
            with closing(stream):
                return self._gather(stream, look, min(MAX_REPLY_CHARS, CHARS_A_TOKEN * (longest or MAX_REPLY_CHARS)))
        finally:
            WATCH.reset(token)

    def _gather(self, stream: Generator[BaseMessage, None, None], look: Callable[[], None], most: int) -> AIMessage:
        parts: list[AIMessageChunk] = []
        for chunk in stream:
            if not isinstance(chunk, AIMessageChunk):
                raise TypeError(f"a stream of {type(chunk).__name__}")
            parts.append(chunk)
            self.received += _length(chunk) or EMPTY_PIECE_CHARS
            if self.received > most:
                break
            look()
        if not parts:
            raise ValueError("an empty stream")
        whole = add_ai_message_chunks(parts[0], *parts[1:])
        if self.received > most:
            whole.response_metadata["finish_reason"] = "length"
        return whole

    def _leave(self) -> None:
        if self.out_of_time():
            raise OutOfTime("the time is up")

    def _prompt_bytes(self) -> int:
        """Of everything that is sent: texts, calls, reasoning, the tools' schemas."""
        size = self.asked.schema_chars
        for message in self.messages:
            calls = message.tool_calls if isinstance(message, AIMessage) else []
            size += len(message.text.encode("utf-8", "replace")) + len(reasoning.of(message).encode("utf-8", "replace"))
            size += sum(len(json.dumps(call)) for call in calls)
        return size

    def _written(self) -> int:
        """Tokens of what came so far, at the most."""
        return self.gate.prompt_tokens(self.received, 1)

    def _amount(self, counted: Counted) -> Amount:
        price = self._policy("price", None)
        cost = None
        if isinstance(price, Price):
            cost = price.cost_usd(counted.tokens_in, counted.tokens_out, counted.cached)
        return Amount(counted.tokens_in + counted.tokens_out, cost)

    def _policy(self, name: str, default: Any) -> Any:
        """What ``make_model`` attached to the model."""
        value = (self.model.metadata or {}).get(name)
        return default if value is None else value


def _length(message: AIMessage) -> int:
    """Characters of a reply or a piece of one, reasoning and arguments included."""
    if isinstance(message, AIMessageChunk):
        arguments = sum(len(part["args"] or "") for part in message.tool_call_chunks)
    else:
        arguments = sum(len(str(call["args"])) for call in (*message.tool_calls, *message.invalid_tool_calls))
    return len(message.text) + len(reasoning.of(message)) + arguments
