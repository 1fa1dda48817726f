"""Candidates under profilers: what is run, what comes of failures, and the real thing where there is no GPU."""

import importlib.util
import json
import re
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from sandbox.base import Execution, Isolation, Mount
from sandbox.devices import Device
from sandbox.errors import SandboxError
from sandbox.fake import FakeSandbox
from tests.tools.judged import candidate, problem
from tests.tools.test_dry_run import source_of
from tests.tools.test_profilers import facts, stored
from tools.answers import ToolRefusal
from tools.artifacts import ArtifactStore
from tools.candidate import Candidate
from tools.compiling import Builder
from tools.contender import Rejected
from tools.crew import Site
from tools.errors import JudgeUnavailable
from tools.exclusion import Machine
from tools.fake_judge import accepted
from tools.judging import SandboxedJudge
from tools.languages.cpp import CPP_GUIDE
from tools.languages.triton import TRITON_GUIDE
from tools.launching import Launcher
from tools.oracle import Constructor
from tools.problem import JudgeSettings, Problem
from tools.profiling import running
from tools.profiling.excerpts import NoCode, code_text
from tools.profiling.programs import mounts_for
from tools.profiling.running import OUT_OF_BOUNDS, Profiling
from tools.workbench import Workbench

GPU = Device("cuda", "a GPU", "sm90", 1 << 30, nodes=("/dev/null",))
DRAFT = Candidate(source="class ModelNew: pass", language="cuda")
DENIED = "==ERROR== ERR_NVGPUCTRPERM - no\n"
UNKNOWN = "==ERROR== Failed to find metric x\n"
CLEAN = "========= ERROR SUMMARY: 0 errors\n"


def ended(stdout: str = "", stderr: str = "", **how) -> Execution:
    return Execution(0, stdout.encode(), stderr.encode(), 0.1, **how)


HUNG = ended(timed_out=True)


class OneRoom:
    """A builder of which every candidate is built, or none."""

    def __init__(self, folder: Path, error: Exception | None = None) -> None:
        self.folder, self.error = folder, error
        self.path = "/candidate/candidate.py"

    @contextmanager
    def borrowed(self, candidate):
        if self.error is not None:
            raise self.error
        yield self

    def shown(self, *, building):
        assert not building
        return (Mount(self.folder, "/candidate"),), {"KERNELWRIGHT_BUILD_DIR": "/build"}


@pytest.fixture
def profiling(tmp_path, monkeypatch):
    """Made with scripted replies; every program is installed."""
    monkeypatch.setattr(running, "find_program", lambda name: Path("/opt/vendor/1/bin", name))
    monkeypatch.setattr(running, "mounts_for", lambda tool, isolation: ())

    def make(*replies, device: Device | None = GPU, error: Exception | None = None, **settings):
        sandbox = FakeSandbox(replies)
        launcher = Launcher(sandbox, threads=2, memory_bytes=1 << 30, timeout_s=5, device=device)
        site = Site(Problem("p", ""), tmp_path, tmp_path, 1 << 30)
        builder = OneRoom(tmp_path, error)
        return sandbox, Profiling(launcher, builder, site, JudgeSettings(**settings), Machine())

    return make


def test_ncu_is_run_with_what_it_needs_and_nothing_else_is(profiling):
    sandbox, profilers = profiling(ended(stored("ncu_raw.csv")), ended(facts(events=[])))
    result = profilers.profile(DRAFT, "ncu")
    assert result.ok
    assert "relu_kernel" in result.report
    assert "@profiled" not in result.report
    profilers.profile(DRAFT, "torch")
    ncu, torch = sandbox.jobs
    assert ncu.argv[0].endswith("/bin/ncu")
    assert (ncu.capabilities, ncu.instrumented, ncu.devices) == (("CAP_PERFMON",), True, GPU.nodes)
    assert (torch.capabilities, torch.instrumented, torch.argv[0]) == ((), False, "python")
    request = json.loads(ncu.argv[-1])
    assert (request["mode"], request["calls"], request["device"]) == ("range", 1, "cuda")
    assert ncu.limits.wall_s <= 60
    assert not any(mount.writable for mount in ncu.mounts)


