from __future__ import annotations

import pytest

from sandbox.errors import SandboxError, TargetUnknown
from sandbox.target import MATRIX, TARGETS, Target, support_of


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_parse_and_str_are_inverses(target: Target) -> None:
    assert Target.parse(str(target)) == target
    assert target.chip != "unknown chip"


@pytest.mark.parametrize("text", ["", "gpu", "cuda", "cuda:", "cpu:", "cpu:avx2", "CPU", " cpu", "cuda:sm90:x"])
def test_an_unknown_target_names_the_known_ones(text: str) -> None:
    with pytest.raises(TargetUnknown, match="cuda:sm90") as caught:
        Target.parse(text)
    assert repr(text) in str(caught.value)
    assert isinstance(caught.value, SandboxError)
    assert "\n" not in str(caught.value)


def test_only_what_runs_is_available() -> None:
    available = {(str(row.target), row.language): row.evidence for row in MATRIX if row.status == "available"}
    expected = [("cpu", "cpp"), ("cpu", "python"), *(("cuda:sm90", name) for name in ("triton", "cuda", "python"))]
    assert available == {**dict.fromkeys(expected, "measured"), ("cuda:sm90", "cute"): "compiled"}


def test_every_target_is_in_the_matrix_and_no_cell_twice() -> None:
    cells = [(row.target, row.language) for row in MATRIX]
    assert len(cells) == len(set(cells))
    assert {target for target, _ in cells} == set(TARGETS)


def test_support() -> None:
    cpp = support_of(Target("cpu"), "cpp")
    assert cpp is not None
    assert cpp in Target("cpu").support
    assert support_of(Target("cpu"), "cuda") is None
