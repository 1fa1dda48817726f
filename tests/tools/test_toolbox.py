"""The tools a model may call: their names, what they tell, and refusals that say how to mend the call."""

from __future__ import annotations

import json
import re
import threading
import warnings

import pytest

from tests.tools.benches import ID, OTHER, SOURCE, Bench
from tools.answers import ToolRefusal, check_source
from tools.fake_judge import describe_softmax
from tools.problem_text import fenced, one_line
from tools.profiling.registry import PROFILERS
from tools.roofline import Floor
from tools.toolbox import signature_text, usage_text

NAMES = [
    "read_problem", "read_graph", "write_candidate", "edit_candidate", "compile_candidate", "test_candidate",
    "time_candidate", "read_log", "profile_candidate", "read_generated_code", "read_candidate", "compare_candidates",
    "search_memory", "search_knowledge", "read_knowledge", "submit", "decline",
]  # fmt: skip


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_names_and_order_are_fixed(bench):
    assert [tool.name for tool in bench.tools] == NAMES
    assert all(tool.description for tool in bench.tools)
    assert signature_text(bench.tools[3]) == "edit_candidate(search: string, replace: string)"
    assert all(name in usage_text(bench.tools) for name in NAMES)


@pytest.mark.parametrize(("platform", "offered"), [("cpu", {"torch", "compiler"}), ("nvidia", set(PROFILERS))])
def test_profilers_of_other_chips_are_not_offered(tmp_path, platform, offered):
    (tool,) = [tool for tool in Bench(tmp_path, platform=platform).tools if tool.name == "profile_candidate"]
    said = tool.tool_call_schema.model_json_schema()["properties"]["profiler"]["description"]
    assert {name for name in PROFILERS if f"{name}: " in said} == offered


def test_the_page_on_tools_has_them_all_with_their_arguments(bench, repository):
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", (repository / "docs/tools.md").read_text(), re.MULTILINE)
    assert [name for name, _ in rows] == NAMES
    for tool, (_, told) in zip(bench.tools, rows, strict=True):
        assert re.findall(r"`(\w+)`", told) == list(tool.tool_call_schema.model_json_schema().get("properties", {}))


def test_the_problem_is_told_in_full(tmp_path):
    graph = {"inputs": [{"kind": "parameter", "target": "fc.weight", "dtype": "float32", "shape": [4, 8]}]}
    description = describe_softmax().model_copy(update={"graph": graph})
    text = Bench(tmp_path, description=description).good("read_problem")
    for part in ("class Model: ...", "float32[64, 256] -> float32[64, 256]", "131072 bytes", "81920 flops",
                 "- fc.weight: float32[4, 8]", "2 threads", "a processor of no kind", "- be quick"):  # fmt: skip
        assert part in text
    assert text.index("eager: 0.001 s") < text.index("torch.compile: 0.002 s")


def test_the_roofline_is_told_by_case_with_what_is_left_to_win(tmp_path):
    case = describe_softmax().cases[0]
    cases = (
        case.model_copy(update={"name": "small", "floor": Floor(1e-4, "memory", "its operators are not known")}),
        case.model_copy(update={"name": "large", "floor": Floor(4e-4, "memory")}),
    )
    description = describe_softmax().model_copy(update={"cases": cases})
    lines = Bench(tmp_path, description=description).good("read_problem").splitlines()
    at = lines.index("Roofline:")
    assert lines[at + 1 : at + 4] == [
        "- small: 0.0001 s a call at least, for memory; perhaps less: its operators are not known",
        "- large: 0.0004 s a call at least, for memory",
        "- the fastest baseline, eager, reaches 20% of the memory bandwidth: a speed-up of 5.00 at most",
    ]
    half = description.model_copy(update={"cases": (cases[0], case)})
    text = Bench(tmp_path, description=half).good("read_problem")
    assert "- default: not known" in text
    assert "at most" not in text.partition("Roofline:")[2].partition("Machine")[0]
    assert "Roofline:\n- not known: nobody measured" in Bench(tmp_path).good("read_problem")


def test_the_graph_is_exactly_its_json(tmp_path):
    graph = {"inputs": [], "nodes": [{"op": "aten.softmax.int", "args": [{"float": "inf"}] * 5000}]}
    bench = Bench(tmp_path, description=describe_softmax().model_copy(update={"graph": graph}))
    assert bench.good("read_graph") == json.dumps(graph)
    bench = Bench(tmp_path, description=describe_softmax().model_copy(update={"graph_error": "data\nflow"}))
    assert bench.bad("read_graph").startswith("there is no graph: data flow.")


def test_numbers_that_are_left_open_are_told_and_mistakes_in_them_are_refused(bench):
    written = bench.good("write_candidate", source=f"BLOCK = 64  # tune: 32, 64\n{SOURCE}")
    assert "left open: BLOCK, 2 settings" in written
    refused = bench.bad("write_candidate", source=f"BLOCK = 65  # tune: 32, 64\n{SOURCE}")
    assert "line 1: BLOCK = 65 is not among the values" in refused
    assert "The draft is unchanged" in refused


