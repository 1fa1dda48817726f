"""The tools a model may call: answers, refusals that say how to mend the call, and the end of a proposal."""

from __future__ import annotations

import json
import re
import threading
import warnings

import pytest

from memory.errors import StoreError
from memory.experience import Experience
from memory.knowledge.folders import open_knowledge
from memory.store import Recalled
from sandbox.errors import SessionEnded
from tools.answers import FULL_LOG_CHARS, LOG_LINES, ToolRefusal, check_source
from tools.artifacts import ArtifactStore
from tools.candidate import Candidate
from tools.consulting import DOCUMENT_CHARS
from tools.errors import JudgeUnavailable
from tools.fake_judge import FakeJudge, accepted, describe_softmax, rejected
from tools.problem import Problem
from tools.problem_text import fenced, one_line
from tools.profiling.diagnosis import Diagnosis, Finding, KernelFacts, ProfileResult
from tools.profiling.telling import rates_text
from tools.roofline import Floor
from tools.toolbox import make_tools, run_tool, signature_text, usage_text
from tools.verdict import Measurement
from tools.workbench import Workbench

SOURCE = "import torch\n\n\nclass ModelNew(torch.nn.Module):\n    def forward(self, x):\n        return x\n"
OTHER = SOURCE.replace("return x", "return x + 0")
ID = Candidate(source=SOURCE, language="cpp").id

NAMES = [
    "read_problem", "read_graph", "write_candidate", "edit_candidate", "compile_candidate", "test_candidate",
    "time_candidate", "read_log", "profile_candidate", "read_generated_code", "read_candidate", "compare_candidates",
    "search_memory", "search_knowledge", "read_knowledge", "submit", "decline",
]  # fmt: skip


def verdicts(source):
    if "BROKEN" in source:
        log = "\n".join(f"kernel.cpp:{number}: error: no" for number in range(1, 4001))
        return rejected("compile_error").model_copy(update={"log": log})
    if "WRONG" in source:
        return rejected("wrong_output", "off by 3e-2 of the scale").model_copy(update={"log": "max 3e-2"})
    return accepted(1.5)


class Memory:
    """A store with one experience."""

    def __init__(self, error=None):
        self.error = error

    def search(self, text, limit=10):
        if self.error:
            raise self.error
        if text == "nothing":
            return []
        experience = Experience(
            id="e", created_at="2026-01-01T00:00:00Z", run_id="r", problem="soft\nmax", operator_signature="o",
            shape_signature="s", operators=("aten.softmax.int",), target="cpu", hardware="h", language="cpp",
            precision="native", evidence="measured", model="builtin", status="accepted", speedup=2.5, source=OTHER,
            strategy="one pass", lesson="bound by memory",
        )  # fmt: skip
        return [Recalled(experience=experience, score=0.5, why="similar operator")]


class Bench:
    """Tools on a workbench, called as a model's calls are."""

    def __init__(self, tmp_path, **overrides):
        self.store = ArtifactStore(tmp_path)
        values = {
            "judge": FakeJudge(verdicts),
            "problem": Problem("softmax", "class Model: ..."),
            "description": describe_softmax(),
            "store": self.store,
            "baselines": {"torch.compile": 2e-3, "eager": 1e-3},
            "language": "cpp",
            "rules": "- be quick",
            **overrides,
        }
        self.bench = Workbench(**values)
        self.tools = make_tools(self.bench)

    def __call__(self, name, /, **arguments):
        return run_tool(self.tools, {"name": name, "args": arguments, "id": "c1", "type": "tool_call"})

    def good(self, name, /, **arguments):
        answer = self(name, **arguments)
        assert answer.status == "success", answer.text
        return answer.text

    def bad(self, name, /, **arguments):
        answer = self(name, **arguments)
        assert answer.status == "error"
        assert answer.tool_call_id == "c1"
        return answer.text


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_names_and_order_are_fixed(bench):
    assert [tool.name for tool in bench.tools] == NAMES
    assert all(tool.description for tool in bench.tools)
    assert signature_text(bench.tools[3]) == "edit_candidate(search: string, replace: string)"
    assert all(name in usage_text(bench.tools) for name in NAMES)


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


def test_write_compile_test_submit(bench):
    assert bench.good("write_candidate", source=SOURCE) == f"candidate {ID} written (6 lines)"
    assert "call compile_candidate" in bench.bad("submit", strategy="quick")
    assert bench.good("compile_candidate").startswith(f"candidate {ID} compiles")
    tested = bench.good("test_candidate")
    assert "passed on 1 seeds and, where they mean anything to it, on large, tiny and subnormal numbers" in tested
    assert "a NaN and infinities among the numbers" in tested
    assert "; error 1e-07" in tested
    assert not bench.bench.done
    assert "strategy is empty" in bench.bad("submit", strategy=" \n ")
    bench.good("submit", strategy="quick\nand small")
    assert bench.bench.done
    assert bench.bench.submitted == Candidate(source=SOURCE, language="cpp")
    assert bench.bench.strategy == "quick and small"
    assert "has ended" in bench.bad("write_candidate", source=OTHER)


