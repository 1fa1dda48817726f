"""The judge on a GPU: one candidate in each language, and what happens when one ruins its context.

Run by `make test-gpu`; nothing here runs without a GPU.
"""

import importlib.util

import pytest

from evals.gpu_programs import INLINE_RELU
from tests.tools.test_dry_run import source_of
from tools.candidate import Candidate
from tools.languages.cuda import CUDA_GUIDE
from tools.languages.cute import CUTE_GUIDE
from tools.languages.triton import TRITON_GUIDE

pytestmark = pytest.mark.gpu

TRITON, CUDA = source_of(TRITON_GUIDE), source_of(CUDA_GUIDE)
EAGER = "import torch\nclass ModelNew(torch.nn.Module):\n    def forward(self, x):\n        return torch.relu(x)\n"
HANGS = CUDA.replace("if (i < n)", "while (n > 0) __nanosleep(1000);\n  if (i < n)")
STRAYS = CUDA.replace("y[i] = x[i]", "y[i + (1LL << 40)] = x[i]")
PASTED = INLINE_RELU.replace(", 0, stream>>>", ">>>")
"""On the legacy stream, as most of what people paste is."""


def verdict_on(judge, source: str, language: str):
    return judge.judge(Candidate(source=source, language=language))


@pytest.mark.parametrize(
    ("language", "source"), [("triton", TRITON), ("cuda", CUDA), ("python", EAGER)], ids=["triton", "cuda", "python"]
)
def test_one_in_each_language_is_accepted(judge, language, source):
    verdict = verdict_on(judge, source, language)
    assert verdict.status == "accepted", (verdict.reason, verdict.detail, verdict.log)
    assert verdict.evidence == "measured"
    assert verdict.cases[0].lengthened == 1.0
    assert "the device was somebody else's for at most" in verdict.log


def test_one_in_cute_dsl_is_accepted_and_was_compiled_in_the_build(judge):
    if importlib.util.find_spec("nvidia_cutlass_dsl") is None:
        pytest.skip("CuTe DSL is not installed here: pip install 'nvidia-cutlass-dsl[cu13]'")
    cute = source_of(CUTE_GUIDE)
    built = judge.compile(Candidate(source=cute, language="cute"))
    assert (built.ok, "compiled for sm_" in built.log, "relu" in built.log) == (True, True, True), built.log
    verdict = verdict_on(judge, cute, "cute")
    assert verdict.status == "accepted", (verdict.reason, verdict.detail, verdict.log)
    assert (verdict.language, verdict.evidence) == ("cute", "measured")
    wrong = verdict_on(judge, cute.replace("cute.zeros_like(values)", "cute.full_like(values, 1e-3)"), "cute")
    assert (wrong.status, wrong.reason) == ("rejected", "wrong_output")


def test_what_people_paste_is_accepted_too(judge):
    verdict = verdict_on(judge, PASTED, "cuda")
    assert verdict.status == "accepted", (verdict.reason, verdict.detail, verdict.log)


@pytest.mark.parametrize(
    ("source", "reasons"), [(HANGS, {"timeout"}), (STRAYS, {"runtime_error", "crash"})], ids=["hang", "stray"]
)
def test_after_a_hang_or_a_stray_write_the_next_one_gets_its_verdict(judge, source, reasons):
    ruined = verdict_on(judge, source, "cuda")
    assert (ruined.status, ruined.reason in reasons) == ("rejected", True), (ruined.reason, ruined.detail)
    honest = verdict_on(judge, TRITON + f"\n# after {sorted(reasons)}\n", "triton")
    assert honest.status == "accepted", (honest.reason, honest.detail, honest.log)


def test_a_wrong_one_is_refused(judge):
    verdict = verdict_on(judge, TRITON.replace("0.0, x)", "1e-3, x)"), "triton")
    assert (verdict.status, verdict.reason) == ("rejected", "wrong_output")
