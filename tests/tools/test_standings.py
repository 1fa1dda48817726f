"""Two candidates side by side: what is told of them, and that nothing is claimed which nobody measured."""

import pytest

from tests.tools.benches import OTHER, SOURCE, Bench, Memory
from tools.candidate import Candidate
from tools.fake_judge import FakeJudge, accepted, rejected
from tools.harness.yardstick import ErrorFacts
from tools.profiling.diagnosis import Diagnosis, KernelFacts
from tools.standings import DIFF_LINES, MAX_LINES, Side, Standing, compare, conclusions, diff
from tools.verdict import CaseVerdict, CheckResult, Timing

PROFILE = Diagnosis(profiler="compiler", bound="memory", kernels=(KernelFacts(name="k", registers=40, spill_bytes=16),))


def timed(name, speedup, seconds, spread=0.01, noise=0.0):
    timing = Timing(median_s=seconds, p5_s=seconds, p95_s=seconds, samples=9)
    interval = (speedup * (1 - spread), speedup * (1 + spread))
    return CaseVerdict(
        name=name, speedup=speedup, speedup_ci95=interval, candidate=timing, baselines={"eager": timing},
        aa_spread=noise, floor_s=seconds / 2, bound="memory",
    )  # fmt: skip


def side(source=SOURCE, **known):
    candidate = Candidate(source=source, language="cpp")
    return Side(candidate.id, candidate, Standing(**known))


def told(first, second):
    return "\n".join(conclusions(first, second))


def test_everything_known_stands_side_by_side():
    cases = (timed("small", 1.5, 2e-5), timed("large", 1.5, 3e-3))
    facts = {"cases": cases, "roofline_fraction": 0.5, "error_bound": ErrorFacts(worst=4e-7, norm=3e-7)}
    first = side(verdict=accepted(1.5).model_copy(update=facts), profile=PROFILE)
    second = side(OTHER, verdict=rejected("wrong_output", "off by 3e-2"))
    text, lines = compare(first, second)
    assert text.splitlines() == [
        "what: first | second",
        f"candidate: {first.id} | {second.id}",
        "verdict: accepted | rejected: wrong_output (off by 3e-2)",
        "speed-up: 1.500 [1.485, 1.515], worst case 1.500 | -",
        "case small: 20 us, 1.500 [1.485, 1.515] | -",
        "case large: 3 ms, 1.500 [1.485, 1.515] | -",
        "error: 1e-07 / 1e-07 (worst / norm, allowed 4e-07 / 3e-07) | -",
        "roofline: 50% of the memory bandwidth | -",
        "profile: compiler: bound by memory; k 40 registers, 16 bytes spilled | -",
        "so: only the first was accepted: the other has no speed-up that counts",
    ]
    assert lines.splitlines()[:2] == [f"--- {first.id}", f"+++ {second.id}"]
    assert lines.splitlines()[-2:] == ["-        return x", "+        return x + 0"]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (accepted(1.50), accepted(1.52), "their intervals overlap: neither can be called faster"),
        (accepted(1.50), accepted(1.80), "the second is faster, 1.18 to 1.22 times"),
        (accepted(1.80), accepted(1.50), "the first is faster, 1.18 to 1.22 times"),
        (accepted(1.50), accepted(1.54), "that is no gain"),
    ],
)
def test_nobody_is_called_faster_within_noise(first, second, said):
    text = told(side(verdict=first), side(OTHER, verdict=second))
    assert said in text
    assert ("is faster" in text) == ("is faster" in said)


def test_a_noisy_machine_widens_what_counts_as_noise():
    quiet = accepted(1.5).model_copy(update={"cases": (timed("a", 1.5, 1e-3),)})
    noisy = accepted(1.8).model_copy(update={"cases": (timed("a", 1.8, 1e-3, noise=0.3),)})
    assert "the second is faster" not in told(side(verdict=quiet), side(OTHER, verdict=noisy))


