"""What a person says in the middle of a chat, understood: plain requests by rule, the rest as it stands. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from agent.control import Kind

WishKind = Literal[
    "steer",
    "more",
    "status",
    "explain",
    "kernel",
    "lessons",
    "why",
    "problem",
    "save",
    "again",
    "help",
    "close",
    "free",
]


@dataclass(frozen=True)
class Wish:
    """One request."""

    kind: WishKind
    steer: Kind | None = None
    """To the running search, as ``agent.control`` knows it."""
    what: dict[str, Any] = field(default_factory=dict)
    """Of a steer: what it says besides; of ``more``: limit and amount."""
    text: str = ""
    """A candidate, a file, or what was said."""


_X = r"(\d+(?:\.\d+)?)\s*(?:x|×|times)?"
_AIM = r"(?:(?:stop|enough) (?:at|when (?:it is|it's))|target|aim for|reach)"
_WHICH = "this|the|that|me|best|kernel|candidate|last|one|winner"
_MINUTES = {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "m": 60, "h": 3600, "hour": 3600}
_TIME = r"(\d+(?:\.\d+)?)\s*(s|secs?|seconds?|m|mins?|minutes?|h|hours?)"
_USD = r"\$\s*(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)\s*(?:\$|usd|dollars?)"
_PLEASE = re.compile(r"^(?:please|ok|okay|now|and|then|can you|could you)[ ,]+|[ ,]*(?:please|thanks|now)?[.!?]*$")

_SIMPLE: tuple[tuple[str, Wish], ...] = (
    (r"pause|hold(?: on)?|wait a (?:moment|minute)", Wish("steer", "pause")),
    (r"go on|continue|resume|unpause|carry on", Wish("steer", "go_on")),
    (r"stop(?: the search| here| it)?|enough|that'?s enough|finish|done|good enough", Wish("steer", "finish")),
    (r"(?:abort|cancel|interrupt)(?: the search| it)?", Wish("steer", "stop")),
    (r"no target|(?:forget|drop) the target", Wish("steer", "target", {"speedup": None})),
    (r"status|how(?: i|')?s it going|progress|best|how fast(?: is it)?|what is the best(?: so far)?", Wish("status")),
    (r"(?:show |print )?(?:me )?(?:the )?(?:kernel|code|source|best kernel)", Wish("kernel")),
    (r"(?:show |print )?(?:me )?(?:the )?problem(?: file)?", Wish("problem")),
    (r"what (?:did|have) you learn(?:ed|t)?(?: so far)?|lessons", Wish("lessons")),
    (r"why|what (?:are you|is it) (?:trying|doing)|what have you tried|attempts", Wish("why")),
    (r"again|more|search (?:on|again)|one more search", Wish("again")),
    (r"help|\?+", Wish("help")),
    (r"quit|exit|bye|close|leave|q", Wish("close")),
)


def parse_wish(text: str) -> Wish:
    """What is asked for; ``free`` where no rule knows it."""
    said = " ".join(text.split())
    low = said if said.strip("?") == "" else _PLEASE.sub("", _PLEASE.sub("", said.lower()))
    for pattern, wish in _SIMPLE:
        if re.fullmatch(pattern, low):
            return wish
    return _steering(low) or _about(said, low) or Wish("free", text=said)


def _steering(low: str) -> Wish | None:
    """Targets and limits."""
    if found := re.fullmatch(rf"{_AIM}(?: of)? {_X}(?: faster)?", low):
        return Wish("steer", "target", {"speedup": float(found[1])})
    if found := re.fullmatch(r"(\d+) more candidates?|(?:try )?(\d+) more", low):
        return Wish("more", what={"limit": "max_candidates", "value": float(found[1] or found[2])})
    if found := re.fullmatch(rf"{_TIME} more|(?:give it )?(?:another )?(\d+(?:\.\d+)?) more (s\w*|m\w*|h\w*)", low):
        return Wish(
            "more", what={"limit": "max_seconds", "value": _seconds(found[1] or found[3], found[2] or found[4])}
        )
    found_limit = _limit(low)
    return None if found_limit is None else Wish("steer", "limit", {"limit": found_limit[0], "value": found_limit[1]})


def _limit(low: str) -> tuple[str, float] | None:
    most = r"(?:at most|no more than|up to|cap(?: at)?|limit(?: to)?|spend(?: at most)?|for)?\s*"
    if found := re.fullmatch(rf"{most}(\d+) candidates?", low):
        return "max_candidates", float(found[1])
    if found := re.fullmatch(rf"{most}{_TIME}", low):
        return "max_seconds", _seconds(found[1], found[2])
    if found := re.fullmatch(rf"{most}(?:{_USD})", low):
        return "max_cost", float(found[1] or found[2])
    if found := re.fullmatch(rf"{most}(\d+)\s*([km]?) tokens", low):
        return "max_tokens", float(found[1]) * {"k": 1e3, "m": 1e6}.get(found[2], 1)
    return None


def _about(said: str, low: str) -> Wish | None:
    if found := re.fullmatch(rf"explain(?: (?:{_WHICH}))*(?: ([0-9a-f]{{4,64}}))?", low):
        return Wish("explain", text=found[1] or "")
    if found := re.fullmatch(r"(?:save|write|copy)(?: (?:it|the kernel))?(?: (?:to|as|into))? (\S+)", said, re.I):
        return Wish("save", text=found[1])
    return None


def _seconds(amount: str, unit: str) -> float:
    return float(amount) * _MINUTES.get(unit, _MINUTES.get(unit.rstrip("s") or "s", 60))


def parse_changes(text: str) -> dict[str, Any]:
    """Settings that a text changes before a search, name to value: bounds, tolerance, chip, language, model."""
    changes: dict[str, Any] = {}
    for piece in re.split(r"\s*[,;]\s*|\s+and\s+", " ".join(text.split())):
        low = _PLEASE.sub("", _PLEASE.sub("", piece.lower()))
        low = re.sub(r"^(?:use|with|on|make it|set|the)\s+", "", low)
        if wish := _steering(low):
            if wish.steer == "target":
                changes["target_speedup"] = wish.what["speedup"]
            elif wish.steer == "limit":
                changes[wish.what["limit"]] = wish.what["value"]
        elif found := re.fullmatch(r"(?:target[ =:]*)?(cpu|cuda(?::sm\d+\w?)?|gpu)", low):
            changes |= {"target": "cuda" if found[1] == "gpu" else found[1], "language": ""}
        elif found := re.fullmatch(r"(?:language[ =:]*|in )?(cpp|c\+\+|triton|cuda c\+\+|cute|python)", low):
            changes["language"] = {"c++": "cpp", "cuda c++": "cuda"}.get(found[1], found[1])
        elif found := re.fullmatch(r"tolerance(?: of|[ =:])*\s*(\d\S*)|(\d\S*) tolerance", low):
            changes |= _tolerance(found[1] or found[2])
        elif found := re.fullmatch(r"(?:native|native precision|precision native)", low):
            changes["precision"] = "native"
        elif found := re.fullmatch(r"model[ =:]*(\S+)|(builtin)(?: model)?", low):
            changes["model"] = piece.split()[-1] if found[1] else "builtin"
    whole = ("max_candidates", "max_tokens")
    return {name: int(value) if name in whole else value for name, value in changes.items()}


def _tolerance(text: str) -> dict[str, Any]:
    try:
        value = float(text)
    except ValueError:
        return {}
    return {"precision": "tolerance", "atol": value, "rtol": value}


_YES = re.compile(r"(?:y|yes|yep|yeah|ok|okay|right|correct|go|go ahead|sure|start|fine|approve[d]?|do it)[.!]*", re.I)
_NO = re.compile(r"(?:n|no|nope|wrong|refuse|don'?t)[.!]*", re.I)


def is_yes(text: str) -> bool:
    """Agreement."""
    return _YES.fullmatch(text.strip()) is not None


def is_no(text: str) -> bool:
    """Refusal."""
    return _NO.fullmatch(text.strip()) is not None
