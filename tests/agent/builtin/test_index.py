"""Index arithmetic against brute force, over shapes drawn by lot."""

import itertools
import random

import pytest

from agent.builtin.index import Index, Quotient, Remainder, Var, flatten, of, replaced, splits_wanted, unflatten


def value(index: Index, at: dict[Var, int]) -> int:
    total = index.const
    for term, coefficient in index.terms:
        if isinstance(term, Var):
            part = at[term]
        else:
            inner = value(term.index, at)
            part = inner // term.by if isinstance(term, Quotient) else inner % term.by
        total += coefficient * part
    return total


def points(loops):
    for values in itertools.product(*(range(v.size) for v in loops)):
        yield dict(zip(loops, values, strict=True))


@pytest.mark.parametrize("seed", range(40))
def test_a_reshape_reads_the_same_elements(seed):
    lot = random.Random(seed)
    shape = tuple(lot.choice((1, 2, 3, 4, 6)) for _ in range(lot.randint(1, 4)))
    total = len(list(itertools.product(*map(range, shape))))
    divisors = [d for d in range(1, total + 1) if total % d == 0]
    first = lot.choice(divisors)
    other = (first, total // first)
    loops = [Var(f"i{d}", size) for d, size in enumerate(shape)]
    flat = flatten([of(v) for v in loops], shape)
    parts = unflatten(flat, other)
    again = flatten(parts, other)
    for at in points(loops):
        assert value(again, at) == value(flat, at)
        assert [value(p, at) for p in parts] == list(divmod(value(flat, at), other[1]))


def test_what_a_reshape_took_apart_an_address_joins_again():
    x = Var("x", 64 * 5 * 6)
    parts = unflatten(of(x), (64, 5, 6))
    assert any(isinstance(t, (Quotient, Remainder)) for p in parts for t, _ in p.terms)
    assert flatten(parts, (64, 5, 6)) == of(x)


def test_ranges_make_quotients_and_remainders_vanish():
    i, j = Var("i", 10), Var("j", 8)
    flat = of(i) * 8 + of(j)
    assert flat.over(8) == of(i)
    assert flat.modulo(8) == of(j)
    assert (flat + 8).over(8) == of(i) + 1


def test_a_variable_in_the_way_is_named_with_the_split_that_helps():
    x = Var("x", 24)
    assert (x, 6) in set(splits_wanted(of(x).over(6)))
    assert list(splits_wanted(of(x).over(7))) == []  # 24 is no multiple of 7


@pytest.mark.parametrize("const", [0, 3, -5])
def test_what_is_below_one_step_of_a_remainder_is_only_added(const):
    i, j = Var("i", 24), Var("j", 4)
    index = of(i) * 4 + of(j)
    if not const:
        assert index.modulo(32) == of(i).modulo(8) * 4 + of(j)
    for at in points([i, j]):
        assert value((index + const).modulo(32), at) == (value(index, at) + const) % 32
    heads = unflatten(flatten(unflatten(flatten([of(i), of(j)], (24, 4)), (3, 8, 4)), (3, 8, 4)), (3, 32))
    assert set(flatten(heads, (3, 32)).terms) == {(i, 4), (j, 1)}


def test_what_is_below_one_step_of_a_quotient_changes_nothing():
    row, column = Var("row", 85), Var("column", 96)
    joined = of(row) * 96 + of(column)
    assert joined.over(17 * 96) == of(row).over(17)
    assert flatten(unflatten(joined, (5, 17, 96)), (5, 17, 96)) == joined


@pytest.mark.parametrize(
    "make", [lambda i: i, lambda i: i.over(5), lambda i: i.modulo(7), lambda i: i.over(3).modulo(4)]
)
def test_an_index_takes_the_place_of_a_variable_inside_quotients_too(make):
    x, y, lane = Var("x", 24), Var("y", 3), Var("x", 6)
    index = make(of(x) * 3 + of(y) + 2) * 5 + of(x)
    found = replaced(index, x, of(lane) * 4 + 3)
    for at in points([lane, y]):
        assert value(found, at) == value(index, {x: 4 * at[lane] + 3, y: at[y]})
