"""How much of a model's context window a proposal may fill: the first two messages, and what follows them."""

from __future__ import annotations

from dataclasses import dataclass

from agent.conversation import BUDGET_CHARS

CHARS_A_TOKEN = 3
"""Of code and numbers; prose has four, so this errs on the safe side."""
USUAL_WINDOW = 128_000
"""Tokens, where neither a setting nor the table says more."""
WINDOWS = {
    "gpt-4o": 128_000,
    "gpt-4.1": 1_047_576,
    "gpt-5": 400_000,
    "o3": 200_000,
    "o4-mini": 200_000,
}
"""Tokens by the beginning of a model's name, as its maker documents them. A setting overrides it."""
LARGEST_REPLY = 16_000
"""Tokens kept free for an answer; less of small windows."""
PROMPT_SHARE = 0.4
"""Of what is left, for the system prompt and the task; the rest is the conversation's."""


@dataclass(frozen=True)
class Budget:
    """Characters a proposal may send."""

    prompt_chars: int | None = None
    """System prompt and task together; None where nothing is sent anywhere."""
    conversation_chars: int = BUDGET_CHARS
    """Everything after them."""


def budget_of(model: str, context_tokens: int | None = None) -> Budget:
    """For a model as the settings name it: ``openai:NAME``; the others run here and have no window."""
    kind, _, name = model.partition(":")
    if context_tokens is None and kind != "openai":
        return Budget()
    window = context_tokens or window_of(name)
    free = window - min(LARGEST_REPLY, window // 4)
    prompt = int(free * PROMPT_SHARE) * CHARS_A_TOKEN
    conversation = free * CHARS_A_TOKEN - prompt
    # Beyond this much history more is no help, and it is paid for at every step.
    return Budget(min(prompt, BUDGET_CHARS), min(conversation, BUDGET_CHARS))


def window_of(name: str) -> int:
    """Tokens, by the longest beginning that is known."""
    known = [beginning for beginning in WINDOWS if name.startswith(beginning)]
    return WINDOWS[max(known, key=len)] if known else USUAL_WINDOW
