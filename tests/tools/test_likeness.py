"""Which sources are one program to the search, and which are not."""

from __future__ import annotations

import pytest

from tools.candidate import Candidate
from tools.likeness import likeness, plain_c

SOURCE = '''import torch
CPP = """
#include <torch/extension.h>
// doubled
torch::Tensor twice(torch::Tensor x) { return x * 2; /* in place? */ }
const char* name = "a  // b";
"""

class ModelNew(torch.nn.Module):
    """What it is."""

    def forward(self, x):
        """What it does."""
        scale = 2.0  # a comment
        total = x * scale
        return total + self.shift
'''


def like(source: str, language: str = "cpp") -> str | None:
    return likeness(Candidate(source=source, language=language))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # a comment", ""),
        ('    """What it is."""\n', '    """Something else."""\n'),
        ('        """What it does."""\n', ""),
        ("x * scale", "(x  *\n            scale)"),
        ("total", "result"),
        ("scale", "total_2"),
        ("// doubled\n", ""),
        (" /* in place? */", " /* no */"),
        ("{ return x * 2;", "{\n    return  x * 2;"),
        ("import torch\n", "import torch\n\n\n# a heading\n"),
    ],
)
def test_the_same_program_written_in_another_way(old: str, new: str) -> None:
    assert old in SOURCE
    assert like(SOURCE.replace(old, new)) == like(SOURCE) is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x * scale", "scale * x"),
        ("2.0", "2"),
        ("2.0", "4.0"),
        ("self.shift", "self.bias"),
        ("total + self", "scale + self"),
        ("forward(self, x)", "forward(self, y)"),
        ("x * 2;", "x * 3;"),
        ('"a  // b"', '"a // b"'),
        ("#include <torch/extension.h>\n", "#include <torch/torch.h>\n"),
        ("class ModelNew", "class Model"),
    ],
)
def test_another_program(old: str, new: str) -> None:
    assert old in SOURCE
    assert like(SOURCE.replace(old, new)) != like(SOURCE)


def test_swapped_variables_are_another_program() -> None:
    first = "def f(x):\n    a = x + 1\n    b = x + 2\n    return a - b\n"
    assert like(first) == like(first.replace("a", "c"))
    assert like(first) != like(first.replace("return a - b", "return b - a"))


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    NAME = 1\n    return lambda: NAME + OTHER\n",
        "def f(x):\n    NAME = 1\n    return locals()\n",
        "def f(x):\n    global NAME\n    NAME = 1\n",
        "def f(x):\n    import os as NAME\n    NAME = 1\n",
        "def f(NAME):\n    NAME = 1\n    return NAME\n",
        "NAME = 1\ndef f(x):\n    return NAME\n",
    ],
)
def test_names_that_may_matter_are_kept(source: str) -> None:
    assert like(source.replace("NAME", "first")) != like(source.replace("NAME", "second"))


def test_the_language_belongs_to_it() -> None:
    assert like(SOURCE, "cpp") != like(SOURCE, "python")


@pytest.mark.parametrize("source", ["def (", "a\0b", "(" * 5000 + ")" * 5000, "x" + "+x" * 20_000])
def test_what_cannot_be_read_is_like_nothing(source: str) -> None:
    assert like(source) is None


def test_lines_of_the_preprocessor_stay_lines() -> None:
    text = "#define A 1 // one\nint  f( int x )\n{ return\n x; }\n#if A\nint y;\n#endif\n"
    assert plain_c(text) == "#define A 1\nint f(int x){return x;}\n#if A\nint y;\n#endif"
