"""Extensions that torch builds, found again by a worker that may not write where they are."""

import shutil
from contextlib import closing

import pytest

from tests.tools.judged import candidate, problem
from tools.judging import SandboxedJudge
from tools.problem import JudgeSettings

pytestmark = pytest.mark.torch

INLINE = '''
from torch.utils.cpp_extension import load_inline

def built(factor):
    """Two of one name, as from a template: torch gives the second a name of its own."""
    return load_inline(
        name="scale",
        cpp_sources=r"""
#include <cstdint>
#include <pybind11/pybind11.h>
static void scale(uintptr_t x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) ((float *)x)[i] *= FACTOR;
}
PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) { m.def("scale", &scale); }
""",
        extra_cflags=[f"-DFACTOR={factor}"],
        no_implicit_headers=True,
    )
'''
FORWARD = """
y = torch.softmax(x * self.weight, dim=-1)
double.scale(y.data_ptr(), y.numel())
half.scale(y.data_ptr(), y.numel())
return y
"""


@pytest.fixture(scope="module")
def judge(enclosed, tmp_path_factory):
    if shutil.which("ninja") is None:
        pytest.skip("torch builds extensions with ninja, which is not installed")
    settings = JudgeSettings(blocks=4, close_call_s=0, check_seeds=3, stage_timeout_s=20, admission=False)
    with closing(SandboxedJudge(problem(), enclosed, settings, tmp_path_factory.mktemp("judge"))) as judge:
        yield judge


@pytest.mark.slow
def test_what_load_inline_built_is_found_again_read_only(judge):
    inline = candidate(FORWARD, before=INLINE + "double, half = built('2.0f'), built('0.5f')")
    result = judge.check(inline)
    assert result.passed, (result.detail, result.log)


def test_what_was_not_built_beforehand_is_not_found(judge):
    late = candidate(FORWARD.replace("double.", "built('2.0f')."), before=INLINE + "half = None")
    result = judge.check(late)
    assert (result.passed, result.reason) == (False, "runtime_error")
    assert "Read-only file system" in result.log
