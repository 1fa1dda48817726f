"""Whole judgements, in real sandboxes. One judge serves all attacks; each candidate has processes of its own."""

from contextlib import closing

import pytest

from sandbox.base import Isolation
from sandbox.errors import SandboxUnavailable
from sandbox.fake import FakeSandbox
from sandbox.opening import open_sandbox
from tests.tools.judged import PROBLEM, candidate, problem
from tools import sittings
from tools.candidate import Candidate
from tools.errors import JudgeUnavailable, RequestError
from tools.judging import SandboxedJudge
from tools.problem import JudgeSettings

pytestmark = pytest.mark.torch

HONEST = "return torch.softmax(x * self.weight, dim=-1)"
FAST = JudgeSettings(
    blocks=4, close_call_s=0, check_seeds=3, stage_timeout_s=20, memory_bytes=1500 << 20, admission=False
)


@pytest.fixture(scope="module")
def judge(enclosed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("judge")
    with closing(SandboxedJudge(problem(), enclosed, FAST, folder)) as judge:
        yield judge
    assert list(folder.iterdir()) == []


def refused(judge, what: Candidate, *reasons: str) -> None:
    result = judge.check(what)
    assert not result.passed
    assert result.reason in reasons, (result.reason, result.detail, result.log)
    assert "\n" not in result.detail


def test_the_problem_is_described(judge):
    description = judge.describe()
    case = description.cases[0]
    assert [str(item) for item in case.inputs] == ["float32[64, 512]"]
    assert [str(item) for item in case.outputs] == ["float32[64, 512]"]
    assert case.bytes_moved == 2 * 64 * 512 * 4 + 512 * 4
    assert description.oracle == "float64"
    assert description.operators == ("aten.mul.Tensor", "aten._softmax.default")
    assert description.graph is not None


def test_a_quick_measurement_has_a_figure_for_what_is_right(judge):
    found = judge.measure(candidate(HONEST))
    assert found.reason is None, found.detail
    assert set(found.cases) == {"default"}
    assert found.seconds > 0
    assert found.baseline_s == pytest.approx(found.speedup * found.seconds, rel=0.5)
    wrong = judge.measure(candidate("return torch.softmax(x, dim=-1)"))
    assert (wrong.reason, wrong.speedup) == ("wrong_output", None)


@pytest.mark.slow  # four processes, each of which imports torch
def test_a_quick_measurement_ranks_and_refuses(judge):
    """Its figure is about that of a verdict's; what does not build has none."""
    found = judge.measure(candidate(HONEST))
    slower = judge.measure(candidate(f"for _ in range(20): {HONEST.replace('return', 'y =')}\nreturn y"))
    assert slower.speedup < found.speedup / 4
    assert judge.measure(Candidate(source="class ModelNew", language="python")).reason == "compile_error"
    broken = judge.measure(candidate(HONEST, before="raise ValueError('no')"))
    assert (broken.speedup, broken.seconds) == (None, None)


def test_the_same_thing_again_is_right_and_not_faster(judge):
    verdict = judge.judge(candidate(HONEST))
    assert (verdict.status, verdict.reason) == ("accepted", None), (verdict.detail, verdict.log)
    assert verdict.faster is not True
    low, high = verdict.speedup_ci95
    assert low <= verdict.speedup <= high
    assert set(verdict.baselines) == {"eager", "torch.compile"}
    assert verdict.error.worst <= verdict.error_bound.worst
    assert verdict.isolation == judge._launcher.sandbox.isolation
    assert set(verdict.stage_seconds) >= {"screen", "compile", "check", "time"}
    assert 0 < verdict.roofline_fraction <= 1
    assert verdict.cases[0].floor_s > 0
    assert verdict.cases[0].bound == "memory"
    assert verdict.headroom == pytest.approx(verdict.cases[0].candidate.median_s / verdict.cases[0].floor_s)
    assert verdict.at_floor is not True  # 256 KiB say nothing of a machine's memory
    assert verdict.cases[0].candidate.samples >= 6
    assert verdict.language == "python"


def test_a_clock_patched_in_its_own_process_convinces_nobody(judge):
    attack = candidate(
        "for _ in range(200):\n    y = torch.softmax(x * self.weight, dim=-1)\nreturn y",
        before="import time\nticks = iter(range(10**12))\ntime.perf_counter_ns = lambda: 1000 * next(ticks)",
    )
    verdict = judge.judge(attack)
    assert (verdict.status, verdict.reason) == ("rejected", "cheat.clock_disagreement")


@pytest.mark.parametrize(
    ("before", "reason"),
    [("import os\nos._exit(0)", "compile_error"), ("import nothing_of_the_kind", "import_error")],
)
def test_a_file_that_cannot_be_imported_does_not_compile(judge, before, reason):
    refused(judge, candidate(HONEST, before=before), reason)


def test_nothing_of_the_problem_is_within_a_candidates_reach(judge):
    if judge._launcher.sandbox.isolation is Isolation.PROCESS:
        pytest.skip("a plain process hides nothing")
    spy = candidate(
        "raise RuntimeError(repr(found))",
        before="""
        import os
        found = []
        for top in ("/problem", "/cache", "/candidate", "/build", "/kernelwright", "/tmp", "/home", "/root"):
            for folder, _, files in os.walk(top):
                found += [os.path.join(folder, name) for name in files]
        for process in os.listdir("/proc"):
            if process.isdigit():
                found.append(open(f"/proc/{process}/cmdline").read() + open(f"/proc/{process}/environ").read())
        """,
    )
    result = judge.check(spy)
    assert "candidate.py" in result.log
    assert "problem.py" not in result.log
    assert "seed" not in result.log.lower().replace("seed_everything", "")


NATIVE = '''
import ctypes, hashlib, os, subprocess, tempfile
import torch
SOURCE = r"""
#include <cmath>
extern "C" void scaled_softmax(const float* x, const float* w, float* y, long rows, long width) {
    #pragma omp parallel for
    for (long r = 0; r < rows; ++r) {
        const float* a = x + r * width; float* b = y + r * width;
        float top = -INFINITY, sum = 0;
        for (long i = 0; i < width; ++i) { b[i] = a[i] * w[i]; top = b[i] > top ? b[i] : top; }
        for (long i = 0; i < width; ++i) { b[i] = expf(b[i] - top); sum += b[i]; }
        for (long i = 0; i < width; ++i) b[i] /= sum;
    }
}
"""

def library():
    folder = os.environ["KERNELWRIGHT_BUILD_DIR"]
    path = os.path.join(folder, hashlib.sha256(SOURCE.encode()).hexdigest()[:16] + ".so")
    if not os.path.exists(path):
        subprocess.run(["g++", "-O3", "-fopenmp", "-shared", "-fPIC", "-x", "c++", "-", "-o", path],
                       input=SOURCE.encode(), check=True)
    return ctypes.CDLL(path)

class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(width))
        self.library = library()
    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        p = [ctypes.c_void_p(t.data_ptr()) for t in (x, self.weight, y)]
        self.library.scaled_softmax(*p, ctypes.c_long(x.shape[0]), ctypes.c_long(x.shape[1]))
        return y
'''


def test_cpp_is_compiled_in_its_own_stage_and_found_again_read_only(judge):
    native = Candidate(source=NATIVE, language="cpp")
    built = judge.compile(native)
    assert built.ok, built.log
    assert judge.compile(native) is built
    result = judge.check(native)
    assert result.passed, (result.detail, result.log)
    # Without the library the run worker would have to build it, and may not.
    room = judge._builder._entries[native.id].room
    for path in room._build.iterdir():
        path.unlink()
    assert judge.check(native).reason == "runtime_error"


def test_a_compilers_first_error_is_what_is_told(judge):
    broken = Candidate(source=NATIVE.replace("top = -INFINITY", "top = -INFINITE"), language="cpp")
    result = judge.check(broken)
    assert result.reason == "compile_error"
    assert "INFINITE" in result.detail
    assert "error:" in result.detail


def engaged(judge, monkeypatch) -> list:
    """The crews that a judge starts from now on."""
    crews, start = [], judge._crews._make
    monkeypatch.setattr(judge._crews, "_make", lambda before: crews.append(start(before)) or crews[-1])
    return crews


def test_a_confirmation_tries_other_shapes_with_everything_fresh(judge, monkeypatch):
    judge.baselines()
    usual, engaged_later = judge._crews.now(), engaged(judge, monkeypatch)
    verdict = judge.confirm(candidate(HONEST))
    assert verdict.status == "accepted", verdict.detail
    assert len(engaged_later) == 1
    assert judge._crews.started == (usual,)  # what the other knew is not kept for the rest of the run
    assert judge._crews.now() is usual
    assert (verdict.confirmed, verdict.specialised) == (True, False)


@pytest.mark.slow  # half a minute
def test_a_close_call_is_measured_on_with_fresh_processes(judge, monkeypatch):
    for number in ("MIN_SITTINGS", "MAX_SITTINGS"):
        monkeypatch.setattr(sittings, number, 2)
    monkeypatch.setattr(sittings, "HOPELESS", 0.0)
    monkeypatch.setattr(sittings, "verdict_on", lambda interval, spread: None)
    monkeypatch.setattr(judge, "settings", FAST.model_copy(update={"close_call_s": 60}))
    told = []
    verdict = judge.confirm(candidate(HONEST), told.append)
    assert (verdict.status, verdict.sittings) == ("accepted", 2), verdict.detail
    assert verdict.stage_seconds["close call"] > 0
    assert any("fresh processes" in text for text in told)
    assert judge.judge(candidate(HONEST)).sittings == 1  # in the search, what is unclear stays so


def test_a_dead_oracle_is_our_fault_and_is_replaced(judge):
    judge.describe()
    dead = judge._crews.now()
    dead.oracle.close()
    assert judge.check(candidate(HONEST + "  # after a crash")).passed
    assert dead not in judge._crews.started


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (PROBLEM.replace("return [torch.randn", "raise OSError('gone')\n    return [torch.randn"), "raised OSError"),
        (PROBLEM.replace("x * self.weight", "x * torch.rand(512)"), "not deterministic"),
        (PROBLEM.replace("randn(ROWS", "zeros(1 << 17"), "too large: .* 1.46 GiB"),
    ],
    ids=["inputs", "random", "large"],
)
def test_a_problem_that_cannot_be_used_is_a_wrong_request(enclosed, tmp_path, source, message):
    with closing(SandboxedJudge(problem(source=source), enclosed, FAST, tmp_path)) as judge:
        with pytest.raises(RequestError, match=message):
            judge.describe()
        with pytest.raises(RequestError, match=message):
            judge.judge(candidate(HONEST))


