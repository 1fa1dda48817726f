"""Errors of the evals room.

EvalError
├── SuiteError            a suite file is wrong: also a RequestError, exit code 2
├── ResultsError          a results folder cannot be used: infrastructure, exit code 3
└── ListingFailed         torch did not say which operators it has: infrastructure, exit code 3
"""

from __future__ import annotations

from tools.errors import RequestError, ToolError


class EvalError(ToolError):
    """Base of this room's errors; the message is one line that says how to mend it."""


class SuiteError(EvalError, RequestError):
    """A suite is unknown, or its file is wrong."""


class ResultsError(EvalError):
    """Results cannot be read or written."""


class ListingFailed(EvalError):
    """The operators of the torch in the sandbox cannot be listed."""
