"""What an examiner keeps of what it found right."""

import numpy as np
import pytest

from tools import examining
from tools.examining import MAX_LICENSED, Examiner, History
from tools.harness.licence import Expected, Licence
from tools.harness.wire import Leaf
from tools.harness.yardstick import NO_RESPONSE
from tools.inputs import InputSet


def inputs(seed: int) -> InputSet:
    """Inputs of 400 bytes, an oracle's answer of 800, eager's of 400; an answer takes 400 more."""
    exact = np.random.default_rng(seed).normal(size=100)
    right = Expected(Leaf("float32", (100,)), exact.tobytes(), "float64", exact.astype(np.float32).tobytes())
    return InputSet("case", {}, (), (bytearray(400),), seed, b"", (right,))


@pytest.fixture
def examiner():
    return Examiner(Licence(), lambda inputs: (NO_RESPONSE,), History())


def licensed(examiner, count: int) -> list[int]:
    """Have so many right answers examined; the seeds of those that are kept."""
    for seed in range(count):
        each = inputs(seed)
        assert examiner.examine([bytearray(each.expected[0].eager)], each) is None
    return [known.seed for known, _ in examiner._licensed]


def test_the_latest_answers_are_kept(examiner):
    assert licensed(examiner, 12) == list(range(12 - MAX_LICENSED, 12))


@pytest.mark.parametrize(("size", "kept"), [(2000 * 3 - 1, [10, 11]), (2000 * 3, [9, 10, 11]), (1999, [])])
def test_no_more_is_kept_than_fits(examiner, monkeypatch, size, kept):
    monkeypatch.setattr(examining, "MAX_LICENSED_BYTES", size)
    assert licensed(examiner, 12) == kept


def test_the_same_bits_again_are_not_compared_again_and_others_are(examiner, monkeypatch):
    mine, other = inputs(0), inputs(1)
    answer = bytearray(mine.expected[0].eager)
    assert examiner.examine([answer], mine) is None
    compared = []
    monkeypatch.setattr(examiner, "_examine", lambda outputs, inputs: compared.append(inputs))
    examiner.examine([bytearray(answer)], mine)
    assert compared == []
    examiner.examine([bytearray(400)], mine)
    examiner.examine([bytearray(answer)], other)
    assert [item.seed for item in compared] == [0, 1]
