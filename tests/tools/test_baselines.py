"""What candidates have to beat."""

import pytest

from sandbox.devices import Device, host_device
from tools.baselines import AUTOTUNED, COMPILED, EAGER, channels_last_recipes, has_channels_last, recipes

GPU = Device("cuda", "NVIDIA H200", "sm90")


def test_the_host_has_eager_and_torch_compile():
    assert list(recipes(None)) == [EAGER, COMPILED]
    assert list(recipes(None, compiled=False)) == [EAGER]
    assert list(recipes(host_device(), tolerance=True)) == [EAGER, COMPILED]


def test_a_gpu_has_max_autotune_too_and_without_graphs_whose_answers_are_overwritten():
    found = recipes(GPU)
    assert list(found) == [EAGER, COMPILED, AUTOTUNED]
    assert "no-cudagraphs" in found[AUTOTUNED].options["mode"]
    assert list(recipes(GPU, autotuned=False)) == [EAGER, COMPILED]


def test_tf32_counts_only_where_a_tolerance_is_stated():
    assert not any(recipe.tf32 for recipe in recipes(GPU).values())
    stated = recipes(GPU, tolerance=True)
    assert {name for name, recipe in stated.items() if recipe.tf32} == {f"{name} TF32" for name in recipes(GPU)}


def test_channels_last_is_eager_and_compiled_on_a_gpu_and_one_of_them_on_the_host():
    assert list(channels_last_recipes(GPU)) == ["eager channels-last", "torch.compile channels-last"]
    assert list(channels_last_recipes(None)) == ["torch.compile channels-last"]
    assert list(channels_last_recipes(host_device())) == ["torch.compile channels-last"]
    assert list(channels_last_recipes(None, compiled=False)) == ["eager channels-last"]
    assert list(channels_last_recipes(GPU, compiled=False)) == ["eager channels-last"]
    for recipe in channels_last_recipes(GPU).values():
        assert recipe.channels_last
        assert not recipe.tf32
        assert recipe.is_compiled == ("compile" in recipe.name)


def test_channels_last_in_tf32_counts_only_where_a_tolerance_is_stated():
    stated = channels_last_recipes(GPU, tolerance=True)
    assert {name for name, recipe in stated.items() if recipe.tf32} == {
        f"{name} TF32" for name in channels_last_recipes(GPU)
    }
    assert list(channels_last_recipes(None, tolerance=True)) == list(channels_last_recipes(None))


def test_no_recipe_is_in_that_layout_before_the_graph_is_known():
    for device in (None, GPU):
        assert not any(recipe.channels_last for recipe in recipes(device, tolerance=True).values())


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (None, False),
        ({"nodes": []}, False),
        ({"nodes": [{"op": "aten.convolution.default", "shape": [2, 8, 5, 5]}]}, True),
        ({"nodes": [{"op": "aten.convolution.default", "shape": [2, 8, 5, 5, 5]}]}, True),
        ({"nodes": [{"op": "aten.convolution.default", "shape": [2, 8, 5]}]}, False),
        ({"nodes": [{"op": "aten.max_pool2d_with_indices.default", "results": [{"shape": [2, 8, 5, 5]}]}]}, False),
        ({"nodes": [{"op": "aten.relu.default", "shape": [2, 8, 5, 5]}]}, False),
    ],
)
def test_the_layout_means_something_to_convolutions_in_two_or_three_dimensions(graph, expected):
    assert has_channels_last(graph) is expected
