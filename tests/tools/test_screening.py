import pytest

from tools.screening import MAX_SOURCE_BYTES, NAMES, NATIVE, WORDS, screen

HONEST = """
import torch
class ModelNew(torch.nn.Module):
    def forward(self, x):
        return x + 1
"""


def test_an_honest_file_is_let_through_without_labels():
    screening = screen(HONEST)
    assert (screening.reason, screening.labels) == (None, ())


@pytest.mark.parametrize(
    ("source", "reason", "detail"),
    [
        ("class ModelNew(:\n", "compile_error", "line 1: syntax error"),
        ("x = 1", "no_model_new", "no class ModelNew"),
        ("", "no_model_new", "no class ModelNew"),
        ("a = '\\x00'\n\x00", "compile_error", "null bytes"),
        ("#" * (MAX_SOURCE_BYTES + 1), "compile_error", "larger than"),
        ("(" * 5000, "compile_error", ""),
    ],
)
def test_what_cannot_run_is_refused_without_a_sandbox(source, reason, detail):
    screening = screen(source)
    assert screening.reason == reason
    assert detail in screening.detail
    assert "\n" not in screening.detail


@pytest.mark.parametrize(
    "source",
    [
        "from somewhere import ModelNew",
        "from somewhere import *",
        "ModelNew = make()",
        "import other as ModelNew",
        "if True:\n    class ModelNew: pass",
    ],
)
def test_other_ways_to_bind_the_name_count(source):
    assert screen(source).reason is None


def test_odd_names_are_labelled_and_not_refused():
    screening = screen(HONEST + "import time, sys\nt = time.perf_counter()\nf = sys._getframe()\n")
    assert screening.reason is None
    assert screening.labels == (
        "screen.clock: reads or replaces a clock (perf_counter)",
        "screen.frames: walks the interpreter's frames (_getframe)",
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("SOURCE = 'std::thread worker(run);'", "screen.threads"),
        ("SOURCE = 'if (fork () == 0) work();'", "screen.processes"),
        ("SOURCE = 'open(\"/proc/self/mem\", 2)'", "screen.memory"),
        ("try:\n    run()\nexcept Exception:\n    pass", "screen.fallback"),
        ("import functools\nrun = functools.lru_cache(run)", "screen.memo"),
    ],
)
def test_text_for_other_compilers_is_looked_at_too(line, code):
    screening = screen(HONEST + line)
    assert screening.reason is None
    assert [label.split(":")[0] for label in screening.labels] == [code]


def test_every_label_has_its_words():
    assert set(NAMES) | set(NATIVE) <= set(WORDS)
