"""What doctor says about models."""

from __future__ import annotations

import pytest

from agent.models.probing import probe_models
from agent.settings import AgentSettings

pytestmark = pytest.mark.enable_socket


def probe(url, model="openai:my-model", **settings):
    (finding,) = probe_models(AgentSettings(model=model, base_url=url, **settings))
    return finding


def test_a_model_that_can_be_asked(web):
    with web.OpenAIServer([], models=["other", "my-model"]) as server:
        found = probe(server.url, api_key="sk-12345")
        assert (found.works, found.mend) == (True, "")
        assert found.found == f"{server.url} answers; price unknown"
        assert server.keys == ["Bearer sk-12345"]
        assert server.requests == [], "nothing is spent"
        assert "$1 in, $2 out" in probe(server.url, price_in=1.0, price_out=2.0).found


def test_a_model_the_server_does_not_have_names_those_near(web):
    with web.OpenAIServer([], models=["my-model-v2", "zzz"]) as server:
        found = probe(server.url)
    assert not found.works
    assert found.mend == "it has my-model-v2"


@pytest.mark.parametrize(
    ("status", "mend"),
    [(401, "set OPENAI_API_KEY"), (403, "set OPENAI_API_KEY"), (404, "usually ends in /v1"), (503, "try again later")],
)
def test_a_server_that_refuses(web, status, mend):
    with web.OpenAIServer([web.Failure(status)]) as server:
        found = probe(server.url)
    assert not found.works
    assert str(status) in found.found
    assert mend in found.mend


def test_a_server_that_is_none(web):
    with web.OpenAIServer([web.Failure(200, body=b"<html>")]) as server:
        assert "no list of models" in probe(server.url).found
        gone = server.url
    found = probe(gone)
    assert "cannot be reached" in found.found
    assert "--base-url" in found.mend


def test_what_is_wrong_before_anything_is_asked():
    assert "set OPENAI_API_KEY" in probe(None).found
    assert "is no URL" in probe("localhost:8000").found
    assert "give builtin, openai:NAME" in probe(None, "gpt").found
    assert "price" in probe("http://127.0.0.1:1/v1", max_cost=1.0).found


def test_several_are_told_one_by_one():
    found = probe_models(AgentSettings(model="builtin,openai:x@nowhere"))
    assert [(one.model, one.works) for one in found] == [("builtin", True), ("openai:x@nowhere", False)]
