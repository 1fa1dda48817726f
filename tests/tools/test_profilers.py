"""Every profiler: the contract, and what it makes of reports in its form.

What compiled code looks like was recorded (``nvcc`` 13, ``cuobjdump``; objdump). The reports of ncu, nsys,
compute-sanitizer and Proton, and a GPU's events of torch.profiler, are written in the form that is documented: no GPU
was there to record them.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tools.profiling.base import MARK, Output, number, sections_of
from tools.profiling.compiler import Compiler, occupancy_limit
from tools.profiling.conformance import FULL, ProfilerContract
from tools.profiling.diagnosis import ProfilerFailed
from tools.profiling.ncu import METRICS, Ncu
from tools.profiling.nsys import Nsys
from tools.profiling.proton import Proton
from tools.profiling.sanitizer import Sanitizer
from tools.profiling.torch_profiler import OWN_CODE, TorchProfiler
from tools.profiling.vectors import counted

FIXTURES = Path(__file__).parents[1] / "fixtures" / "profiling"


def stored(name: str) -> str:
    return (FIXTURES / name).read_text()


def facts(**told) -> str:
    return f"{MARK}{json.dumps({'calls': 2, 'case': 'default', 'device': 'cuda', **told})}\n"


def event(kind, name, begin_us, lasted_us, thread="1", **details):
    return {"kind": kind, "name": name, "ts": begin_us, "dur": lasted_us, "tid": thread, **details}


class TestNcu(ProfilerContract):
    @pytest.fixture
    def profiler(self):
        return Ncu()

    @pytest.fixture
    def report(self):
        return stored("ncu_raw.csv")

    @pytest.mark.parametrize(
        ("name", "bound", "seconds", "dram", "registers"),
        [("ncu_h200_triton.csv", "memory", 124.7e-6, 0.854, 17), ("ncu_h200_cuda.csv", "latency", 200.4e-6, 0.537, 16)],
        ids=["vectors", "one float a thread"],
    )
    def test_reports_of_an_h200(self, profiler, name, bound, seconds, dram, registers):
        """Of the two guides' ReLU, 16384 x 4096 in float32; Nsight Compute of CUDA 13.0, 2026-11-29."""
        found = profiler.parse(Output(stored(name)))
        (kernel,) = found.kernels
        assert (found.bound, kernel.registers) == (bound, registers)
        assert (kernel.seconds, kernel.dram_fraction) == (
            pytest.approx(seconds, rel=1e-3),
            pytest.approx(dram, rel=1e-3),
        )
        if bound == "latency":
            assert "vector loads" in found.findings[0].advice

    def test_units_thousands_and_several_launches(self, profiler, report):
        slow, quick = profiler.parse(Output(report)).kernels
        assert (slow.name[:18], slow.launches, slow.threads, slow.shared_bytes) == (
            "void reduce_kernel",
            1,
            1024,
            17410,
        )
        assert (quick.name, quick.launches, quick.registers) == ("relu_kernel", 2, 24)
        assert quick.seconds == pytest.approx(41.6e-6)
        assert quick.dram_fraction == pytest.approx(0.8812)  # of its longest launch
        assert (slow.limited_by, quick.limited_by) == ("registers", "warps")
        assert next(iter(slow.stalls)) == "barrier"
        assert "gmma" not in slow.stalls  # n/a

    def test_the_slow_kernel_waits_and_the_quick_one_is_at_the_memory(self, profiler, report):
        found = profiler.parse(Output(report))
        assert found.bound == "latency"
        kinds = [(item.kind, item.evidence[:4]) for item in found.findings]
        assert kinds[:3] == [("latency", "void"), ("occupancy", "void"), ("memory", "relu")]
        assert "barrier" in found.findings[0].evidence
        assert ("divergence", "void") in kinds

    @pytest.mark.parametrize("gone", [5, 11, 12, 19, 25, 30])
    def test_columns_may_be_missing(self, profiler, report, gone):
        import csv
        import io

        lines = report.splitlines()
        begin = next(at for at, line in enumerate(lines) if line.startswith('"ID"'))
        rows = [row[:gone] + row[gone + 1 :] for row in csv.reader(lines[begin:])]
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
        assert len(profiler.parse(Output(text.getvalue())).kernels) == 2

    @pytest.mark.parametrize(
        "said",
        [
            "==ERROR== ERR_NVGPUCTRPERM - The user does not have permission to access NVIDIA GPU Performance Counters",
            "==ERROR== Failed to find metric sm__no_such_thing",
            "setpriv: apply capabilities: Operation not permitted",
            "==ERROR== unrecognised option '--clock-control'. Use --help for further details.",
        ],
    )
    def test_a_refusal_is_the_machines(self, profiler, said):
        for output in (Output(facts() + said), Output(said), Output(facts(), said, 1)):
            with pytest.raises(ProfilerFailed) as failed:
                profiler.parse(output)
            assert failed.value.reason == "profiler_refused"

    def test_no_kernels_is_told(self, profiler):
        said = "==PROF== Connected to process 1\n" + facts() + "==WARNING== No kernels were profiled.\n"
        with pytest.raises(ProfilerFailed, match="a call launches none"):
            profiler.parse(Output(said))

    def test_the_smaller_privilege_and_our_own_metrics_come_first(self, profiler):
        plans = profiler.plans(FULL)
        assert {plan.capabilities for plan in plans} == {("CAP_PERFMON",)}
        allowed = profiler.plans(replace(FULL, as_admin=True))
        assert allowed[:2] == plans
        assert [plan.capabilities for plan in allowed[2:]] == [("CAP_PERFMON", "CAP_SYS_ADMIN")] * 2
        assert ",".join(METRICS) in plans[0].prefix
        assert "--section" in plans[1].prefix
        assert all(word in plans[0].prefix for word in ("--csv", "raw", "none", "off"))


