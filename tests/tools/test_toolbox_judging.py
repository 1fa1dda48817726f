"""Tools that ask the judge: building, testing, timing and profiling a draft, and its submission."""

from __future__ import annotations

import pytest

from sandbox.errors import SessionEnded
from tests.tools.benches import ID, OTHER, SOURCE, Bench, verdicts
from tools.answers import FULL_LOG_CHARS, LOG_LINES
from tools.candidate import Candidate
from tools.errors import JudgeUnavailable
from tools.fake_judge import FakeJudge, describe_softmax, rejected
from tools.profiling.diagnosis import Diagnosis, Finding, KernelFacts, ProfileResult
from tools.profiling.telling import rates_text
from tools.roofline import Floor
from tools.verdict import Measurement


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


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
    assert "good for choosing" in told
    assert judge.judged == []
    bench.good("submit", strategy="quick")


def test_a_look_is_taken_again_where_the_machine_is_busy_and_says_so_where_it_stays_so(tmp_path):
    def look(baseline_s):
        return Measurement(speedup=1e-3 / baseline_s, cases={"default": 1e-3}, baseline_s=baseline_s)

    def told(*baselines_s):
        left = iter(baselines_s)
        bench = Bench(tmp_path, judge=FakeJudge(verdicts, measurements=lambda source: look(next(left))))
        bench.good("write_candidate", source=SOURCE)
        text = bench.good("time_candidate")
        return text, sum(1 for _ in left)

    text, left = told(2.5e-3, 1.1e-3, 1e-3)  # recorded: 1 ms
    assert left == 1
    assert "about 0.91x" in text
    assert "the baseline 0.0011 s there, 0.001 s when it was recorded). A quick look" in text
    text, left = told(2.5e-3, 0.5e-3, 1.6e-3, 1e-3)
    assert left == 1
    assert "the baseline 0.0016 s there" in text
    assert "busy with other work: choose nothing by this" in text


def test_the_share_of_a_doubted_floor_is_not_told():
    case = describe_softmax().cases[0]
    sure, doubted = (case.model_copy(update={"floor": Floor(1e-4, "memory", doubt)}) for doubt in (None, "a guess"))
    assert rates_text(sure, 4e-4).endswith("; 25 % of what the memory bandwidth allows")
    assert "allows" not in rates_text(doubted, 4e-4)
    assert (rates_text(case, None), rates_text(case.model_copy(update={"bytes_moved": 0, "flops": 0}), 1.0)) == ("", "")


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
