"""HTML that cannot be broken into: whatever is not ``Html`` already is escaped, in texts and in attributes."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable

_VOID = frozenset({"meta", "br", "line", "path", "circle", "rect"})


class Html(str):
    """Text that is markup. Only ``tag`` and ``join`` make it, and constants of this package."""

    __slots__ = ()


def escape(text: object) -> Html:
    """Text as it is read. Characters that nobody sees, or that turn the order of others, are spelled out."""
    if isinstance(text, Html):
        return text
    shown = str(text)
    if not (shown.isascii() and shown.isprintable()):
        shown = "".join(_visible(char) for char in shown)
    return Html(html.escape(shown, quote=True))


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """An element; ``class_`` and ``stroke_width`` lose or change their underscore, None leaves an attribute out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID and not children:
        return Html(f"<{name}{given}>" if name in ("meta", "br") else f"<{name}{given}/>")
    return Html(f"<{name}{given}>{''.join(map(escape, children))}</{name}>")


def join(parts: Iterable[object], between: str = "") -> Html:
    """Many in a row."""
    return Html(escape(between).join(map(escape, parts)))


def _visible(char: str) -> str:
    if char in "\n\t" or char.isprintable():
        return char
    if unicodedata.category(char) == "Zs":
        return " "
    return f"\\u{ord(char):04x}"