def test_a_refusal_is_tried_otherwise_and_what_worked_is_remembered(profiling):
    good = ended(stored("ncu_raw.csv"))
    replies = ended(DENIED), ended(DENIED), SandboxError("no such capability"), good, good
    sandbox, profilers = profiling(*replies, profile_as_admin=True)
    assert profilers.profile(DRAFT, "ncu").ok
    assert profilers.profile(DRAFT, "ncu").ok
    assert [job.capabilities[-1] for job in sandbox.jobs] == ["CAP_PERFMON"] * 2 + ["CAP_SYS_ADMIN"] * 3
    assert "--section" in sandbox.jobs[-1].argv


def test_auto_goes_on_to_what_works_and_says_why(profiling):
    told = ended(facts(events=[{"kind": "call", "name": "c", "ts": 0, "dur": 9}]))
    sandbox, profilers = profiling(*[ended(DENIED)] * 2, told, told)
    first, second = (profilers.profile(DRAFT, "auto") for _ in range(2))
    assert (first.ok, first.profiler, second.profiler) == (True, "torch", "torch")
    assert any("ERR_NVGPUCTRPERM" in note for note in first.diagnosis.notes)
    assert any("ERR_NVGPUCTRPERM" in note for note in second.diagnosis.notes)
    assert len(sandbox.jobs) == 4  # ncu is not tried again


def test_a_hang_costs_its_limit_and_the_next_one_is_tried(profiling):
    told = ended(facts(events=[{"kind": "call", "name": "c", "ts": 0, "dur": 9}]))
    _, profilers = profiling(HUNG, told, HUNG, profile_s=7)
    assert profilers.profile(DRAFT, "auto").profiler == "torch"
    result = profilers.profile(DRAFT, "nsys")
    assert (result.ok, result.reason) == (False, "timeout")
    assert "nsys did not end within 7 s" in result.detail


def test_auto_does_not_wait_for_ever_for_one_that_hangs(profiling):
    told = ended(facts(events=[{"kind": "call", "name": "c", "ts": 0, "dur": 9}]))
    sandbox, profilers = profiling(HUNG, told, HUNG, told, told)
    assert [profilers.profile(DRAFT, "auto").profiler for _ in range(3)] == ["torch"] * 3
    assert [job.argv[0].endswith("ncu") for job in sandbox.jobs] == [True, False, True, False, False]


def test_the_candidates_own_error_ends_auto(profiling):
    sandbox, profilers = profiling(ended(facts(error="ValueError: no")))
    result = profilers.profile(DRAFT, "auto")
    assert (result.ok, result.reason, result.detail) == (False, "runtime_error", "ValueError: no")
    assert len(sandbox.jobs) == 1


def test_nothing_works_is_said_in_one_line(profiling):
    sandbox, profilers = profiling(*[HUNG] * 3)
    result = profilers.profile(DRAFT, "auto")
    assert (result.ok, result.reason, len(sandbox.jobs)) == (False, "timeout", 3)
    assert [name for name in ("ncu", "torch", "compiler") if name in result.detail] == ["ncu", "torch", "compiler"]


def test_what_is_missing_off_or_unknown_runs_nothing(profiling):
    sandbox, profilers = profiling(device=None)
    assert {profilers.profile(DRAFT, name).reason for name in ("ncu", "nsys", "proton", "nope")} == {"profiler_missing"}
    _, off = profiling(profile_s=0)
    assert "profile_s is 0" in off.profile(DRAFT, "auto").detail
    _, broken = profiling(error=Rejected("compile_error", "it does not compile", "line 3"))
    assert broken.profile(DRAFT, "ncu").model_dump(include={"ok", "reason", "report"}) == {
        "ok": False, "reason": "compile_error", "report": "line 3",
    }  # fmt: skip
    assert sandbox.jobs == []


def test_memory_that_runs_out_is_told(profiling):
    _, profilers = profiling(ended(out_of_memory=True))
    assert "memory ran out under torch" in profilers.profile(DRAFT, "torch").detail


