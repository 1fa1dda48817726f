from __future__ import annotations

import pytest

from sandbox import bubblewrap, docker, opening
from sandbox.base import Isolation
from sandbox.errors import SandboxUnavailable

NOTHING = ("it is not there", "install it")


@pytest.fixture
def neither(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "why_unavailable", lambda image="": NOTHING)
    monkeypatch.setattr(bubblewrap, "why_unavailable", lambda: NOTHING)


def test_the_strongest_is_chosen() -> None:
    best = next(found for found in opening.survey() if found.available)
    sandbox = opening.open_sandbox()
    assert sandbox.isolation is best.isolation
    assert sandbox.enforcement() == best.enforcement
    sandbox.close()


@pytest.mark.usefixtures("neither")
def test_a_plain_process_is_the_last_resort() -> None:
    sandbox = opening.open_sandbox()
    assert sandbox.isolation is Isolation.PROCESS
    assert not sandbox.isolation.is_boundary
    sandbox.close()


@pytest.mark.usefixtures("neither")
@pytest.mark.parametrize("isolation", [Isolation.DOCKER, Isolation.BUBBLEWRAP])
def test_what_was_asked_for_is_not_replaced(isolation: Isolation) -> None:
    with pytest.raises(SandboxUnavailable, match="not there") as caught:
        opening.open_sandbox(isolation)
    assert caught.value.hint == "install it"


@pytest.mark.usefixtures("neither")
def test_the_survey_names_remedies() -> None:
    found = opening.survey()
    assert [one.isolation for one in found] == [Isolation.DOCKER, Isolation.BUBBLEWRAP, Isolation.PROCESS]
    assert [one.available for one in found] == [False, False, True]
    assert (found[0].reason, found[0].hint, found[0].enforcement) == (*NOTHING, {})
    assert found[2].enforcement["network"] == "not enforced"
