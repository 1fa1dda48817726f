"""The profilers' contract as tests. A profiler's test class inherits ``ProfilerContract``, and gives the profiler and a
report of its form.
"""

# ruff: noqa: D102 - the name of a test says what it tests

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.base import GRANTABLE
from sandbox.devices import Device
from tools.profiling.base import MARK, MAX_KERNELS, Output, Place, Profiler
from tools.profiling.diagnosis import Diagnosis, ProfilerFailed

GPU = Device("cuda", "a GPU", "sm90", 1 << 30)
BARE = Place(None, lambda name: None)
BARE_GPU = Place(GPU, lambda name: None)
FULL = Place(GPU, lambda name: Path("/opt/vendor/bin", name))
RUBBISH = (
    "",
    "\0\x1b[31m\ud7ff",
    '"ID","Process ID"\n"0"\n' * 3,
    "Start (ns),Duration (ns),a,b,c\n1,nan,,,\n",
    f"{MARK}[]",
    f"{MARK}{{",
    f"{MARK}{'[' * 100_000}",
    f'{MARK}{{"calls": 0, "tree": [{{"metrics": 3}}], "events": [1, {{"ts": "x", "dur": 1e999}}]}}',
    "========= ERROR SUMMARY: many errors",
)


class ProfilerContract:
    """Inherited by the tests of every profiler."""

    @pytest.fixture
    def profiler(self) -> Profiler:
        """The profiler under test."""
        raise NotImplementedError

    @pytest.fixture
    def report(self) -> str:
        """Standard output of a run with something to find."""
        raise NotImplementedError

    def test_what_is_missing_is_said_in_one_line(self, profiler: Profiler) -> None:
        for place in (BARE, BARE_GPU):
            why = profiler.missing(place)
            assert why is None or (len(why) > 20 and "\n" not in why)
        assert profiler.missing(FULL) is None
        assert profiler.name.isidentifier()
        assert 10 < len(profiler.purpose) < 100

    def test_plans_can_be_carried_out(self, profiler: Profiler) -> None:
        plans = profiler.plans(FULL)
        assert plans
        harness = Path(__file__).resolve().parents[1] / "harness"
        for plan in plans:
            assert (harness / plan.program).is_file()
            assert set(plan.capabilities) <= GRANTABLE
            assert plan.instrumented or not plan.capabilities
            assert plan.tool is None or str(plan.tool) in plan.prefix
            assert plan.calls >= 1
            assert plan.warmup >= 0

    def test_a_report_becomes_a_ranked_diagnosis(self, profiler: Profiler, report: str) -> None:
        found = profiler.parse(Output(report))
        assert found.profiler == profiler.name
        assert found.findings
        severities = [finding.severity for finding in found.findings]
        assert severities == sorted(severities, reverse=True)
        lines = [text for finding in found.findings for text in (finding.evidence, finding.advice)]
        assert all(text and "\n" not in text for text in [*lines, *found.notes])
        seconds = [kernel.seconds or 0.0 for kernel in found.kernels]
        assert seconds == sorted(seconds, reverse=True)
        assert sum(kernel.share or 0.0 for kernel in found.kernels) < 1.001
        assert len(found.kernels) <= MAX_KERNELS
        assert Diagnosis.model_validate_json(found.model_dump_json()) == found

    def test_the_same_report_reads_the_same(self, profiler: Profiler, report: str) -> None:
        assert profiler.parse(Output(report)) == profiler.parse(Output(report))

    @pytest.mark.parametrize("rubbish", RUBBISH, ids=range(len(RUBBISH)))
    def test_rubbish_is_no_diagnosis_and_no_error(self, profiler: Profiler, rubbish: str) -> None:
        with pytest.raises(ProfilerFailed) as failed:
            profiler.parse(Output(rubbish, rubbish, 1))
        assert failed.value.detail

    def test_a_report_that_breaks_off_is_survived(self, profiler: Profiler, report: str) -> None:
        for size in range(0, len(report), max(1, len(report) // 60)):
            for text in (report[:size], report[size:]):
                try:
                    assert profiler.parse(Output(text)).profiler == profiler.name
                except ProfilerFailed as error:
                    assert error.detail  # noqa: PT017 - either is right

    def test_the_candidates_error_is_its_own(self, profiler: Profiler) -> None:
        facts = json.dumps({"error": "ValueError: no such shape"})
        with pytest.raises(ProfilerFailed, match="no such shape") as failed:
            profiler.parse(Output(f"{MARK}{facts}\n"))
        assert failed.value.reason == "runtime_error"

    @pytest.mark.parametrize("kind", ["missing", "refused"])
    def test_what_the_program_could_not_use_is_the_machines(self, profiler: Profiler, kind: str) -> None:
        with pytest.raises(ProfilerFailed, match="not here") as failed:
            profiler.parse(Output(f"{MARK}{json.dumps({kind: 'it is not here'})}\n"))
        assert failed.value.reason == f"profiler_{kind}"