class TestChampions:
    def test_a_wrong_access_rejects(self, profiling):
        _, profilers = profiling(ended(stored("memcheck.txt")))
        with pytest.raises(Rejected) as rejected:
            profilers.examine(accepted(2.0), DRAFT, {})
        assert rejected.value.reason == OUT_OF_BOUNDS
        assert "Invalid __global__ write of size 4 bytes at relu_kernel" in rejected.value.detail

    def test_a_clean_one_is_noted(self, profiling):
        sandbox, profilers = profiling(ended(facts() + CLEAN))
        stages = {"time": 1.0}
        verdict = profilers.examine(accepted(2.0), DRAFT, stages)
        assert (verdict.status, verdict.log) == ("accepted", "memcheck: no wrong access")
        assert set(verdict.stage_seconds) == {"time", "memcheck"}
        assert dict(sandbox.jobs[0].env)["PYTORCH_NO_CUDA_MEMORY_CACHING"] == "1"
        assert sandbox.jobs[0].instrumented
        assert not sandbox.jobs[0].capabilities

    @pytest.mark.parametrize(
        ("reply", "said"),
        [
            (HUNG, "did not end"),
            (SandboxError("no bubblewrap"), "no bubblewrap"),
            (ended("Unable to attach\n"), "Unable to attach"),
            (ended(facts(error="ValueError: no") + CLEAN), "ValueError"),
        ],
    )
    def test_a_check_that_could_not_be_made_is_a_note(self, profiling, reply, said):
        _, profilers = profiling(reply)
        verdict = profilers.examine(accepted(2.0), DRAFT, {})
        assert verdict.status == "accepted"
        assert verdict.log.startswith("memcheck was not made: ")
        assert said in verdict.log

    def test_our_own_failure_is_a_note_too(self, profiling):
        _, profilers = profiling(error=JudgeUnavailable("no space"))
        assert "no space" in profilers.examine(accepted(2.0), DRAFT, {}).log

    def test_it_is_made_on_a_gpu_of_what_was_accepted_unless_switched_off(self, profiling):
        for verdict, made in (
            (accepted(2.0), profiling(memcheck_s=0)),
            (accepted(2.0), profiling(device=None)),
            (accepted(2.0).model_copy(update={"status": "rejected"}), profiling()),
        ):
            assert made[1].examine(verdict, DRAFT, {}) == verdict
            assert made[0].jobs == []


def test_a_profilers_own_folder_is_shown_and_the_systems_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.profiling.programs._VENDOR", tmp_path / "vendor")
    (tmp_path / "vendor/tool/2025/target").mkdir(parents=True)
    tool = tmp_path / "vendor/tool/2025/ncu"
    assert mounts_for(tool, Isolation.BUBBLEWRAP) == (Mount(tmp_path / "vendor", str(tmp_path / "vendor")),)
    assert mounts_for(tool, Isolation.PROCESS) == ()
    toolkit = Path("/usr/local/cuda-13.0/bin/compute-sanitizer")
    monkeypatch.setattr("tools.profiling.programs._VENDOR", tmp_path / "none")
    assert mounts_for(toolkit, Isolation.BUBBLEWRAP) == ()
    assert mounts_for(toolkit, Isolation.DOCKER) == (Mount(Path("/usr/local/cuda-13.0"), "/usr/local/cuda-13.0"),)
    assert mounts_for(Path("/usr/bin/nsys"), Isolation.DOCKER) == ()


def test_a_program_in_ncus_place_is_shown_and_keeps_its_capability(enclosed, tmp_path, monkeypatch):
    """A shell script instead of ncu, in the real sandbox: mounts, privileges and what it is told to run."""
    tool = tmp_path / "vendor/ncu-2025/ncu"
    tool.parent.mkdir(parents=True)
    script = 'grep -E "CapEff|CapBnd" /proc/self/status >&2; echo "$@" >&2; cat "$(dirname "$0")/report.csv"'
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    (tool.parent / "report.csv").write_text(stored("ncu_raw.csv"))
    for folder in (tmp_path, *tmp_path.parents[:2], tool.parent, tool.parent.parent):
        folder.chmod(0o755)
    monkeypatch.setattr(running, "find_program", lambda name: tool)
    device = Device("cuda", "an H200 that is not here", "sm90", 1 << 30)
    launcher = Launcher(enclosed, threads=1, memory_bytes=1 << 30, timeout_s=100, device=device)
    site = Site(Problem("p", ""), tmp_path, tmp_path, 1 << 30)
    result = Profiling(launcher, OneRoom(tmp_path), site, JudgeSettings(), Machine()).profile(DRAFT, "ncu")
    assert result.ok, (result.detail, result.report)
    assert result.diagnosis.bound == "latency"
    assert "/tools/harness/profiled.py" in result.report
    if enclosed.isolation is Isolation.BUBBLEWRAP:
        assert "CapEff:\t0000004000000000" in result.report  # CAP_PERFMON and nothing else