@pytest.mark.parametrize("name", ["compile_candidate", "test_candidate", "edit_candidate"])
def test_nothing_to_work_on(bench, name):
    arguments = {"search": "a", "replace": "b"} if name == "edit_candidate" else {}
    assert "call write_candidate" in bench.bad(name, **arguments)
    assert bench.good("read_log") == "the last log is empty"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("class ModelNew(:\n", "syntax error in line 1"),
        ("x = 1\n", "no class ModelNew"),
        ("def f():\n    class ModelNew: pass\n", "no class ModelNew"),
        ("```python\nclass ModelNew: pass\n```", "without Markdown"),
        ("class ModelNew: pass\nx = '\ud800'", "lone surrogates"),
        ("class ModelNew: pass\n\0", "null byte"),
        ("class ModelNew: pass\nx = " + "(" * 500 + ")" * 500, "parenthes"),
        ("class ModelNew: pass\nx = " + "-" * 200_000 + "1", "parse"),
        ("#" * (256 << 10) + "\nclass ModelNew: pass", "are allowed"),
        ("", "no class ModelNew"),
    ],
    ids=lambda value: value[:16],
)
def test_sources_that_are_refused(bench, source, words):
    bench.good("write_candidate", source=SOURCE)
    with pytest.raises(ToolRefusal, match=words):
        bench.bench.write_candidate(source)
    assert bench.bench.draft.source == SOURCE


def test_odd_escapes_warn_nobody_not_even_from_threads():
    source = 'class ModelNew:\n    text = "\\d"\n'
    before = list(warnings.filters)
    threads = [threading.Thread(target=lambda: [check_source(source) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_edits_are_exact(bench):
    bench.good("write_candidate", source=SOURCE)
    assert "search was not found" in bench.bad("edit_candidate", search="return y", replace="return z")
    assert "Line 6 comes nearest: '        return x'" in bench.bad("edit_candidate", search=" return  x", replace="y")
    assert "read_candidate shows the file" in bench.bad("edit_candidate", search="while True:", replace="y")
    assert "search was found 2 times (lines 1, 4)" in bench.bad("edit_candidate", search="torch", replace="t")
    assert "search is empty" in bench.bad("edit_candidate", search="", replace="t")
    assert "syntax error" in bench.bad("edit_candidate", search="return x", replace="return (")
    assert bench.bench.draft.source == SOURCE
    bench.good("edit_candidate", search="return x", replace="return x + 0")
    assert bench.bench.draft.source == OTHER


def test_edits_start_from_the_parent_while_nothing_is_written(tmp_path):
    bench = Bench(tmp_path, base=SOURCE)
    bench.good("edit_candidate", search="return x", replace="return x + 0")
    assert bench.bench.draft.source == OTHER


def test_a_text_that_was_judged_is_pointed_out(tmp_path):
    text = Bench(tmp_path, judged=frozenset({ID})).good("write_candidate", source=SOURCE)
    assert text.startswith(f"candidate {ID} written (6 lines); ")
    assert "change it" in text


def test_earlier_candidates_are_read_by_id_or_its_beginning(tmp_path):
    bench = Bench(tmp_path)
    bench.bench.readable = {
        "abcd1111": bench.store.put(SOURCE),
        "abcd2222": bench.store.put(OTHER),
        "beef0000": "0" * 64,
    }
    assert bench.good("read_candidate", id="abcd1") == SOURCE
    assert bench.good("read_candidate", id=" ABCD2222 ") == OTHER
    assert "begins more than one id: choose one of abcd1111, abcd2222" in bench.bad("read_candidate", id="abcd")
    assert "names no candidate" in bench.bad("read_candidate", id="ffff")
    assert "too short" in bench.bad("read_candidate", id="ab")
    assert "no longer stored" in bench.bad("read_candidate", id="beef")
    bench.good("write_candidate", source=SOURCE)
    assert bench.good("read_candidate", id=ID) == SOURCE


def test_declining_ends_without_a_candidate(bench):
    assert "reason is empty" in bench.bad("decline", reason="")
    bench.good("decline", reason="this operator\nneeds a language model: aten.foo")
    assert bench.bench.declined == "this operator needs a language model: aten.foo"
    assert bench.bench.done


def test_wrong_calls_are_answered_with_the_right_form(bench):
    assert "there is no tool 'run'. The tools are: read_problem(); " in bench.bad("run")
    assert "source: Field required" in bench.bad("write_candidate")
    text = bench.bad("edit_candidate", search=3, replace="x", count=1)
    assert "search: Input should be a valid string" in text
    assert "count: Extra inputs" in text
    assert text.endswith("Call edit_candidate(search: string, replace: string) with a JSON object.")
    bench.good("read_problem", verbose="yes")  # takes nothing, and models like to give it something


def test_text_that_goes_into_lines_and_blocks():
    assert one_line("a\n## b\tc") == "a ## b c"
    assert len(one_line("x" * 1000, 50)) == 50
    assert fenced("x\n```\ny").splitlines()[0] == "````python"
