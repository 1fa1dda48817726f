"""What is left out of a prompt that is too long, and how much a model's window holds."""

from __future__ import annotations

import pytest

from agent.composing import Part, fit
from agent.conversation import BUDGET_CHARS
from agent.windows import CHARS_A_TOKEN, USUAL_WINDOW, budget_of, window_of

PARTS = (Part("first", ("aaaaaaaa", "aaaa", "a")), Part("second", ("bbbbbbbb", "bb")), Part("third", ("cccc",)))


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        (None, "aaaaaaaa bbbbbbbb cccc"),
        (20, "aaaaaaaa bbbbbbbb cccc"),
        (19, "aaaa bbbbbbbb cccc"),
        (16, "aaaa bbbbbbbb cccc"),
        (15, "a bbbbbbbb cccc"),
        (12, "a bb cccc"),
        (7, "a bb cccc"),
        (0, "a bb cccc"),
        (-5, "a bb cccc"),
    ],
)
def test_parts_are_shortened_one_after_the_other(budget, told):
    assert list(fit(PARTS, budget).values()) == told.split()


def test_a_version_that_is_no_shorter_is_passed_over():
    assert fit([Part("x", ("aaa", "bbbb", "c"))], 2) == {"x": "c"}
    assert fit([Part("x", ("aaa", "bbbb"))], 2) == {"x": "aaa"}


def test_what_runs_here_has_no_window():
    assert budget_of("builtin").prompt_chars is None
    assert budget_of("scripted:file.json").conversation_chars == BUDGET_CHARS
    assert budget_of("scripted:file.json", 8_000).prompt_chars is not None


@pytest.mark.parametrize("window", [2_000, 4_096, 8_192, 32_768, 128_000, 1_000_000])
def test_prompt_conversation_and_reply_fit_into_the_window(window):
    budget = budget_of("openai:some-model", window)
    assert budget.prompt_chars is not None
    used = (budget.prompt_chars + budget.conversation_chars) / CHARS_A_TOKEN
    assert used <= window * 0.76
    assert 0 < budget.prompt_chars <= BUDGET_CHARS
    assert 0 < budget.conversation_chars <= BUDGET_CHARS


def test_windows_that_are_known():
    assert window_of("gpt-4o-mini") == 128_000
    assert window_of("gpt-4.1-nano") > 1_000_000
    assert window_of("nobody-knows-it") == USUAL_WINDOW
    assert budget_of("openai:nobody-knows-it").prompt_chars == BUDGET_CHARS