@pytest.fixture(scope="module")
def judge(enclosed, tmp_path_factory):
    settings = JudgeSettings(threads=1, admission=False, compiled=False, memory_bytes=2 << 30)
    with closing(SandboxedJudge(problem(256), enclosed, settings, tmp_path_factory.mktemp("judge"))) as judge:
        yield judge


@pytest.mark.torch
class TestOnThisProcessor:
    """The real judge, sandbox, compilers and torch's profiler."""

    def test_torchs_operators_are_found_where_they_take_the_time(self, judge):
        result = judge.profile(candidate("return torch.softmax((x * self.weight).clone(), dim=-1)"), "auto")
        assert result.ok, (result.detail, result.report)
        names = {kernel.name for kernel in result.diagnosis.kernels}
        assert {"aten::mul", "aten::_softmax", "aten::copy_"} <= names
        assert result.diagnosis.seconds > 0
        assert "aten::_softmax" in result.report

    def test_what_a_candidate_prints_or_raises_is_no_diagnosis(self, judge):
        said = 'print(\'@profiled {"calls": 1, "events": []}\')'
        result = judge.profile(candidate(f"{said}\nreturn torch.softmax(x * self.weight, dim=-1)"), "torch")
        assert result.ok
        assert result.diagnosis.kernels
        result = judge.profile(candidate("raise ValueError('not today')"), "torch")
        assert (result.reason, result.detail) == ("runtime_error", "ValueError: not today")

    def test_it_has_the_references_parameters(self, judge):
        body = "assert float(self.weight.sum()) != 0.0\nreturn x"
        result = judge.profile(candidate(body, construct="with torch.no_grad(): self.weight.zero_()"), "torch")
        assert result.ok, result.detail

    def test_the_instructions_of_a_library_are_counted(self, judge):
        source = source_of(CPP_GUIDE).replace("x[i] < 0.0f ? 0.0f : x[i]", "x[i] * 3.0f")
        source = source.replace(
            "def forward", "def __init__(self, width):\n        super().__init__()\n    def forward"
        )
        result = judge.profile(Candidate(source=source, language="cpp"), "compiler")
        assert result.ok, (result.detail, result.report)
        assert any("vectors" in name for kernel in result.diagnosis.kernels for name in kernel.instructions)

    def test_the_generated_code_shows_what_keeps_a_loop_from_vectors(self, judge, tmp_path):
        guide = source_of(CPP_GUIDE).replace(
            "def forward", "def __init__(self, width):\n        super().__init__()\n    def forward"
        )
        wide = Candidate(source=guide, language="cpp")
        called = guide.replace("<cstdint>", "<cstdint>\n#include <cmath>").replace("x[i] < 0.0f ? 0.0f : x[i]", "NEW")
        scalar = Candidate(source=called.replace("NEW", "std::exp(x[i])"), language="cpp")
        (text,) = judge.code(wide).texts
        assert (text.part, text.about) == ("machine", "")
        first = next(line for line in code_text(judge.code(wide), "machine")[0].splitlines() if line[:2] == "1.")
        assert re.search(
            r"relu.*: loop, depth \d, \d+ instructions, lines \d+ to \d+; (512|256|128)-bit vectors: v?mov", first
        )
        slow = code_text(judge.code(scalar), "machine")[0]
        assert re.search(r"^1\. .*one number: .*; calls expf@plt", slow, re.MULTILINE), slow
        with pytest.raises(NoCode, match="torch's operators do the work"):
            code_text(judge.code(candidate("return x")), "machine")
        broken = judge.code(candidate("return x", before="import no_such_module"))
        assert (broken.ok, broken.reason) == (False, "import_error")
        store = ArtifactStore(tmp_path)
        bench = Workbench(judge, problem(256), judge.describe(), store, {"eager": 1e-3}, "cpp", "")
        bench.write_candidate(guide.replace("x[i] < 0.0f", "z[i] < 0.0f"))
        number = 1 + next(at for at, line in enumerate(guide.splitlines()) if "y[i] = x[i] < 0.0f" in line)
        with pytest.raises(ToolRefusal, match=rf"\nline {number} of the candidate: for \(int64_t i = 0.*‘?z"):
            bench.compile_candidate()

    def test_what_does_not_build_is_told_as_by_the_build(self, judge):
        result = judge.profile(candidate("return x", before="import no_such_module"), "auto")
        assert (result.ok, result.reason) == (False, "import_error")