def test_a_quick_look_times_the_draft_and_judges_nothing(tmp_path):
    looks = {SOURCE: Measurement(speedup=1.318, cases={"default": 2e-4}), OTHER: Measurement(reason="wrong_output")}
    judge = FakeJudge(verdicts, measurements=looks.get)
    bench = Bench(tmp_path, judge=judge)
    assert "call write_candidate" in bench.bad("time_candidate")
    bench.good("write_candidate", source=OTHER)
    assert "not timed, wrong_output" in bench.bad("time_candidate")
    assert "call compile_candidate" in bench.bad("submit", strategy="quick")
    bench.good("write_candidate", source=SOURCE)
    told = bench.good("time_candidate")
    assert told.startswith(f"candidate {ID}: about 1.32x over the best baseline")
    assert "(default 0.0002 s a call)" in told
    assert judge.judged == []
    bench.good("submit", strategy="quick")


def test_the_share_of_a_doubted_floor_is_not_told():
    case = describe_softmax().cases[0]
    sure, doubted = (case.model_copy(update={"floor": Floor(1e-4, "memory", doubt)}) for doubt in (None, "a guess"))
    assert rates_text(sure, 4e-4).endswith("; 25 % of what the memory bandwidth allows")
    assert "allows" not in rates_text(doubted, 4e-4)
    assert (rates_text(case, None), rates_text(case.model_copy(update={"bytes_moved": 0, "flops": 0}), 1.0)) == ("", "")


def test_numbers_that_are_left_open_are_told_and_mistakes_in_them_are_refused(bench):
    written = bench.good("write_candidate", source=f"BLOCK = 64  # tune: 32, 64\n{SOURCE}")
    assert "left open: BLOCK, 2 settings" in written
    refused = bench.bad("write_candidate", source=f"BLOCK = 65  # tune: 32, 64\n{SOURCE}")
    assert "line 1: BLOCK = 65 is not among the values" in refused
    assert "The draft is unchanged" in refused


def test_submit_refuses_what_was_never_built(bench):
    assert "call write_candidate" in bench.bad("submit", strategy="x")
    bench.good("write_candidate", source=SOURCE)
    bench.good("compile_candidate")
    bench.good("write_candidate", source=OTHER)
    assert "has not been compiled" in bench.bad("submit", strategy="x")
    bench.good("write_candidate", source=SOURCE)
    bench.good("submit", strategy="x")


def test_a_failed_build_shows_the_beginning_of_its_log(bench):
    bench.good("write_candidate", source=SOURCE + "# BROKEN\n")
    text = bench.bad("compile_candidate")
    assert text.startswith("compile_error")
    assert "   1| kernel.cpp:1: error: no" in text
    assert f"{4000 - LOG_LINES} more lines: read_log shows them" in text
    whole = bench.good("read_log")
    assert "kernel.cpp:4000: error" in whole
    assert len(whole) < FULL_LOG_CHARS + 100
    middle = int(whole.split("line=")[1].split()[0])
    further = bench.good("read_log", line=middle)
    assert further.startswith(f"kernel.cpp:{middle}: error")
    assert f"kernel.cpp:{int(further.split('line=')[-1]) - 1}: error" in further
    assert bench.good("read_log", what="log", line=4000) == "kernel.cpp:4000: error: no"
    assert "the log has lines 1 to 4000" in bench.bad("read_log", line=4001)
    assert "greater than or equal to 1" in bench.bad("read_log", line=0)
    assert "has not been compiled" in bench.bad("submit", strategy="x")


def test_a_failed_test_says_how_it_failed(bench):
    bench.good("write_candidate", source=SOURCE + "# WRONG\n")
    text = bench.bad("test_candidate")
    assert text.splitlines()[:2] == ["not passed: wrong_output", "off by 3e-2 of the scale"]
    assert "   1| max 3e-2" in text
    assert text.endswith("Mend it with edit_candidate, then call compile_candidate.")


def test_a_failed_build_names_the_line_of_the_candidate_not_of_its_text(tmp_path):
    log = "/build/x/kernel.cpp:2:5: error: no such thing\n    2 | nonsense;\n"
    judge = FakeJudge(lambda source: rejected("compile_error").model_copy(update={"log": log}))
    bench = Bench(tmp_path, judge=judge)
    bench.good("write_candidate", source='SOURCE = """\nnonsense;\n"""\n' + SOURCE)
    lines = bench.bad("compile_candidate").splitlines()
    assert lines[1] == "line 2 of the candidate: nonsense;   <- no such thing"