MANY = """
import torch
class Model(torch.nn.Module):
    def __init__(self, scale, mode, options):
        super().__init__()
        self.scale, self.keep = scale, options["keep"]
        self.register_buffer("table", torch.arange(40.).reshape(10, 4))
        self.norm = torch.nn.BatchNorm1d(4)
    def forward(self, index, x, flag):
        rows = self.norm(self.table[index] * self.scale + x.t())
        top = rows.max(dim=0)
        return {"rows": rows.to(torch.bfloat16), "top": top, "sum": float(rows.abs().sum()), "none": None}
def get_inputs():
    return [torch.randint(0, 10, (17,)), torch.randn(17, 4).t().contiguous(), True]
def get_cases():
    return {"small": get_inputs(), "wide": [torch.randint(0, 10, (90,)), torch.randn(4, 180)[:, ::2], False]}
def get_init_inputs():
    return [float("inf") - float("inf") if False else 0.5, "sum", {"keep": (1, None, torch.float32)}]
"""


def test_cases_structures_buffers_and_plain_inputs_travel(enclosed, tmp_path):
    many = problem(source=MANY)
    with closing(SandboxedJudge(many, enclosed, FAST, tmp_path)) as judge:
        description = judge.describe()
        assert [case.name for case in description.cases] == ["small", "wide"]
        assert "norm.running_mean" in description.notes[0]
        assert judge._crews.now().notes == [*description.notes]
        right = MANY.replace("class Model(", "class ModelNew(").split("def get_inputs")[0]
        result = judge.check(Candidate(source=right, language="python"))
        assert result.passed, (result.reason, result.detail, result.log)
        wrong = right.replace("rows.max(dim=0)", "rows.min(dim=0)")
        assert judge.check(Candidate(source=wrong, language="python")).reason == "wrong_output"


