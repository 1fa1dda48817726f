import pytest

from memory.conformance import make_experience, make_query
from memory.retrieval import (
    features_of,
    longest_common_subsequence,
    rank,
    score,
    shape_closeness,
    similarity,
    words,
)


@pytest.mark.parametrize(
    ("left", "right", "length"),
    [("", "", 0), ("abc", "abc", 3), ("abc", "acb", 2), ("xaybzc", "abc", 3), ("abc", "xyz", 0)],
)
def test_longest_common_subsequence(left, right, length):
    assert longest_common_subsequence(left, right) == length
    assert longest_common_subsequence(right, left) == length


def test_similarity_is_one_only_for_the_same_sequence():
    assert similarity(["a", "b", "c"], ["a", "b", "c"]) == 1.0
    assert 0 < similarity(["a", "b", "c"], ["a", "c", "b"]) < 1
    assert similarity(["a"], ["b"]) == 0.0
    assert similarity([], ["a"]) == 0.0
    assert similarity(["a", "b"], ["a", "b", "c"]) == similarity(["a", "b", "c"], ["a", "b"])


def test_shape_closeness_falls_with_the_distance_in_octaves():
    base = [(64, 256)]
    near, far = shape_closeness(base, [(128, 256)]), shape_closeness(base, [(4096, 256)])
    assert shape_closeness(base, base) == 1.0
    assert 1.0 > near > far >= 0.0
    assert shape_closeness(base, [(64, 256, 1)]) == 0.0
    assert shape_closeness(base, []) == 0.0
    assert shape_closeness([], []) == 0.0
    assert shape_closeness([()], [()]) == 1.0


def test_an_unrelated_operator_is_below_the_threshold():
    item = features_of(make_experience(1, operator_signature="x", operators=("aten.convolution",)))
    assert score(item, make_query()) is None


def test_unknown_hardware_in_the_query_costs_nothing():
    hit = score(features_of(make_experience(1)), make_query(hardware=""))
    assert hit is not None
    assert hit.score == 1.0


def test_the_order_of_input_does_not_matter():
    items = [features_of(make_experience(number, speedup=number % 3)) for number in range(9)]
    assert rank(items, make_query(limit=9)) == rank(items[::-1], make_query(limit=9))


def test_words():
    assert words("aten.native_layer_norm: 2x Größe!") == ["aten", "native", "layer", "norm", "2x", "größe"]
