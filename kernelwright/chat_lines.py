"""What a person types or pastes, read from a file descriptor a line or a paste at a time, without blocking the rest.

Nothing is read ahead of what is asked for but what is there already; a closed input is told once and stays closed.
"""

from __future__ import annotations

import os
import select
import sys
import time

PASTE_GAP_S = 0.3
"""Lines of one paste follow one another faster than a person types them."""
_BEGINS = ("import ", "from ", "class ", "def ", "@", "```", "async ")


class Lines:
    """Lines of one input."""

    def __init__(self, fd: int | None = None) -> None:
        self._fd = sys.stdin.fileno() if fd is None else fd
        self._buffer = b""
        self._closed = False
        self.is_terminal = os.isatty(self._fd)

    @property
    def at_end(self) -> bool:
        """Nothing more will come."""
        return self._closed and not self._buffer

    def line(self, timeout_s: float | None = None) -> str | None:
        """The next line without its end; None where none came in time (``timeout_s`` None: for ever), or at the end."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while b"\n" not in self._buffer and not self._closed:
            left = None if until is None else max(0.0, until - time.monotonic())
            if not select.select([self._fd], [], [], left)[0]:
                return None
            self._fill()
        if not self._buffer:
            return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode("utf-8", "replace").rstrip("\r")

    def block(self, first: str) -> str:
        """What begins with a line: that line, or all of the code that it begins.

        Code ends at the fence that closes it, at a line with nothing but a dot, at the end of the input, or at a blank
        line on a terminal, after which nothing more was pasted.
        """
        if not first.startswith(_BEGINS):
            return first
        lines, fenced = [first], first.startswith("```")
        while True:
            if not fenced and self._is_over(lines):
                break
            line = self.line()
            if line is None or (line == "." and not fenced):
                break
            lines.append(line)
            if fenced and line.startswith("```"):
                break
        return "\n".join(lines).rstrip() + "\n"

    def pause(self, seconds: float) -> None:
        """Let time pass without reading."""
        select.select([], [], [], seconds)

    def _is_over(self, lines: list[str]) -> bool:
        if len(lines) < 2 or lines[-1].strip():
            return False
        return self.is_terminal and not self._more_comes()

    def _more_comes(self) -> bool:
        if b"\n" in self._buffer:
            return True
        return bool(select.select([self._fd], [], [], PASTE_GAP_S)[0])

    def _fill(self) -> None:
        try:
            piece = os.read(self._fd, 65536)
        except OSError:  # a terminal that went away
            piece = b""
        if piece:
            self._buffer += piece
        else:
            self._closed = True