MANY_PAGES = """
import torch
class Model(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x) + 1
def get_inputs():
    return [torch.rand(8, 1 << 18)]
"""
FAULTY = """
import resource, sys, torch
class ModelNew(torch.nn.Module):
    calls = 0
    def forward(self, x):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        y = torch.relu(x) + 1
        ModelNew.calls += 1
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        if ModelNew.calls > 90 and faults > 100:
            raise RuntimeError(f"{faults} page faults")
        return y
"""


@pytest.mark.slow
def test_no_page_is_new_in_a_timed_call(enclosed, tmp_path, monkeypatch):
    """The first calls, which check and warm up, may meet new ones; a result of 8 MiB is 2048 pages."""
    settings = FAST.model_copy(update={"memory_bytes": 4 << 30})
    with closing(SandboxedJudge(problem(source=MANY_PAGES), enclosed, settings, tmp_path)) as judge:
        crews = engaged(judge, monkeypatch)
        verdict = judge.confirm(Candidate(source=FAULTY, language="python"))
        assert verdict.status == "accepted", (verdict.detail, verdict.log)
        assert len(crews) == 1  # nothing had been measured with it


COMPILED_DIFFERS = """
import torch
class Model(torch.nn.Module):
    def forward(self, x):
        y = torch.relu(x)
        return y * (1 + 3e-5) if torch.compiler.is_compiling() else y
def get_inputs():
    return [torch.rand(4, 64)]
"""