SPILLING = """
import torch, triton
import triton.language as tl

@triton.jit
def greedy_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    a = tl.load(x_ptr + at)
    b = tl.load(x_ptr + at + n)
    c = tl.load(x_ptr + at + 2 * n)
    s = tl.sum(a + b + c)  # all of them are needed again after it
    tl.store(y_ptr + at, a * s)
    tl.store(y_ptr + at + n, b * s)
    tl.store(y_ptr + at + 2 * n, c * s)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        y = torch.empty_like(x)
        greedy_kernel[(1,)](x, y, x.numel() // 4, BLOCK=1024, num_warps=1, maxnreg=32)
        return y
"""
FORM = {"spec": {"list": [{"tensor": 0}]}, "tensors": [["float32", [128, 64], [64, 1], 8192]]}


@pytest.mark.torch
@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed here")
def test_triton_kernels_are_taken_apart_without_a_gpu(enclosed, tmp_path):
    """Built as for an H200, where none is: the real compiler's cubins, and NVIDIA's own tools to read them."""
    device = Device("cuda", "an H200 that is not here", "sm90", 1 << 30)
    launcher = Launcher(enclosed, threads=1, memory_bytes=3 << 30, timeout_s=100, device=device)
    nothing = Constructor(init={"list": []}, tensors=(), state={}, payload=(), seed=1)
    with closing(launcher), closing(Builder(launcher, tmp_path, lambda: nothing, lambda: [FORM])) as builder:
        site = Site(Problem("p", ""), tmp_path, tmp_path, 1 << 30)
        profilers = Profiling(launcher, builder, site, JudgeSettings(), Machine())
        plain = profilers.profile(Candidate(source=source_of(TRITON_GUIDE), language="triton"), "compiler")
        assert plain.ok, (plain.detail, plain.report)
        (relu,) = plain.diagnosis.kernels
        assert (relu.name, relu.threads, relu.spill_bytes, relu.limited_by) == ("relu_kernel", 128, 0, "warps")
        assert 8 <= relu.registers <= 40
        assert relu.instructions["global memory"] == 4  # two loads and two stores of 16 bytes
        assert plain.diagnosis.findings == ()
        spilling = profilers.profile(Candidate(source=SPILLING, language="triton"), "compiler")
        assert spilling.ok, (spilling.detail, spilling.report)
        assert spilling.diagnosis.kernels[0].spill_bytes > 0
        assert spilling.diagnosis.findings[0].kind == "spills"
        assert "STL" in spilling.report
        plain = Candidate(source=source_of(TRITON_GUIDE), language="triton")
        code = profilers.code(plain, builder.compile(plain))
        assert {text.part for text in code.texts} == {"machine", "ptx", "ttgir"}
        sass, whole = code_text(code, "machine")
        assert "relu_kernel: REG:" in sass
        assert "global accesses a thread: 128 bits 4" in sass
        assert "LDG.E.128" in whole
        assert "ld.global.v4.b32 2" in code_text(code, "ptx")[0]
        assert "#ttg.blocked<{sizePerThread = [4]" in code_text(code, "ttgir")[0]