def test_a_failed_test_shows_the_candidates_frames_only(tmp_path):
    frames = '  File "/harness.py", line 1, in go\n    go()\n  File "/candidate/candidate.py", line 6, in forward\n'
    log = f"Traceback (most recent call last):\n{frames}    return x\nValueError: no\n"
    judge = FakeJudge(lambda source: rejected("runtime_error", "ValueError: no").model_copy(update={"log": log}))
    bench = Bench(tmp_path, judge=judge)
    bench.good("write_candidate", source=SOURCE)
    text = bench.bad("test_candidate")
    assert "line 6 of the candidate: return x   <- ValueError: no" in text
    assert "harness.py" not in text
    assert "harness.py" in bench.good("read_log")


DIAGNOSIS = Diagnosis(
    profiler="ncu",
    bound="memory",
    seconds=5e-5,
    kernels=(KernelFacts(name="relu\nkernel", share=1.0, dram_fraction=0.82, registers=24),),
    findings=tuple(
        Finding(kind="memory", severity=0.9 - at / 10, evidence=f"evidence\n{at}", advice=f"advice {at}")
        for at in range(5)
    ),
    notes=("cold caches",),
)


def test_a_profile_is_a_few_lines_and_its_report_is_kept(tmp_path):
    report = "\n".join(f"counter {number}" for number in range(20_000))
    profile = ProfileResult(ok=True, profiler="ncu", diagnosis=DIAGNOSIS, report=report)
    bench = Bench(tmp_path, judge=FakeJudge(verdicts, profile=profile))
    assert "call write_candidate" in bench.bad("profile_candidate")
    assert "call profile_candidate first" in bench.bad("read_log", what="profile")
    bench.good("write_candidate", source=SOURCE)
    lines = bench.good("profile_candidate", profiler="ncu").splitlines()
    assert list(bench.bench.profiles.values()) == [DIAGNOSIS]
    artifact = bench.store.put(report)
    assert lines == [
        "ncu: bound by memory, 50 us a call under the profiler",
        "1. memory (90 %): evidence 0", "   try: advice 0",
        "2. memory (80 %): evidence 1", "   try: advice 1",
        "3. memory (70 %): evidence 2", "   try: advice 2",
        "kernels:",
        "- relu kernel: 100 %, DRAM 82 %, 24 registers",
        "note: cold caches",
        f"whole report: read_log what=profile (artifact {artifact[:16]})",
        "by what the operator has to do at least: 2.62 GB/s, 1.64 GFLOP/s",
    ]  # fmt: skip
    whole = bench.good("read_log", what="profile")
    assert "counter 19999" in whole
    assert len(whole) < FULL_LOG_CHARS + 100


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("profiler_missing", "profiler=auto"),
        ("timeout", "try another profiler"),
        ("runtime_error", "mend the candidate"),
        ("compile_error", "mend the candidate"),
    ],
)
def test_no_profile_is_an_answer_that_says_what_to_do(tmp_path, reason, said):
    profile = ProfileResult(ok=False, profiler="ncu", reason=reason, detail="so it\nis", report="")
    bench = Bench(tmp_path, judge=FakeJudge(verdicts, profile=profile))
    bench.good("write_candidate", source=SOURCE)
    answer = bench.bad("profile_candidate", profiler="ncu")
    assert answer.startswith(f"no profile: {reason}: so it is; ")
    assert said in answer
    assert "has not been compiled" in bench.bad("submit", strategy="x")


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


def test_declining_ends_without_a_candidate(bench):
    assert "reason is empty" in bench.bad("decline", reason="")
    bench.good("decline", reason="this operator\nneeds a language model: aten.foo")
    assert bench.bench.declined == "this operator needs a language model: aten.foo"
    assert bench.bench.done


@pytest.mark.parametrize("error", [JudgeUnavailable("no space"), SessionEnded("worker gone")])
def test_a_judge_that_cannot_work_is_told_and_remembered(tmp_path, error):
    class Failing(FakeJudge):
        down = True

        def compile(self, candidate):
            if self.down:
                raise error
            return super().compile(candidate)

    judge = Failing(verdicts)
    bench = Bench(tmp_path, judge=judge)
    bench.good("write_candidate", source=SOURCE)
    assert "no fault of the candidate: call again" in bench.bad("compile_candidate")
    assert (bench.bench.failure, bench.bench.failures) == (error, 1)
    judge.down = False
    bench.good("compile_candidate")
    assert (bench.bench.failure, bench.bench.failures) == (None, 0)


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
