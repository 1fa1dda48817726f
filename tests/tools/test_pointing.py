"""Which line of the candidate a log speaks of: of logs that g++, nvcc, Triton and Python really wrote."""

import pytest

from tools.pointing import MOST, pointed, pointed_text, trimmed

SOURCE = '''\
import torch

SOURCE = r"""
#include <cstdint>
extern "C" void relu(const float *x, float *y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = z[i];
  y[0] = 1.0f;
}
"""


class ModelNew(torch.nn.Module):
    def forward(self, x):
        y = x * 2
        return y @ torch.zeros(3, 3)
'''
GNU = """\
/build/tmp2tpplchc/kernel.cpp:4:42: error: ‘z’ was not declared in this scope
    4 |   for (int64_t i = 0; i < n; ++i) y[i] = z[i];
      |                                          ^
"""
TRACEBACK = """\
Traceback (most recent call last):
  File "/kernelwright/tools/harness/kernel_harness.py", line 152, in answer
    reply = self.carry_out(request)
            ^^^^^^^^^^^^^^^^^^^^^^^
  File "/site-packages/torch/nn/modules/module.py", line 1789, in _call_impl
    return forward_call(*args, **kwargs)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/candidate/candidate.py", line 15, in forward
    return y @ torch.zeros(3, 3)
           ~~^~~~~~~~~~~~~~~~~~~
RuntimeError: mat1 and mat2 shapes cannot be multiplied (256x512 and 3x3)
"""
KERNEL = """\
import triton

@triton.jit
def mm_kernel(a_ptr, K, BK: tl.constexpr):
    k = tl.arange(0, BK)
    for k0 in range(0, K, BK):
        a = tl.load(a_ptr + k)
        acc += tl.dott(a, a)
    a = tl.load(a_ptr + k)
"""
TRITON = """\
triton.compiler.errors.CompilationError: at 5:15:
def mm_kernel(a_ptr, K, BK: tl.constexpr):
    k = tl.arange(0, BK)
    for k0 in range(0, K, BK):
        a = tl.load(a_ptr + k)
        acc += tl.dott(a, a)
               ^
AttributeError("module 'triton.language' has no attribute 'dott'")
"""


def test_a_compilers_line_is_told_as_the_files():
    (found,) = pointed(GNU, SOURCE)
    assert SOURCE.splitlines()[found.line - 1].strip() == found.text == "for (int64_t i = 0; i < n; ++i) y[i] = z[i];"
    assert pointed_text(GNU, SOURCE).startswith("line 6 of the candidate: for (int64_t")
    assert "<- ‘z’ was not declared in this scope" in pointed_text(GNU, SOURCE)


def test_without_a_quotation_the_only_text_that_is_long_enough_counts():
    log = "/build/x/kernel.cu(5): error: expected an expression"
    assert [(one.line, one.text) for one in pointed(log, SOURCE)] == [(7, "y[0] = 1.0f;")]
    two = SOURCE + SOURCE.replace("class ModelNew", "class Other").replace("import torch", "")
    assert pointed(log, two) == []  # either could be meant: rather nothing than the wrong line


def test_a_line_that_is_there_twice_is_found_by_its_number():
    twice = SOURCE.replace("  y[0] = 1.0f;", "  for (int64_t i = 0; i < n; ++i) y[i] = z[i];")
    assert [one.line for one in pointed(GNU, twice)] == [6]
    assert [one.line for one in pointed(GNU.replace(":4:", ":5:").replace("    4", "    5"), twice)] == [7]


def test_a_text_that_the_file_puts_together_names_no_line():
    built = SOURCE.replace("z[i];", "{name}[i];").replace('r"""', 'f"""')
    assert pointed(GNU, built) == []


def test_a_tracebacks_innermost_line_of_the_candidate_counts():
    (found,) = pointed(TRACEBACK, SOURCE)
    assert (found.line, found.text) == (15, "return y @ torch.zeros(3, 3)")
    assert found.complaint.startswith("RuntimeError: mat1")


def test_triton_counts_from_its_functions_beginning_and_the_file_does_not():
    (found,) = pointed(TRITON, KERNEL)
    assert (found.line, found.text) == (8, "acc += tl.dott(a, a)")
    assert "no attribute 'dott'" in found.complaint
    repeated = TRITON.replace("        acc += tl.dott(a, a)\n               ^", "            ^")
    assert [one.line for one in pointed(repeated, KERNEL)] == [7]  # it is there twice: the lines before it decide


@pytest.mark.parametrize(
    "log", ["", "no", 'File "/candidate/candidate.py", line 999999, in x', "kernel.cpp:999: error: x"]
)
def test_nothing_is_told_of_lines_that_are_not_there(log):
    assert pointed(log, SOURCE) == []
    assert pointed(log, "def (") == []


def test_only_the_first_few_are_told():
    many = "".join(GNU.replace(":4:", f":{at}:").replace("for (int64_t i = 0; i < n; ++i) y[i] = z[i];", line.strip())
                   for at, line in enumerate(SOURCE.splitlines()[3:8], 2))  # fmt: skip
    assert len(pointed(many, SOURCE)) == MOST


def test_tracebacks_keep_the_candidates_frames_and_the_error():
    text = trimmed(f"before\n{TRACEBACK}after")
    assert "kernel_harness" not in text
    assert "module.py" not in text
    assert "(2 frames of others left out)" in text
    assert 'candidate.py", line 15' in text
    assert text.splitlines()[0] == "before"
    assert text.splitlines()[-2:] == [TRACEBACK.splitlines()[-1], "after"]
    ours = TRACEBACK.replace("/candidate/candidate.py", "/kernelwright/x.py")
    assert trimmed(ours).splitlines() == ours.splitlines()


def test_the_innermost_frame_is_kept_whoever_it_belongs_to():
    deeper = TRACEBACK.replace("RuntimeError", '  File "/site-packages/torch/a.py", line 1, in a\n    a()\n'
                               '  File "/site-packages/torch/b.py", line 2, in b\n    b()\nRuntimeError')  # fmt: skip
    assert 'torch/b.py", line 2' in trimmed(deeper)
    assert "torch/a.py" not in trimmed(deeper)
