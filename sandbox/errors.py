"""Errors of the sandbox room.

SandboxError                  the sandbox itself failed: infrastructure, never the job's fault
├── SandboxUnavailable        this isolation cannot be had here (``hint`` says how to get it)
├── TargetUnknown             no such chip in the table of targets
├── HoldFailed                a started job could not be stopped, or its memory not be read
├── SessionEnded              a started job is gone while one was talking to it
└── SessionTimeout            a started job did not answer in the time given
"""

from __future__ import annotations


class SandboxError(Exception):
    """The sandbox itself failed; the job is not to blame."""


class SandboxUnavailable(SandboxError):
    """The isolation asked for cannot be had on this machine."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        """One line: the command that would make it available."""


class TargetUnknown(SandboxError):
    """The text names no target of the table; the message lists those it has."""


class HoldFailed(SandboxError):
    """A started job could not be stopped for a while, or its memory could not be read."""


class SessionEnded(SandboxError):
    """A started job died or closed its output while it was being talked to."""


class SessionTimeout(SandboxError):
    """A started job did not answer in the time given; it still runs until stopped."""
