"""Errors of the agent room.

AgentError
├── RunError              a run folder or its files cannot be used: infrastructure, exit code 3
├── RunInterrupted        asked to stop; everything so far is kept and can be resumed, exit code 130
├── OutOfTime             the run's time is up in the middle of a reply: ends the proposal, nothing else
└── ModelError            the model could not answer
    ├── ModelUnavailable  server gone, hanging or overloaded after every retry: infrastructure, exit code 3
    └── ModelRejected     the request is wrong (key, model name, limits): also a RequestError, exit code 2
"""

from __future__ import annotations

from tools.errors import RequestError


class AgentError(Exception):
    """Base of this room's errors; the message is one line that says how to mend it."""


class RunError(AgentError):
    """A run folder cannot be used: damaged, full, gone."""


class RunInterrupted(AgentError):
    """Somebody asked the run to stop; its state is kept."""


class OutOfTime(AgentError):
    """The run's time is up."""


class ModelError(AgentError):
    """The model could not answer."""


class ModelUnavailable(ModelError):
    """The model's server is gone, hangs or is overloaded, after every retry."""


class ModelRejected(ModelError, RequestError):
    """The model's server refuses the request as it stands: a wrong key, an unknown model."""