class TestTorchProfiler(ProfilerContract):
    @pytest.fixture
    def profiler(self):
        return TorchProfiler()

    @pytest.fixture
    def report(self):
        listed = []
        for begin in (0, 1000):
            listed += [
                event("call", "kernelwright.call", begin, 900),
                event("api", "cudaLaunchKernel", begin + 10, 5),
                event("api", "cudaStreamSynchronize", begin + 500, 300),
                event("kernel", "relu", begin + 100, 50, "7", registers=24, block=[128, 1, 1], shared=0, occupancy=92),
                event("kernel", "add", begin + 400, 50, "7", registers=16, block=[256, 2, 1]),
                event("copy", "Memcpy DtoH (Device -> Pageable)", begin + 600, 10, "7"),
                event("copy", "Memcpy DtoD (Device -> Device)", begin + 450, 20, "7"),
            ]
        return "a table\n" + facts(events=[*listed, event("api", "cudaDeviceSynchronize", 2000, 5)])

    def test_gaps_waits_and_copies(self, profiler, report):
        found = profiler.parse(Output(report))
        by_kind = {item.kind: item.evidence for item in found.findings}
        assert set(by_kind) == {"launch", "sync", "transfer"}
        assert "2 launches a call of 65 us each" in by_kind["launch"]
        assert "1 times a call (cudaStreamSynchronize)" in by_kind["sync"]  # not the one after the calls
        assert by_kind["transfer"].startswith("1 copies")
        relu = next(kernel for kernel in found.kernels if kernel.name == "relu")
        assert (relu.registers, relu.threads, relu.occupancy_limit) == (24, 128, 0.92)
        assert relu.seconds == pytest.approx(50e-6)

    def test_time_of_operators_is_their_own(self, profiler):
        listed = [
            event("operator", "aten::randn", -50, 40),
            event("call", "kernelwright.call", 0, 100),
            event("operator", "aten::copy_", 10, 30),  # begins with the one around it
            event("operator", "aten::clone", 10, 40),
            event("operator", "aten::mul", 60, 10),
            event("operator", "aten::mul", 75, 10, "2"),  # another thread's
        ]
        found = profiler.parse(Output(facts(events=listed, device="cpu")))
        seconds = {kernel.name: round(kernel.seconds * 1e6) for kernel in found.kernels}
        assert seconds == {OWN_CODE: 50, "aten::copy_": 30, "aten::clone": 10, "aten::mul": 10}
        assert [item.kind for item in found.findings] == ["hotspot", "memory"]

    def test_many_small_operators_are_launches(self, profiler):
        calls = [event("call", "kernelwright.call", 0, 100)]
        listed = calls + [event("operator", f"aten::op{at}", 5 + 9 * at, 8) for at in range(10)]
        found = profiler.parse(Output(facts(events=listed, device="cpu")))
        assert found.bound == "launch"
        assert "10 operators of torch a call, 8 us each" in found.findings[0].evidence


class TestProton(ProfilerContract):
    @pytest.fixture
    def profiler(self):
        return Proton()

    @pytest.fixture
    def report(self):
        def node(name, nanoseconds, *children):
            metrics = {"time (ns)": nanoseconds, "count": 4, "device_type": "CUDA", "device_id": "0"}
            return {"frame": {"name": name, "type": "function"}, "metrics": metrics, "children": list(children)}

        tree = [
            node("ROOT", 0, node("scope", 0, node("relu", 8000), node("add", 2000)), node("relu", 2000)),
            {"CUDA": {}},
        ]
        return facts(tree=tree)

    def test_a_report_of_an_h200(self, profiler):
        """Of the guide's ReLU, 16384 x 4096 in float32; Triton 3.6.0, 2026-11-29."""
        (kernel,) = profiler.parse(Output(stored("proton_h200.txt"))).kernels
        assert (kernel.name, kernel.launches) == ("relu_kernel", 1)
        assert kernel.seconds == pytest.approx(127.3e-6, rel=1e-3)

    def test_leaves_are_added_by_name(self, profiler, report):
        found = profiler.parse(Output(report))
        assert [(kernel.name, kernel.launches) for kernel in found.kernels] == [("relu", 4.0), ("add", 2.0)]
        assert found.seconds == pytest.approx(6e-6)
        assert found.findings[0].evidence.startswith("relu: 83 % of the time")


