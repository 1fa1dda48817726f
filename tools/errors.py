"""Errors of the tools room.

ToolError
├── RequestError          what was asked for is wrong: one line for the user, exit code 2
└── JudgeUnavailable      the judge itself could not work: infrastructure, exit code 3
"""

from __future__ import annotations


class ToolError(Exception):
    """Base of this room's errors."""


class RequestError(ToolError):
    """What was asked for is wrong; the message is one line that says how to mend it."""


class JudgeUnavailable(ToolError):
    """The judge could not work: a sandbox failed, the machine is short of something. Nobody's kernel is to blame."""
