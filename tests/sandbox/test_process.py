from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox import process
from sandbox.base import Isolation, Sandbox
from sandbox.conformance import SandboxContract
from sandbox.process import ProcessSandbox


class TestProcess(SandboxContract):
    @pytest.fixture
    def sandbox(self) -> Iterator[Sandbox]:
        sandbox = ProcessSandbox()
        yield sandbox
        sandbox.close()

    def not_promised(self, sandbox: Sandbox) -> dict[str, str]:
        reasons = dict.fromkeys(("network", "files", "scratch", "orphans held"), "a child process is not a boundary")
        if "cgroup" not in sandbox.enforcement()["processes"]:
            reasons |= dict.fromkeys(("memory", "processes", "daemons"), "no control groups on this machine")
        return reasons


def test_it_says_that_it_is_no_boundary() -> None:
    assert (process.__doc__ or "").startswith("Not a security boundary.")
    assert not Isolation.PROCESS.is_boundary
