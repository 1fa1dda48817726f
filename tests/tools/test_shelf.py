"""What a verifier keeps: the latest, within a bound."""

import pytest

pytestmark = pytest.mark.torch
KIB = 1024


@pytest.fixture
def made():
    import torch

    calls = []

    def make(name: str, size: int = KIB):
        def now():
            calls.append(name)
            return name.encode(), [torch.zeros(size, dtype=torch.uint8)]

        return now

    make.calls = calls
    return make


def shelf(size: int):
    from tools.harness.shelf import Shelf

    return Shelf(size)


def test_what_is_there_is_not_made_again(made):
    kept = shelf(4 * KIB)
    assert kept.get("a", made("a"))[0] == kept.get("a", made("a"))[0] == b"a"
    assert made.calls == ["a"]


def test_the_oldest_goes_first_and_is_made_again(made):
    kept = shelf(2 * KIB)
    for name in "abac":  # "b" was used longest ago
        kept.get(name, made(name))
    kept.get("a", made("a"))
    assert made.calls == ["a", "b", "c"]
    kept.get("b", made("b"))
    assert made.calls == ["a", "b", "c", "b"]


def test_what_is_larger_than_the_bound_is_kept_while_it_is_the_latest(made):
    kept = shelf(KIB)
    kept.get("large", made("large", 10 * KIB))
    kept.get("large", made("large", 10 * KIB))
    assert made.calls == ["large"]


def test_many_small_things_are_bounded_too(made, monkeypatch):
    monkeypatch.setattr("tools.harness.shelf.MOST_THINGS", 3)
    kept = shelf(1 << 30)
    for name in "abcde":
        kept.put(name, made(name)())
    assert len(kept._made) == 3
    assert kept._held_bytes == 3 * KIB


def test_a_name_that_is_given_anew_counts_once(made):
    kept = shelf(4 * KIB)
    for _ in range(9):
        kept.put("mutant", made("mutant")())
    assert kept._held_bytes == KIB
    kept.empty()
    assert kept._held_bytes == 0


def test_what_may_be_kept_can_be_made_less_and_more(made):
    kept = shelf(4 * KIB)
    for name in "abcd":
        kept.get(name, made(name))
    kept.resize(2 * KIB)
    kept.get("d", made("d"))
    kept.get("c", made("c"))
    assert made.calls == ["a", "b", "c", "d"]
    kept.resize(4 * KIB)
    for name in "abcd":
        kept.get(name, made(name))
    assert made.calls == ["a", "b", "c", "d", "a", "b"]


def test_what_has_to_go_is_gone_before_the_next_of_its_kind_is_made(made):
    kept = shelf(4 * KIB)
    held = []

    def counting(name, size):
        make = made(name, size)
        return lambda: (held.append(kept._held_bytes), make())[1]

    for number in range(4):
        kept.get(("set", number), counting("set", 2 * KIB))
    assert held == [0, 2 * KIB, 2 * KIB, 2 * KIB]
    kept.get(("draw", 0), counting("draw", KIB))  # nobody knows yet how large
    kept.get(("draw", 1), counting("draw", KIB))
    assert held[4:] == [4 * KIB, 3 * KIB]
