"""The diagnosis by rule, and the questions that follow from it."""

from __future__ import annotations

import pytest

from agent.diagnosing import Diagnosis, diagnose_by_rule, diagnosis_text
from agent.questions import families_of, knowledge_question, memory_question, phase_of
from agent.reflecting import to_lesson
from memory.knowledge.folders import open_knowledge
from tools.fake_judge import accepted, describe_softmax, rejected
from tools.problem import CaseFacts
from tools.profiling.diagnosis import Diagnosis as Profile
from tools.profiling.diagnosis import Finding
from tools.verdict import CaseVerdict, Timing


def timed(seconds: float, fraction: float | None = None, bound: str | None = None):
    timing = Timing(median_s=seconds, p5_s=seconds, p95_s=seconds, samples=1)
    case = CaseVerdict(
        name="default",
        speedup=1.5,
        speedup_ci95=(1.4, 1.6),
        candidate=timing,
        baselines={},
        aa_spread=0.0,
        bound=bound,
    )
    return accepted(1.5).model_copy(update={"cases": (case,), "roofline_fraction": fraction})


def of_intensity(value: float):
    case = CaseFacts(name="default", inputs=(), outputs=(), bytes_moved=1000, flops=round(1000 * value))
    return describe_softmax().model_copy(update={"cases": (case,)})


@pytest.mark.parametrize(
    ("verdict", "intensity", "bottleneck", "evidence"),
    [
        (rejected("compile_error", "x was not\ndeclared"), 1, "compile", "compile_error: x was not declared"),
        (rejected("import_error"), 1, "compile", "import_error"),
        (rejected("no_model_new"), 1, "compile", "no_model_new"),
        (rejected("wrong_output.unseen_shape"), 1, "correctness", "wrong_output.unseen_shape"),
        (rejected("crash"), 1, "correctness", "crash"),
        (rejected("cheat.clock_disagreement"), 1, "correctness", "cheat"),
        (rejected("timeout"), 1, "unknown", "timeout"),
        (timed(5e-6, 0.9), 1, "launch", "5.0 microseconds"),
        (timed(1e-3, 0.8, "memory"), 50, "memory", "at 80% of"),
        (timed(1e-3, 0.8, "compute"), 1, "compute", "at 80% of"),
        (timed(1e-3, 0.8), 1, "memory", "at 80% of"),
        (timed(1e-3, 0.1), 50, "compute", "50.0 operations a byte"),
        (timed(1e-3, None), 50, "compute", "50.0 operations a byte"),
        (timed(1e-3, None, "memory"), 50, "memory", "operations a byte"),
        (timed(1e-3, 0.8, "memory"), 0, "memory", "operations not counted"),
        (timed(1e-3, 0.1), 1, "latency", "neither memory nor arithmetic"),
        (timed(1e-3, 0.1, "memory"), 50, "latency", "neither memory nor arithmetic"),
        (timed(1e-3, 0.45), 1, "memory", "moved several times"),
        (timed(1e-3, None), 1, "unknown", "nothing says"),
        (accepted(1.5), 0, "unknown", "nothing says"),
    ],
)
def test_what_limits_it(verdict, intensity, bottleneck, evidence):
    found = diagnose_by_rule(verdict, of_intensity(intensity), parent_speedup=1.2)
    assert found.bottleneck == bottleneck
    assert evidence in found.evidence
    assert "\n" not in found.evidence
    assert found.lesson == to_lesson(verdict, parent_speedup=1.2)
    assert found.author == "rule"


def test_a_profiler_counts_before_sizes_and_times():
    finding = Finding(kind="occupancy", severity=0.5, evidence="31% of\nwarps", advice="smaller tiles")
    profile = Profile(profiler="ncu", bound="occupancy", findings=(finding,))
    found = diagnose_by_rule(timed(1e-3, 0.9), of_intensity(1), profile=profile)
    assert (found.bottleneck, found.evidence) == ("occupancy", "ncu: 31% of warps")
    assert diagnose_by_rule(rejected("crash"), of_intensity(1), profile=profile).bottleneck == "correctness"
    blind = Profile(profiler="ncu", findings=(finding,))
    assert diagnose_by_rule(timed(1e-3, 0.9), of_intensity(1), profile=blind).bottleneck == "memory"
    bare = Profile(profiler="ncu", bound="latency")
    assert "bound by latency" in diagnose_by_rule(timed(1e-3), of_intensity(1), profile=bare).evidence


