"""Errors of the agent room.

AgentError
├── RunError              a run folder or its files cannot be used: infrastructure, exit code 3
├── RunInterrupted        asked to stop; everything so far is kept and can be resumed, exit code 130
├── OutOfTime             the run's time is up in the middle of a reply: ends the proposal, nothing else
├── OutOfBudget           the next call may cost more than is left: ends the proposal, and with it the run
└── ModelError            the model could not answer
    ├── ModelUnavailable  server gone, hanging or overloaded after every retry: infrastructure, exit code 3
    │   └── ModelOut      of these what may pass: the run pauses, or goes on with another model
    └── ModelRejected     the request is wrong (key, model name, limits): also a RequestError, exit code 2
"""

from __future__ import annotations

from typing import Literal

from tools.errors import RequestError


class AgentError(Exception):
    """Base of this room's errors; the message is one line that says how to mend it."""


class RunError(AgentError):
    """A run folder cannot be used: damaged, full, gone."""


class RunInterrupted(AgentError):
    """Somebody asked the run to stop; its state is kept."""


class OutOfTime(AgentError):
    """The run's time is up."""


class OutOfBudget(AgentError):
    """The next call might take more than is left of a cap."""

    def __init__(self, cap: Literal["max_tokens", "max_cost"], message: str) -> None:
        super().__init__(message)
        self.cap: Literal["max_tokens", "max_cost"] = cap


class ModelError(AgentError):
    """The model could not answer."""


class ModelUnavailable(ModelError):
    """The model's server is gone, hangs or is overloaded, after every retry."""


class ModelOut(ModelUnavailable):
    """The server cannot be reached, fails, is overloaded or out of quota: later it may answer."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """What the server asked to wait."""


class ModelRejected(ModelError, RequestError):
    """The model's server refuses the request as it stands: a wrong key, an unknown model."""