def test_cases_in_which_one_is_faster_are_named():
    mine = accepted(1.5).model_copy(update={"cases": (timed("a", 1.2, 1e-3), timed("b", 1.9, 1e-3))})
    other = accepted(1.5).model_copy(update={"cases": (timed("a", 1.9, 1e-3), timed("b", 1.2, 1e-3))})
    lines = conclusions(side(verdict=mine), side(OTHER, verdict=other))
    assert lines == [
        "so: their intervals overlap: neither can be called faster",
        "so: the first is faster in b",
        "so: the second is faster in a",
    ]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ({"verdict": accepted(1.5)}, {}, "nobody has timed the second"),
        ({}, {"check": CheckResult(passed=True)}, "nobody has timed the first and the second"),
        ({"verdict": accepted(1.5)}, {"elsewhere": 2.5}, "cannot be compared"),
        ({"verdict": rejected("crash")}, {"verdict": rejected("timeout")}, "neither was accepted"),
    ],
)
def test_what_was_not_measured_here_and_now_is_not_compared(first, second, said):
    text = told(side(**first), side(OTHER, **second))
    assert said in text
    assert "is faster," not in text


def test_the_same_program_in_other_words_is_told():
    first, second = side(verdict=accepted(1.5)), side(SOURCE + "# more\n", verdict=accepted(1.5))
    assert "the same program but for comments" in told(first, second)


def test_too_long_files_have_no_diff():
    assert "too long for a diff" in diff(side(), side("pass\n" * (MAX_LINES + 1)))


class TestTheTool:
    def test_the_draft_and_an_attempt_by_the_beginning_of_its_id(self, tmp_path):
        long = SOURCE + "".join(f"# {number}\n" for number in range(400))
        known = Candidate(source=long, language="cpp").id
        bench = Bench(tmp_path, standings={known: Standing(verdict=accepted(1.5))})
        bench.bench.readable = {known: bench.store.put(long)}
        bench.good("write_candidate", source=SOURCE)
        bench.good("test_candidate")
        text = bench.good("compare_candidates", first=known[:6], second="draft")
        assert "verdict: accepted | not judged; passed its test" in text
        assert "speed-up: 1.500 [1.485, 1.515] | -" in text
        assert "so: nobody has timed the second" in text
        assert len(text.splitlines()) < DIFF_LINES + 20
        (at,) = [line for line in text.splitlines() if line.startswith("... ")]
        number = int(at.split("line=")[1].split()[0])
        assert bench.good("read_log", what="comparison", line=number).splitlines()[0] == f"-# {number - 6}"
        whole = bench.good("read_log", what="comparison")
        assert bench.store.text(bench.store.put(whole)) == whole
        assert bench.store.put(whole)[:16] in at

    def test_mistakes_are_told_with_what_mends_them(self, tmp_path):
        bench = Bench(tmp_path)
        assert "call compare_candidates first" in bench.bad("read_log", what="comparison")
        assert "what: Input should be 'log', 'profile'" in bench.bad("read_log", what="diff")
        assert "call write_candidate" in bench.bad("compare_candidates", first="draft", second="draft")
        bench.good("write_candidate", source=SOURCE)
        one = Candidate(source=SOURCE, language="cpp").id
        assert f"choose one of {one}" in bench.bad("compare_candidates", first="draft", second="ffff0000")
        assert "name two different" in bench.bad("compare_candidates", first="draft", second=one)
        assert "Call compare_candidates(first: string, second: string)" in bench.bad("compare_candidates", first="x")

    def test_a_failed_test_and_a_profile_of_a_draft_are_told(self, tmp_path):
        bench = Bench(tmp_path)
        bench.good("write_candidate", source=SOURCE + "# WRONG\n")
        bench.bad("test_candidate")
        wrong = bench.bench.draft.id
        bench.good("write_candidate", source=OTHER)
        bench.bench.profiles[bench.bench.draft.id] = PROFILE
        text = bench.good("compare_candidates", first=wrong, second="draft")
        assert "verdict: not judged; failed its test: wrong_output | not judged" in text
        assert "profile: - | compiler: bound by memory" in text

    def test_what_memory_knows_is_of_another_run(self, tmp_path):
        bench = Bench(tmp_path, memory=Memory(), judge=FakeJudge(lambda source: accepted(1.5)))
        bench.good("search_memory", text="softmax")
        bench.good("write_candidate", source=SOURCE)
        found = Candidate(source=OTHER, language="cpp").id
        text = bench.good("compare_candidates", first=found, second="draft")
        assert "speed-up: 2.500 there | -" in text
        assert "cannot be compared" in text
