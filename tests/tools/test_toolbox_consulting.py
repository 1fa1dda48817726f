"""Tools that look things up: the memory of earlier runs, and documents."""

from __future__ import annotations

import pytest

from memory.errors import StoreError
from memory.knowledge.folders import open_knowledge
from tests.tools.benches import OTHER, Bench, Memory
from tools.candidate import Candidate
from tools.consulting import DOCUMENT_CHARS


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_memory_is_searched_and_its_hits_become_readable(tmp_path):
    bench = Bench(tmp_path, memory=Memory())
    line = bench.good("search_memory", text="softmax")
    other = Candidate(source=OTHER, language="cpp").id
    assert line.startswith(f"- {other} problem=soft max status=accepted reason=none speedup=2.5000")
    assert line.endswith("strategy: one pass lesson: bound by memory")
    assert bench.good("read_candidate", id=other) == OTHER
    assert "nothing found" in bench.good("search_memory", text="nothing")
    assert "no memory" in Bench(tmp_path).bad("search_memory", text="x")
    assert "go on without it" in Bench(tmp_path, memory=Memory(StoreError("locked"))).bad("search_memory", text="x")


@pytest.fixture
def informed(tmp_path):
    return Bench(tmp_path, knowledge=open_knowledge(), platform="cpu")


def test_knowledge_is_found_for_this_chip_and_language(informed):
    lines = informed.good("search_knowledge", text="fewer passes over memory").splitlines()
    assert 2 <= len(lines) <= 7
    assert all(line.startswith("- ") and ": " in line for line in lines[:-1])
    assert lines[-1] == "read_knowledge shows one of them"
    names = [line.split()[1].rstrip(":") for line in lines[:-1]]
    assert not [name for name in names if "nvidia" in name or name.startswith("languages/triton")]
    found = informed.good("search_knowledge", text="", bottleneck="Compile")
    assert found.startswith("- guidance/debug-compile: Debugging compile errors")
    body = informed.good("read_knowledge", name=names[0])
    assert body.startswith("# ")
    assert informed.good("read_knowledge", name="scans") == informed.good("read_knowledge", name="guidance/scans")


def test_questions_that_cannot_be_answered_say_how_to_mend_them(informed, bench):
    assert "text is empty: give a few words" in informed.bad("search_knowledge", text="  ")
    assert "'speed' is unknown: one of memory, compute" in informed.bad(
        "search_knowledge", text="x", bottleneck="speed"
    )
    assert informed.good("search_knowledge", text="xyzzyplugh").startswith("nothing found: use")
    assert "did you mean guidance/scans" in informed.bad("read_knowledge", name="guidance/scan")
    assert "search_knowledge finds names" in informed.bad("read_knowledge", name="x" * 5000)
    assert len(informed.bad("read_knowledge", name="x" * 5000)) < 400
    assert "Call search_knowledge(text: string, bottleneck: string)" in informed.bad("search_knowledge", words="x")
    assert "no knowledge base" in bench.bad("search_knowledge", text="x")
    assert "no knowledge base" in bench.bad("read_knowledge", name="x")


def test_answers_about_knowledge_are_bounded(tmp_path):
    facts = "platforms: any\nlanguages: any\nbottlenecks: memory\nphases: draft\noperators: any\nkeywords: gizmo"
    for number in range(40):
        text = f"---\ntitle: {'t' * 160}\nsummary: {'s' * 160}\n{facts}\n---\n" + "word " * 20_000
        (tmp_path / f"gizmo{number}.md").write_text(text)
    bench = Bench(tmp_path / "store", knowledge=open_knowledge([tmp_path]), platform="cpu")
    assert len(bench.good("search_knowledge", text="gizmo")) < 2_500
    whole = bench.good("read_knowledge", name="gizmo7")
    assert DOCUMENT_CHARS < len(whole) < DOCUMENT_CHARS + 200
    assert "characters more" in whole[-100:]
