"""``langgraph.json``: what LangGraph's server loads, loaded as it does that."""

from __future__ import annotations

import importlib.util
import inspect
import json
import sys

import pytest

from agent.graph import build_graph


@pytest.fixture
def factory(repository, monkeypatch):
    """The variable that the file names, of a module that is loaded from its path under a name of its own."""
    about = json.loads((repository / "langgraph.json").read_text(encoding="utf-8"))
    path, _, variable = about["graphs"]["kernelwright"].rpartition(":")
    name = path.replace("/", "__").replace(".py", "")
    spec = importlib.util.spec_from_file_location(name, repository / path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return getattr(module, variable)


def test_the_factory_makes_the_whole_graph_without_a_checkpointer(factory):
    # The server refuses a graph that has either, and a factory with arguments of other types than its own.
    assert not inspect.signature(factory).parameters
    graph = factory()
    assert (graph.checkpointer, graph.store) == (None, None)
    assert set(graph.builder.nodes) == set(build_graph().nodes)
    assert graph.builder.edges == build_graph().edges


def test_studio_gets_the_schemas_it_asks_for(factory):
    graph = factory()
    assert {"champion", "round", "picks"} <= set(graph.get_input_jsonschema()["properties"])
    assert graph.get_context_jsonschema()["type"] == "object"


def test_a_run_there_is_refused_in_one_line(factory):
    with pytest.raises(ValueError, match="kernelwright optimize"):
        factory().invoke({}, context={})
