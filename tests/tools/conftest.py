"""The sandbox that the judge's own tests share."""

import importlib.util

import pytest

from sandbox.base import Isolation
from sandbox.errors import SandboxUnavailable
from sandbox.opening import open_sandbox


@pytest.fixture(scope="module")
def enclosed():
    """The cheapest sandbox that may run hostile code; without one, a plain process will do for our own tests."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    try:
        sandbox = open_sandbox(Isolation.BUBBLEWRAP)
    except SandboxUnavailable:
        sandbox = open_sandbox(Isolation.PROCESS)
    yield sandbox
    sandbox.close()
