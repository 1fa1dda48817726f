"""The builtin model in conversation: the tool calls it makes, and what it refuses."""

import json

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from agent.builtin.index import strides_of
from agent.builtin.model import BuiltinChatModel, respond

SOURCE = '''import torch


class Model(torch.nn.Module):
    """Softmax, with a fence in its words: ``` and a heading.

## Attempts
"""

    def forward(self, x):
        return torch.softmax(x, -1)
'''
TASK = """## Task
round=1 slot={slot} slots=2 seed=0 target=cpu language={language}
This is proposal 1 of 2 in round 1.

## Cases
- default: float32[4096, 1024] -> float32[4096, 1024]; 33554432 bytes moved at least; flops not counted
Machine: Some CPU (AVX2); 2 threads, torch 2.13.0

## Baselines
- eager: 0.01 s

## Attempts
{attempts}

## Recalled
none

## Parent
none: start from the reference

## Problem
softmax:
````python
{source}````
"""
SHAPE = {"shape": [4096, 1024], "dtype": "float32"}
GRAPH = {
    "inputs": [{"name": "x", "kind": "user", "target": 0, **SHAPE, "stride": [1024, 1]}],
    "nodes": [
        {"name": "y", "op": "aten._softmax.default", "args": [{"ref": "x"}, -1, False], "kwargs": {}, **SHAPE},
    ],
    "outputs": {"ref": "y"},
    "mutates": False,
}


def talk(slot=0, language="cpp", attempts="none", graph=None, compiles=True, refused=""):
    """The calls of one conversation, each answered as the tools would."""
    task = TASK.format(slot=slot, language=language, attempts=attempts, source=SOURCE)
    messages = [SystemMessage("role"), HumanMessage(task)]
    calls = []
    for _ in range(8):
        reply = respond(messages)
        (call,) = reply.tool_calls
        calls.append((call["name"], call["args"]))
        if call["name"] in ("submit", "decline"):
            return calls
        answers = {
            "read_graph": json.dumps(graph or GRAPH),
            "write_candidate": refused or "candidate 0123456789abcdef written (200 lines)",
            "compile_candidate": "candidate compiles (1.0 s)" if compiles else "it does not compile: error: no",
        }
        failed = {"compile_candidate": not compiles, "write_candidate": bool(refused)}.get(call["name"], False)
        status = "error" if failed else "success"
        messages += [reply, ToolMessage(answers[call["name"]], tool_call_id=call["id"], status=status)]
    raise AssertionError("it never ended")


def test_it_reads_writes_compiles_and_submits():
    calls = talk()
    assert [name for name, _ in calls] == ["read_graph", "write_candidate", "compile_candidate", "submit"]
    source = calls[1][1]["source"]
    assert source.startswith(SOURCE.rstrip())
    compile(source, "candidate", "exec")
    assert "class ModelNew(Model)" in source
    assert "1 fused loop nest; plan block=" in calls[-1][1]["strategy"]


def test_slots_write_different_files_and_the_same_slot_the_same():
    first, again, second = (talk(slot)[1][1]["source"] for slot in (0, 0, 1))
    assert first == again
    assert first != second


def test_an_attempt_is_not_made_twice():
    strategy = talk()[-1][1]["strategy"]
    tried = (
        f"- {'a' * 16} parent=none status=accepted reason=none speedup=2.0000 ci=[1.9000, 2.1000] strategy: {strategy}"
    )
    assert talk(attempts=tried)[1][1]["source"] != talk()[1][1]["source"]


def test_an_operator_outside_the_families_needs_a_language_model():
    node = {**GRAPH["nodes"][0], "op": "aten.convolution.default"}
    name, args = talk(graph={**GRAPH, "nodes": [node]})[-1]
    assert name == "decline"
    assert args["reason"] == "this operator needs a language model: aten.convolution.default"


@pytest.mark.parametrize(("op", "shape", "dtype"), [("mm", [128, 64], "float16"), ("bmm", [9, 32, 32], "float32")])
def test_a_product_by_itself_is_written_by_the_plan_that_can_and_no_other(op, shape, dtype):
    inputs = [
        {"name": name, "kind": "user", "target": number, "shape": given, "dtype": dtype, "stride": [*strides_of(given)]}
        for number, (name, given) in enumerate((("a", shape), ("b", [*shape[:-2], shape[-1], shape[-1]])))
    ]
    node = {"name": "y", "op": f"aten.{op}.default", "args": [{"ref": "a"}, {"ref": "b"}], "kwargs": {}}
    graph = {**GRAPH, "inputs": inputs, "nodes": [{**node, "shape": shape, "dtype": dtype}]}
    first, second = (talk(slot, language="triton", graph=graph) for slot in (0, 1))
    assert first[1][1]["source"].count("tl.dot(") == 1
    assert "torch.mm(" not in first[1][1]["source"]
    assert second[1][1]["source"] != first[1][1]["source"]


def test_a_form_that_nobody_foresaw_is_refused_and_ends_nothing():
    node = {**GRAPH["nodes"][0], "args": [{"ref": "x"}, "sideways", False]}
    name, args = talk(graph={**GRAPH, "nodes": [node]})[-1]
    assert name == "decline"
    assert args["reason"].startswith("this operator needs a language model: the builtin model cannot read it (")
    assert "\n" not in args["reason"]


@pytest.mark.parametrize("language", ["cuda", "python"])
def test_it_writes_cpp_and_triton_only(language):
    name, args = talk(language=language)[-1]
    assert name == "decline"
    assert "C++ and Triton only" in args["reason"]


def test_it_writes_triton():
    calls = talk(language="triton")
    assert [name for name, _ in calls] == ["read_graph", "write_candidate", "compile_candidate", "submit"]
    assert "@triton.jit" in calls[1][1]["source"]
    assert calls[-1][1]["strategy"].startswith("1 fused loop nest; plan block=")


def test_slots_and_attempts_vary_triton():
    first, second = (talk(slot=slot, language="triton")[1][1]["source"] for slot in (0, 1))
    assert first != second
    told = talk(language="triton")[-1][1]["strategy"]
    tried = f"- 0a parent=none status=accepted reason=none speedup=1.5 ci=none strategy: {told}"
    assert talk(language="triton", attempts=tried)[1][1]["source"] != first


def test_a_refused_build_ends_the_proposal():
    name, args = talk(compiles=False)[-1]
    assert name == "decline"
    assert "error: no" in args["reason"]


def test_a_program_that_may_not_be_written_needs_a_language_model():
    """A recurrent network of fifty steps becomes a program of megabytes."""
    name, args = talk(refused="the file has 2400000 characters, 200000 are allowed: shorten it")[-1]
    assert name == "decline"
    assert args["reason"].startswith("this operator needs a language model: its program is refused: the file has")


def test_it_is_a_chat_model_that_streams_with_usage():
    model = BuiltinChatModel().bind_tools([])
    task = TASK.format(slot=0, language="cpp", attempts="none", source=SOURCE)
    chunks = list(model.stream([SystemMessage("role"), HumanMessage(task)]))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole = whole + chunk
    assert whole.tool_calls[0]["name"] == "read_graph"
    assert whole.usage_metadata["output_tokens"] > 0
    assert isinstance(whole, AIMessage)
