"""Numbers that a candidate leaves open: what is read, what is refused and how to mend it, what is written in."""

import re
import shutil
import subprocess

import pytest

from agent.prompts import language_guide
from tools.candidate import Candidate
from tools.likeness import likeness
from tools.parameters import (
    BadDeclaration,
    Parameter,
    defaults,
    parameters_of,
    settings_of,
    tuning_guide,
    with_values,
)  # fmt: skip

CPP = 'S = r"""\n#define UNROLL 4  // tune: 1..4\nstatic constexpr int64_t TILE = 64;  // tune: 32..256 x2\n"""\n'
PYTHON = "BLOCK: int = 128  # tune: 64, 128, 256\ndef f(): return g(\n    num_warps=4,  # tune: 2, 4, 8\n)\n"


def test_every_form_is_read():
    assert parameters_of(CPP) == (Parameter("UNROLL", (1, 2, 3, 4), 4), Parameter("TILE", (32, 64, 128, 256), 64))
    assert parameters_of(PYTHON) == (Parameter("BLOCK", (64, 128, 256), 128), Parameter("num_warps", (2, 4, 8), 4))
    (one,) = parameters_of("A = 8  # tune: 0, 32..8 step 2, 8".replace("32..8", "4..9"))
    assert one.values == (0, 4, 6, 8)
    assert settings_of(parameters_of(CPP)) == 16
    assert parameters_of("x = 1  # tuned over 1, 2\n# fine-tune this\n") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n# tune: 1, 2", "line 2.*must follow a whole number.*write BLOCK"),
        ("A = 'x'  # tune: 1, 2", "whole number"),
        ("A = 1.5  # tune: 1, 2", "whole number"),
        ("A = 3  # tune: 1, 2", "A = 3 is not among.*add 3, or start from 1"),
        ("A = 1  # tune: 1", "nothing to choose from"),
        ("A = 1  # tune:", "neither a number nor a range: write"),
        ("A = 1  # tune: 1-8", "'1-8' is neither.*1..8"),
        ("A = 8  # tune: 8..1", "backwards"),
        ("A = 1  # tune: 1..8 step 0", "step of 0"),
        ("A = 0  # tune: 0..8 x2", "does not grow"),
        ("A = 1  # tune: 1..8 x1", "does not grow"),
        ("A = 1  # tune: 1..1000000000", "more than 64 values"),
        ("A = 1  # tune: 1, 99999999999", "2\\^31"),
        ("A = 1  # tune: 1, 2\nA = 1  # tune: 1, 2", "line 2: A was declared in line 1"),
        ("\n".join(f"A{n} = 1  # tune: 1, 2" for n in range(9)), "9 numbers.*8 may be"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line_and_how_to_mend_it(text, said):
    with pytest.raises(BadDeclaration, match=said) as caught:
        parameters_of(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [CPP, PYTHON])
def test_the_result_is_plain_and_differs_in_nothing_but_the_numbers(text):
    chosen = {one.name: one.values[-1] for one in parameters_of(text)}
    plain = with_values(text, chosen)
    assert parameters_of(plain) == ()
    compile(plain, "candidate", "exec")
    for name, value in chosen.items():
        assert re.search(rf"\b{name}\b[^\n]*?[= ]{value}\b", plain)
    back = with_values(text, defaults(parameters_of(text)))
    same, original = Candidate(source=back), Candidate(source=text)
    assert back != text
    if text is PYTHON:
        assert likeness(same) == likeness(original), "the defaults written in are the same program"


def test_line_ends_and_the_rest_of_the_file_stay():
    text = "a = 1  # tune: 1, 2\r\n\r\nb = 3\x0c\n\n"
    assert with_values(text, {"a": 2}) == "a = 2  # tuned over 1, 2\r\n\r\nb = 3\x0c\n\n"


@pytest.mark.parametrize("language", ["cpp", "cuda", "cute", "triton", "python"])
def test_what_a_model_is_told_can_be_read_and_its_language_needs_nothing_else(language):
    (example,) = re.findall(r"```\w+\n(.*?)```", tuning_guide(language), re.DOTALL)
    assert len(parameters_of(example)) == 2
    assert parameters_of(language_guide(language)) == ()


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_cpp_compiles_with_every_value(tmp_path):
    text = tuning_guide("cpp").split("```cpp\n")[1].split("```")[0]
    body = text + "template <int N> struct S {};\nint f() { S<TILE * UNROLL> s; (void)s; return TILE; }\n"
    for number, values in enumerate((defaults(parameters_of(body)), {"UNROLL": 8, "TILE": 256})):
        file = tmp_path / f"{number}.cpp"
        file.write_text(with_values(body, values))
        subprocess.run(["g++", "-fsyntax-only", str(file)], check=True)
