"""Shapes and dtypes as people write them."""

from __future__ import annotations

import pytest

from agent.chat.shapes import Stated, Tensor, number, parse_shapes


def said(text: str, *names: str) -> Stated:
    return parse_shapes(text, names)


@pytest.mark.parametrize(
    ("text", "shape", "dtype"),
    [
        ("4096x4096 bf16", (4096, 4096), "bfloat16"),
        ("fp16 128 x 256", (128, 256), "float16"),
        ("batch 32 seq 128 dim 512", (32, 128, 512), ""),
        ("batch size 8, channels=3", (8, 3), ""),
        ("(64, 3, 224, 224)", (64, 3, 224, 224), ""),
        ("[1024]", (1024,), ""),
        ("32 rows and 64 columns half", (32, 64), "float16"),
        ("1M elements", (1 << 20,), ""),
        ("4k×4k double", (4096, 4096), "float64"),
        ("4096", (4096,), ""),
        ("a tensor of 8*16 floats in float32", (8, 16), "float32"),
    ],
)
def test_one_shape(text: str, shape: tuple[int, ...], dtype: str) -> None:
    stated = said(text)
    assert ([one.shape for one in stated.unnamed], stated.dtype) == ([shape], dtype)
    assert stated.named == {}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("x: 128x256, w: 256x512", {"x": (128, 256), "w": (256, 512)}),
        ("x is (8, 4) and w is 4", {"x": (8, 4), "w": (4,)}),
        ("x and w are 64x64", {"x": (64, 64), "w": (64, 64)}),
        ("x=(8,4)", {"x": (8, 4)}),
        ("x=8x4", {"x": (8, 4)}),
        ("x batch 2 seq 3, w 5", {"x": (2, 3), "w": (5,)}),
    ],
)
def test_shapes_with_names(text: str, named: dict[str, tuple[int, ...]]) -> None:
    stated = said(text, "x", "w")
    assert {name: one.shape for name, one in stated.named.items()} == named
    assert (stated.unnamed, stated.values) == ([], {})


def test_each_has_its_own_dtype_and_bound() -> None:
    stated = said("ids 32x128 int64 < 1000, w 1000x64 fp32", "ids", "w")
    assert stated.named == {"ids": Tensor((32, 128), "int64", 1000), "w": Tensor((1000, 64), "float32")}
    assert stated.dtype == "", "neither is said of everything"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("n=512, m=1024", {"n": 512, "m": 1024}),
        ("eps = 1e-5", {"eps": 1e-5}),
        ("flag=True, mode='tanh'", {"flag": True, "mode": "tanh"}),
        ("dim=-1", {"dim": -1}),
    ],
)
def test_values_of_arguments(text: str, values: dict[str, object]) -> None:
    stated = said(text, *values)
    assert (stated.values, stated.unnamed) == (values, [])


@pytest.mark.parametrize("text", ["", "yes", "try shared memory", "what is it?", "make it quick"])
def test_what_says_nothing(text: str) -> None:
    assert said(text, "x").is_empty


def test_all_of_them() -> None:
    assert said("all 64x64", "x", "w").for_all
    assert not said("64x64", "x", "w").for_all


def test_numbers() -> None:
    assert [number(text) for text in ("7", "4k", "2M", "1_000")] == [7, 4096, 2 << 20, 1000]
