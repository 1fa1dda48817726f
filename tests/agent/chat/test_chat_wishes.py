"""What people say in the middle of a search."""

from __future__ import annotations

from typing import Any

import pytest

from agent.chat.wishes import is_no, is_yes, parse_changes, parse_wish


@pytest.mark.parametrize(
    ("text", "steer", "what"),
    [
        ("pause", "pause", {}),
        ("please hold on", "pause", {}),
        ("Go on.", "go_on", {}),
        ("ok, continue please", "go_on", {}),
        ("stop", "finish", {}),
        ("that's enough!", "finish", {}),
        ("abort", "stop", {}),
        ("stop at 2x", "target", {"speedup": 2.0}),
        ("aim for 1.5 times", "target", {"speedup": 1.5}),
        ("no target", "target", {"speedup": None}),
        ("at most $3", "limit", {"limit": "max_cost", "value": 3.0}),
        ("20 candidates", "limit", {"limit": "max_candidates", "value": 20.0}),
        ("at most 2 hours", "limit", {"limit": "max_seconds", "value": 7200.0}),
        ("200k tokens", "limit", {"limit": "max_tokens", "value": 200e3}),
    ],
)
def test_steering(text: str, steer: str, what: dict[str, Any]) -> None:
    wish = parse_wish(text)
    assert (wish.kind, wish.steer, wish.what) == ("steer", steer, what)


@pytest.mark.parametrize(
    ("text", "limit", "value"),
    [
        ("10 more candidates", "max_candidates", 10),
        ("5 more minutes", "max_seconds", 300),
        ("30 s more", "max_seconds", 30),
    ],
)
def test_more(text: str, limit: str, value: float) -> None:
    assert parse_wish(text).what == {"limit": limit, "value": value}
    assert parse_wish(text).kind == "more"


@pytest.mark.parametrize(
    ("text", "kind", "about"),
    [
        ("explain this kernel", "explain", ""),
        ("explain 3fa9b2", "explain", "3fa9b2"),
        ("what did you learn?", "lessons", ""),
        ("status", "status", ""),
        ("how's it going?", "status", ""),
        ("why?", "why", ""),
        ("show me the kernel", "kernel", ""),
        ("show problem", "problem", ""),
        ("save it to ~/K.py", "save", "~/K.py"),
        ("again", "again", ""),
        ("?", "help", ""),
        ("quit", "close", ""),
        ("try shared memory", "free", "try shared memory"),
        ("only bf16", "free", "only bf16"),
        ("stop using shared memory", "free", "stop using shared memory"),
        ("is it bound by memory?", "free", "is it bound by memory?"),
        ("", "free", ""),
    ],
)
def test_the_rest(text: str, kind: str, about: str) -> None:
    wish = parse_wish(text)
    assert (wish.kind, wish.text) == (kind, about)


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("no, stop at 2x, 20 candidates", {"target_speedup": 2.0, "max_candidates": 20}),
        ("10 minutes and $2", {"max_seconds": 600.0, "max_cost": 2.0}),
        ("use triton on cuda", {}),
        ("target cuda; triton", {"target": "cuda", "language": "triton"}),
        ("tolerance 1e-3", {"precision": "tolerance", "atol": 0.001, "rtol": 0.001}),
        ("builtin", {"model": "builtin"}),
        ("bf16", {}),
        ("x 8x8", {}),
    ],
)
def test_settings_that_a_text_changes(text: str, changes: dict[str, Any]) -> None:
    assert parse_changes(text) == changes


def test_yes_and_no() -> None:
    assert all(is_yes(text) for text in ("y", "Yes.", "ok", "go ahead"))
    assert all(is_no(text) for text in ("n", "No!", "refuse"))
    assert not any(is_yes(text) or is_no(text) for text in ("yes, but bf16", "not yet", "know", ""))