def test_a_diagnosis_as_a_line():
    found = Diagnosis(bottleneck="memory", evidence="two\npasses", lesson="x")
    assert diagnosis_text("c1", found.model_dump()) == "c1 bottleneck=memory (rule): two passes"
    assert diagnosis_text("c1", {"candidate": "c1", "lesson": "of an older run"}) == ""


@pytest.mark.parametrize(
    ("operators", "families"),
    [
        (("aten._softmax.default",), ("softmax",)),
        (("aten.addmm.default", "aten.gelu.default"), ("matmul",)),
        (("aten.add.Tensor", "aten.relu.default"), ("pointwise",)),
        (("aten.cumsum.default",), ("scan",)),
        (("aten.index.Tensor", "aten.mm.default"), ("matmul",)),
        (("aten.embedding.default", "aten.mean.dim"), ("gather", "reduction")),
        (("aten.convolution.default", "aten.native_batch_norm.default", "aten.mm.default", "aten.sum.dim_IntList"),
         ("normalisation", "matmul", "convolution")),
        ((), ()),
        (("odd",), ()),
    ],
)  # fmt: skip
def test_families(operators, families):
    assert families_of(operators) == families


def test_phases():
    assert phase_of([]) == "draft"
    assert phase_of(["rejected"]) == "repair"
    assert phase_of(["accepted", "rejected"]) == "improve"


MEMORY = {"bottleneck": "memory", "evidence": "moves memory at 40% of the roofline"}
BROKEN = {"bottleneck": "compile", "evidence": "compile_error: shared memory, Required: 300000"}


@pytest.mark.parametrize(
    ("target", "language", "operators", "diagnoses", "first"),
    [
        ("cpu", "cpp", ("aten._softmax.default",), [MEMORY], "guidance/softmax-and-norms"),
        ("cpu", "cpp", ("aten._softmax.default",), [MEMORY, BROKEN], "guidance/debug-compile"),
        ("cuda:sm90", "triton", ("aten.cumsum.default",), [], "guidance/scans"),
        ("cuda:sm90", "cuda", ("aten.add.Tensor",), [{"bottleneck": "occupancy", "evidence": "x"}],
         "hardware/nvidia/occupancy"),
        ("cuda:sm90", "triton", ("aten.mm.default",), [{"bottleneck": "compute", "evidence": "x"}],
         "hardware/nvidia/tensor-cores"),
        ("cpu", "cpp", ("aten.add.Tensor",), [{"bottleneck": "launch", "evidence": "x"}], "guidance/launch-bound"),
        ("cpu", "cpp", ("aten.mul.Tensor",), [{"bottleneck": "correctness", "evidence": "wrong_output: NaN"}],
         "guidance/debug-wrong-output"),
    ],
)  # fmt: skip
def test_a_diagnosis_leads_to_the_right_document(target, language, operators, diagnoses, first):
    query = knowledge_question(target, language, operators, "improve", diagnoses)
    names = [hit.name for hit in open_knowledge().find(query)]
    assert first in names[:2], names
    assert len(names) <= 6


def test_what_is_asked():
    query = knowledge_question("cpu", "cpp", ("aten._softmax.default",), "improve", [MEMORY, BROKEN])
    assert (query.phase, query.bottlenecks, query.operators) == ("repair", ("memory", "compile"), ("softmax",))
    assert "shared memory" in query.text
    assert memory_question(query, [MEMORY, BROKEN]) == "compile_error"
    query = knowledge_question("cpu", "cpp", ("aten._softmax.default",), "improve", [MEMORY])
    assert (query.phase, query.text, memory_question(query, [MEMORY])) == ("improve", "", "softmax memory")
    nothing = knowledge_question("cpu", "cpp", (), "draft", [{"bottleneck": "unknown", "evidence": "timeout"}, {}])
    assert (nothing.bottlenecks, memory_question(nothing, [])) == ((), "")