@pytest.mark.slow
def test_a_baseline_has_to_meet_the_usual_tolerance_and_no_more(enclosed, tmp_path):
    """3e-5 is far beyond ``native``: a baseline held to that would come and go with the seeds."""
    with closing(SandboxedJudge(problem(source=COMPILED_DIFFERS), enclosed, FAST, tmp_path)) as judge:
        assert "torch.compile" in judge.baselines()
        assert judge._crews.now().notes == []


def test_a_sandbox_that_fails_is_never_held_against_a_candidate(tmp_path):
    with closing(SandboxedJudge(problem(), FakeSandbox(), FAST, tmp_path)) as judge:
        verdict = judge.judge(candidate(HONEST))
        assert (verdict.status, verdict.reason) == ("infrastructure_error", "infrastructure")
        with pytest.raises(JudgeUnavailable, match="could not be started"):
            judge.describe()
    with pytest.raises(JudgeUnavailable, match="closed"):
        judge.describe()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.docker
def test_the_same_works_in_containers(tmp_path):
    try:
        sandbox = open_sandbox(Isolation.DOCKER)
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with closing(sandbox), closing(SandboxedJudge(problem(), sandbox, FAST, tmp_path)) as judge:
        result = judge.check(Candidate(source=NATIVE, language="cpp"))
        assert result.passed, (result.reason, result.detail, result.log)
    assert list(tmp_path.iterdir()) == []