class TestNsys(ProfilerContract):
    @pytest.fixture
    def profiler(self):
        return Nsys()

    @pytest.fixture
    def report(self):
        return stored("nsys_stats.csv")

    def test_both_tables_are_one_timeline(self, profiler, report):
        found = profiler.parse(Output(report))
        by_kind = {item.kind: item.evidence for item in found.findings}
        assert set(by_kind) == {"launch", "sync", "transfer"}
        assert by_kind["transfer"].startswith("0.2 copies")  # the other one stays on the device
        assert by_kind["sync"].endswith("(cudaStreamSynchronize)")  # the last one is the harness's
        assert found.kernels[0].registers == 24
        assert found.kernels[0].shared_bytes == 1000


class TestSanitizer(ProfilerContract):
    @pytest.fixture
    def profiler(self):
        return Sanitizer()

    @pytest.fixture
    def report(self):
        return stored("memcheck.txt")

    def test_a_wrong_access_is_told_once_with_its_place(self, profiler, report):
        (finding,) = profiler.parse(Output(report)).findings
        assert finding.evidence == (
            "Invalid __global__ write of size 4 bytes at relu_kernel(const float *, float *, long)"
        )

    def test_no_errors_is_a_diagnosis_without_findings(self, profiler):
        clean = stored("memcheck_clean.txt")  # compute-sanitizer of CUDA 13.0 on an H200, 2026-11-29
        assert profiler.parse(Output(clean)).findings == ()

    def test_errors_of_the_library_alone_are_nobodys(self, profiler):
        said = '========= Program hit cudaErrorInvalidValue (error 1) due to "invalid argument" on CUDA API call.\n'
        assert profiler.parse(Output(said + facts() + "========= ERROR SUMMARY: 1 error\n")).findings == ()

    def test_a_run_that_broke_off_was_no_check(self, profiler):
        with pytest.raises(ProfilerFailed) as failed:
            profiler.parse(Output("========= COMPUTE-SANITIZER\n" + facts()))
        assert failed.value.reason == "profiler_refused"


class TestCompiler(ProfilerContract):
    @pytest.fixture
    def profiler(self):
        return Compiler()

    @pytest.fixture
    def report(self):
        return stored("nvcc_sm90.txt")

    def test_registers_and_mix_of_what_nvcc_made(self, profiler, report):
        wide, doubles = profiler.parse(Output(report)).kernels
        assert (wide.registers, doubles.registers) == (24, 12)
        assert wide.instructions["global memory"] == 28
        assert wide.instructions["fp32"] == 7
        assert doubles.instructions["fp64"] == 1
        found = {item.kind: item.evidence for item in profiler.parse(Output(report)).findings}
        assert "28 of 28 global accesses move 4 bytes" in found["memory"]
        assert "1 instructions in float64" in found["compute"]

    def test_a_kernel_without_code_is_no_reason_to_fail(self, profiler, report):
        lines = [line for line in report.splitlines() if "/*" not in line]
        assert [kernel.registers for kernel in profiler.parse(Output("\n".join(lines))).kernels] == [24, 12]

    def test_occupancy_is_what_the_scarcest_allows(self):
        assert occupancy_limit(32, 0, 256) == (1.0, "warps")
        assert occupancy_limit(128, 0, 256) == (0.25, "registers")
        assert occupancy_limit(32, 100 << 10, 128) == (0.125, "shared memory")
        assert occupancy_limit(None, 0, 128) == (None, None)

    def test_vectors_of_a_processor_are_counted_by_width(self):
        code = """
0000000000001120 <relu._omp_fn.0>:
    1124:\tvmulps (%rdx,%rax,1),%ymm1,%ymm0
    1128:\tvfmadd231ps %zmm1,%zmm2,%zmm3
    112c:\tvaddss %xmm0,%xmm1,%xmm2
    1130:\tmov    %rax,%rbx
0000000000001140 <nothing>:
    1144:\tret
"""
        mix = counted(code)
        assert set(mix) == {"relu._omp_fn.0"}
        assert mix["relu._omp_fn.0"] == {"256-bit vectors": 1, "512-bit vectors": 1, "one number": 1}


def test_numbers_as_tools_print_them():
    read = [number(text) for text in ("1,234.5", "12 %", 3, "n/a", "", None, "nan", "inf", True, "1e400")]
    assert read == [1234.5, 12.0, 3.0, None, None, None, None, None, None, None]


def test_sections_keep_to_themselves():
    text = '@file {"file": "a"}\none\n@file not json\ntwo\n' + facts()
    assert sections_of(text) == [({"file": "a"}, "one"), ({}, "two")]
