"""Tensors and plain values to bytes and back. Runs inside a sandbox; standard library and torch only."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import torch

from tools.harness.wire import ITEM_BYTES, Leaf

Spec = Any
"""Tagged JSON of a value; tensors are replaced by their number."""

Leaves = list[torch.Tensor | bool | int | float]
"""An output's tensors and numbers, in order."""


class Unsupported(Exception):
    """A value that does not travel; the message names it."""


@dataclass(frozen=True)
class Packed:
    """A tensor as it travels: the stretch of storage it spans, and how to view it."""

    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    span: int
    """Elements of the stretch."""

    @property
    def size_bytes(self) -> int:
        """Raw bytes of the stretch."""
        return self.span * ITEM_BYTES[self.dtype]

    def to_json(self) -> list[Any]:
        """Plain JSON; inverse of ``from_json``."""
        return [self.dtype, list(self.shape), list(self.stride), self.span]

    @classmethod
    def from_json(cls, data: list[Any]) -> Packed:
        """Read what ``to_json`` wrote."""
        return cls(data[0], tuple(data[1]), tuple(data[2]), int(data[3]))


def dtype_name(dtype: torch.dtype) -> str:
    """As torch spells it, without the prefix."""
    return str(dtype).removeprefix("torch.")


def span_of(tensor: torch.Tensor) -> int:
    """Elements from the first to the last one that a strided tensor touches."""
    if tensor.numel() == 0:
        return 0
    return 1 + int(sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True)))


def pack(tensor: torch.Tensor) -> tuple[Packed, torch.Tensor]:
    """Description, and a flat tensor whose bytes are to be sent. Strides survive unless they waste bytes."""
    if tensor.layout is not torch.strided or tensor.is_quantized:
        raise Unsupported(f"a {tensor.layout} tensor")
    name = dtype_name(tensor.dtype)
    if name not in ITEM_BYTES:
        raise Unsupported(f"a tensor of dtype {name}")
    tensor = tensor.detach().resolve_conj().resolve_neg()
    span = span_of(tensor)
    if span > 2 * tensor.numel():
        tensor = tensor.contiguous()
        span = tensor.numel()
    flat = tensor.as_strided((span,), (1,))
    return Packed(name, tuple(tensor.shape), tuple(tensor.stride()), span), flat


def empty_like_packed(packed: Packed) -> torch.Tensor:
    """A flat, uninitialised stretch."""
    return torch.empty(packed.span, dtype=getattr(torch, packed.dtype))


def view(packed: Packed, flat: torch.Tensor) -> torch.Tensor:
    """The stretch seen with its shape and strides."""
    return flat.as_strided(packed.shape, packed.stride)


def raw_bytes(flat: torch.Tensor) -> memoryview:
    """Writable bytes of a contiguous tensor on the host; valid while the tensor lives."""
    size = flat.numel() * flat.element_size()
    if size == 0:
        return memoryview(bytearray())
    return memoryview((ctypes.c_char * size).from_address(flat.data_ptr())).cast("B")


def encode(value: Any, tensors: list[torch.Tensor]) -> Spec:
    """Tagged JSON of a plain value; its tensors are appended to ``tensors``. Raises Unsupported."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, torch.Tensor):
        tensors.append(value)
        return {"tensor": len(tensors) - 1}
    if isinstance(value, int):
        return {"int": str(int(value))}
    if isinstance(value, float):
        return {"float": float(value).hex()}
    if isinstance(value, torch.dtype):
        return {"dtype": dtype_name(value)}
    if isinstance(value, tuple):
        return {"tuple": [encode(item, tensors) for item in value]}
    if isinstance(value, list):
        return {"list": [encode(item, tensors) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[encode(key, tensors), encode(item, tensors)] for key, item in value.items()]}
    raise Unsupported(f"a value of type {type(value).__name__}")


def decode(spec: Spec, tensors: list[torch.Tensor]) -> Any:
    """Inverse of ``encode``."""
    if not isinstance(spec, dict):
        return spec
    (tag, body), *_ = spec.items()
    if tag == "tensor":
        return tensors[body]
    if tag == "int":
        return int(body)
    if tag == "float":
        return float.fromhex(body)
    if tag == "dtype":
        return getattr(torch, body)
    if tag == "dict":
        return {decode(key, tensors): decode(item, tensors) for key, item in body}
    items = [decode(item, tensors) for item in body]
    return tuple(items) if tag == "tuple" else items


def flatten(value: Any, leaves: Leaves) -> str:
    """Nesting of an output as text; tensors and numbers are appended to ``leaves``. Raises Unsupported."""
    if value is None:
        return "-"
    if isinstance(value, torch.Tensor):
        leaves.append(value)
        return "T"
    if isinstance(value, bool | int | float):
        leaves.append(value)
        return type(value).__name__[0]
    if isinstance(value, tuple):
        return "(" + ",".join(flatten(item, leaves) for item in value) + ")"
    if isinstance(value, list):
        return "[" + ",".join(flatten(item, leaves) for item in value) + "]"
    if isinstance(value, dict):
        items = sorted(value.items(), key=lambda item: repr(item[0]))
        return "{" + ",".join(f"{key!r}:{flatten(item, leaves)}" for key, item in items) + "}"
    raise Unsupported(f"a value of type {type(value).__name__}")


HOST = torch.device("cpu")


def held_bytes(leaves: Leaves, others: list[torch.Tensor]) -> int:
    """Memory that is kept while ``leaves`` are, besides that of ``others``."""
    mine = [leaf.untyped_storage() for leaf in leaves if isinstance(leaf, torch.Tensor)]
    theirs = {tensor.untyped_storage().data_ptr() for tensor in others}
    return sum({part.data_ptr(): part.nbytes() for part in mine if part.data_ptr() not in theirs}.values())


def dense_of(value: torch.Tensor | bool | int | float, device: torch.device = HOST) -> torch.Tensor:
    """A contiguous tensor of a leaf's values; the leaf itself where it is one. Raises Unsupported."""
    if not isinstance(value, torch.Tensor):
        dtype = torch.bool if isinstance(value, bool) else torch.int64 if isinstance(value, int) else torch.float64
        try:
            return torch.tensor(value, dtype=dtype, device=device)
        except (OverflowError, RuntimeError) as error:
            raise Unsupported(f"the number {str(value)[:40]}") from error
    if type(value) not in (torch.Tensor, torch.nn.Parameter):
        raise Unsupported(f"a {type(value).__name__} instead of a plain tensor")
    if value.layout is not torch.strided or value.device.type != device.type:
        raise Unsupported(f"a {value.layout} tensor on {value.device}")
    if value.is_conj() or value.is_neg():
        value = value.resolve_conj().resolve_neg()
    return value if value.is_contiguous() else value.contiguous()


def leaf_of(value: torch.Tensor | bool | int | float, device: torch.device = HOST) -> tuple[Leaf, torch.Tensor]:
    """Description of an output's leaf, and the contiguous tensor whose bytes count. Raises Unsupported."""
    dense = dense_of(value.detach().to(device) if isinstance(value, torch.Tensor) else value, device)
    name = dtype_name(dense.dtype)
    if name not in ITEM_BYTES or dense.is_quantized:
        raise Unsupported(f"a tensor of dtype {name}")
    return Leaf(name, tuple(dense.shape), not isinstance(value, torch.Tensor)), dense
