"""Times of day and durations as people write them in settings and plans."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

_UNITS = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d)\b"
_FORMS = "write a time of day (07:30), a date and time (2026-12-01T07:30) or a duration (8h, 90min)"


def to_seconds(value: object) -> float | None:
    """``5400``, ``"90min"``, ``"1h 30min"``; None for what is no duration."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    text = str(value).strip().lower()
    if re.fullmatch(rf"(?:{_PART}\s*)+", text):
        return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, text))
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else None


def to_deadline(value: object, now: datetime) -> datetime:
    """When that is, seen from ``now``, which has a time zone; a time of day is the next one.

    Takes TOML's own times as well. Raises ValueError.
    """
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=now.tzinfo)
    if isinstance(value, time):
        return _next(value, now)
    if isinstance(value, date | bool):
        raise ValueError(f"{value} is no deadline: {_FORMS}")
    seconds = to_seconds(value)
    if seconds is not None:
        return now + timedelta(seconds=seconds)
    text = str(value).strip()
    try:
        return _next(time.fromisoformat(text), now)
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no deadline: {_FORMS}") from error
    return when if when.tzinfo else when.replace(tzinfo=now.tzinfo)


def _next(of_day: time, now: datetime) -> datetime:
    when = datetime.combine(now.date(), of_day, tzinfo=now.tzinfo)
    return when if when > now else when + timedelta(days=1)
