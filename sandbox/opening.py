"""Choosing an isolation: the strongest one this machine has, or the one asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox.base import Isolation, Sandbox
from sandbox.errors import SandboxUnavailable


@dataclass(frozen=True)
class Availability:
    """What ``doctor`` says about one isolation."""

    isolation: Isolation
    available: bool
    reason: str = ""
    """Why it is not available; empty when it is."""
    hint: str = ""
    """One line: what would make it available."""
    enforcement: dict[str, str] = field(default_factory=dict)
    """Limit to what holds it; empty when it is not available."""


def open_sandbox(isolation: Isolation | None = None) -> Sandbox:
    """The isolation asked for, else the first that works of docker, bubblewrap and process.

    Whoever may run hostile code must look at ``Sandbox.isolation.is_boundary`` before doing so. Raises
    SandboxUnavailable, with a hint, when the isolation asked for cannot be had.
    """
    if isolation is not None:
        return _open(isolation)
    for candidate in Isolation:
        try:
            return _open(candidate)
        except SandboxUnavailable:
            continue
    raise SandboxUnavailable("no isolation works on this machine", "apt-get install bubblewrap")


def survey() -> list[Availability]:
    """All isolations in the order of preference, each tried out quickly."""
    return [_look_at(isolation) for isolation in Isolation]


def _look_at(isolation: Isolation) -> Availability:
    try:
        sandbox = _open(isolation)
    except SandboxUnavailable as error:
        return Availability(isolation, available=False, reason=str(error), hint=error.hint)
    try:
        return Availability(isolation, available=True, enforcement=sandbox.enforcement())
    finally:
        sandbox.close()


def _open(isolation: Isolation) -> Sandbox:
    match isolation:
        case Isolation.DOCKER:
            from sandbox.docker import DockerSandbox

            return DockerSandbox()
        case Isolation.BUBBLEWRAP:
            from sandbox.bubblewrap import BubblewrapSandbox

            return BubblewrapSandbox()
        case Isolation.PROCESS:
            from sandbox.process import ProcessSandbox

            return ProcessSandbox()
