"""What candidates have to beat."""

from sandbox.devices import Device, host_device
from tools.baselines import AUTOTUNED, COMPILED, EAGER, recipes

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
