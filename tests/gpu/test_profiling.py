"""Profilers on a GPU: each is run for real where it is installed, and says which limit a plain relu has.

Run by `make test-gpu`; nothing here runs without a GPU.
"""

import pytest

from tests.gpu.test_judging import CUDA, EAGER, TRITON
from tools.candidate import Candidate
from tools.profiling.programs import find_program
from tools.profiling.running import OUT_OF_BOUNDS

pytestmark = pytest.mark.gpu

WAITS = EAGER.replace("return torch", "float(x[0, 0].item())\n        return torch")
PEEKS = CUDA.replace("if (i < n)", "if (i == n - 1 && x[n + 16] == 1234.5678f) return;\n  if (i < n)")
"""Right on every input, and reads behind its end."""


def needs(program: str) -> None:
    if find_program(program) is None:
        pytest.skip(f"{program} is not installed here")


def profiled(judge, source: str, language: str, profiler: str):
    result = judge.profile(Candidate(source=source, language=language), profiler)
    assert result.ok, (result.reason, result.detail, result.report[-3000:])
    return result.diagnosis


@pytest.mark.parametrize(
    ("language", "source", "bound"), [("triton", TRITON, "memory"), ("cuda", CUDA, "latency")], ids=["triton", "cuda"]
)
def test_ncu_tells_what_limits_relu(judge, language, source, bound):
    needs("ncu")
    found = profiled(judge, source, language, "ncu")
    kernel = next(kernel for kernel in found.kernels if "relu_kernel" in kernel.name)
    assert found.bound == bound, found  # one float a thread: too few bytes are on their way
    assert kernel.dram_fraction > (0.6 if bound == "memory" else 0.4)
    assert kernel.registers
    assert kernel.occupancy
    assert kernel.stalls
    assert 1e-6 < kernel.seconds < 1e-3


def test_auto_is_ncu_where_it_may_look(judge):
    needs("ncu")
    assert profiled(judge, TRITON + "\n# auto\n", "triton", "auto").profiler == "ncu"


def test_torch_sees_kernels_and_waits(judge):
    found = profiled(judge, WAITS, "python", "torch")
    assert any(kernel.registers and kernel.threads for kernel in found.kernels)
    assert {"sync", "transfer"} <= {finding.kind for finding in found.findings}


def test_proton_times_the_kernel(judge):
    found = profiled(judge, TRITON, "triton", "proton")
    assert any("relu_kernel" in kernel.name for kernel in found.kernels)


@pytest.mark.parametrize(("language", "source"), [("triton", TRITON), ("cuda", CUDA)], ids=["triton", "cuda"])
def test_compilers_tell_registers(judge, language, source):
    found = profiled(judge, source, language, "compiler")
    assert all(kernel.registers for kernel in found.kernels)
    assert any("global memory" in kernel.instructions for kernel in found.kernels)


def test_nsys_says_what_it_is(judge):
    result = judge.profile(Candidate(source=TRITON, language="triton"), "nsys")
    assert result.ok or result.reason in ("profiler_missing", "profiler_refused", "timeout")
    assert result.ok or result.detail


@pytest.mark.parametrize(
    ("language", "source"), [("triton", TRITON), ("cuda", CUDA), ("python", EAGER)], ids=["triton", "cuda", "python"]
)
def test_an_honest_champion_is_noted_as_clean(judge, language, source):
    needs("compute-sanitizer")
    verdict = judge.confirm(Candidate(source=source + f"\n# {language}\n", language=language))
    assert verdict.status == "accepted", (verdict.reason, verdict.detail)
    assert "memcheck: no wrong access" in verdict.log


def test_who_reads_behind_the_end_is_no_champion(judge):
    needs("compute-sanitizer")
    verdict = judge.confirm(Candidate(source=PEEKS, language="cuda"))
    assert (verdict.status, verdict.reason) == ("rejected", OUT_OF_BOUNDS), (verdict.reason, verdict.log)
    assert "relu_kernel" in verdict.detail
