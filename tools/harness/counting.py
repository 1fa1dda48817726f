"""What one call of a reference has to do at least: numbers read and written, products made. Runs inside a sandbox.

Counted while the reference runs, operator by operator, and kept low where an operator does not say what it needs: a
floor is made of it. What is read of an input or a parameter is the union of what operators were handed of it; views
read nothing, and a gather reads the rows that its indices name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tools.harness.faults import REFUSALS, Fault
from tools.harness.tensors import Leaves, dtype_name

Work = dict[str, Any]

UNREAD: dict[str, tuple[int, ...]] = {
    "where": (1, 2),
    "masked_fill": (0,),
    "masked_select": (0,),
    "masked_scatter": (0, 2),
    "tril": (0,),
    "triu": (0,),
    "gather": (0,),
    "take": (0,),
    "scatter": (0, 3),
    "scatter_reduce": (0,),
    "index_put": (0,),
    "index_copy": (0,),
    "slice_scatter": (0,),
    "select_scatter": (0,),
    "diagonal_scatter": (0,),
    "constant_pad_nd": (0,),
    "copy": (0,),
    "fill": (0,),
    "zero": (0,),
    **dict.fromkeys(("embedding", "index_select", "index", "_unsafe_index", "_embedding_bag"), (0,)),
}
"""Arguments of which an operator may need a part only, or nothing."""
UNREAD_BEGINNINGS = ("upsample_", "_upsample_", "grid_sampler_", "_adaptive_", "adaptive_", "fractional_", "max_unpool")
"""Operators that may skip elements of their first argument."""
STRUCTURAL = frozenset(
    {
        *("tril", "triu", "tril_indices", "triu_indices", "diagonal", "diag_embed", "eye", "where", "nonzero"),
        *("masked_fill", "masked_scatter", "index_put", "scatter", "bernoulli", "native_dropout"),
    }
)
"""Where one of these takes part, factors may be half empty: of products none is counted then."""
WINDOWS = ("convolution", "max_pool", "avg_pool")
TILE = 6
"""Outputs of a convolution that are made at once, a dimension: the largest tile in use, F(6x6, 3x3)."""
ATTENTION = "_scaled_dot_product_"


@cache
def flop_formulas() -> Mapping[Any, Callable[..., int]]:
    """torch's, by operator. Imported by who counts, which few processes do: Triton comes with it, in a sixth of a
    second.
    """
    from torch.utils.flop_counter import flop_registry

    formulas: Mapping[Any, Callable[..., int]] = flop_registry
    return formulas


@dataclass
class _Read:
    """What is known of one storage that is watched."""

    item: int
    """Bytes of an element."""
    everything: int
    """Elements of the tensors that are watched there."""
    room: int
    """Elements of the storage."""
    is_state: bool
    whole: bool = False
    written: bool = False
    seen: torch.Tensor | None = None
    """By element of the storage."""
    gathered: int = 0

    def bytes(self) -> int:
        """Read at least."""
        marked = self.everything if self.whole else 0 if self.seen is None else int(self.seen.sum())
        return self.item * min(self.everything, max(marked, self.gathered))

    def mark(self, tensor: torch.Tensor) -> None:
        """An operator reads this part of it."""
        if self.whole or self.written or tensor.element_size() != self.item:
            self.whole |= not self.written and tensor.element_size() != self.item and self._is_all(tensor)
            return
        if self._is_all(tensor):
            self.whole, self.seen = True, None
            return
        if self.seen is None:
            self.seen = torch.zeros(self.room, dtype=torch.bool, device=tensor.device)
        shape = [1 if stride == 0 else size for size, stride in zip(tensor.shape, tensor.stride(), strict=True)]
        self.seen.as_strided(shape, tensor.stride(), tensor.storage_offset()).fill_(True)

    def _is_all(self, tensor: torch.Tensor) -> bool:
        """Whether it holds as many bytes, each once."""
        dims = sorted((stride, size) for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if size > 1)
        expected = 1
        for stride, size in dims:
            if stride not in (0, expected):
                return False
            expected *= size if stride else 1
        return bool(expected * tensor.element_size() == self.everything * self.item)


class _Counter(TorchDispatchMode):  # type: ignore[misc]  # torch is unknown to mypy
    """Looks on while operators are carried out."""

    def __init__(self, inputs: Iterable[torch.Tensor], state: Iterable[torch.Tensor]) -> None:
        super().__init__()
        self.reads: dict[int, _Read] = {}
        self.flops = 0
        self.products: dict[str, int] = {}
        self.is_structural = False
        for tensors, is_state in ((inputs, False), (state, True)):
            for tensor in tensors:
                self._watch(tensor, is_state)

    def _watch(self, tensor: torch.Tensor, is_state: bool) -> None:
        storage = tensor.untyped_storage()
        room = storage.nbytes() // tensor.element_size()
        known = self.reads.get(storage.data_ptr())
        size = math.prod(n for n, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride)
        if known is None:
            self.reads[storage.data_ptr()] = _Read(tensor.element_size(), min(size, room), room, is_state)
        elif size > known.everything:
            known.everything = min(size, known.room)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Carry it out, and count what it is."""
        kwargs = kwargs or {}
        if not hasattr(func, "_schema"):  # control flow, and kernels that somebody wrote
            return func(*args, **kwargs)
        name = func._schema.name.removeprefix("aten::").removesuffix("_")
        packet = func._overloadpacket
        if (
            packet not in flop_formulas()
            and not name.startswith(ATTENTION)
            and func is not torch.ops.prim.device.default
        ):
            with self:
                answer = func.decompose(*args, **kwargs)
            if answer is not NotImplemented:
                return answer
        self._note_reads(func, name, args, kwargs)
        answer = func(*args, **kwargs)
        self.is_structural |= name in STRUCTURAL
        self._note_products(packet, name, args, kwargs, answer, [item.name for item in func._schema.arguments])
        return answer

    def _note_reads(self, func: Any, name: str, args: Any, kwargs: Any) -> None:
        schema = func._schema
        is_view = any(item.alias_info is not None and not item.alias_info.is_write for item in schema.returns)
        if is_view or name.endswith("_like") or name.startswith("new_"):
            return
        skips = name.startswith(UNREAD_BEGINNINGS) or (
            any(part in name for part in WINDOWS) and _leaves_gaps(schema, args)
        )
        unread = (0,) if skips else UNREAD.get(name, ())
        named: list[tuple[Any, Any]] = [*enumerate(args), *kwargs.items()]
        for place, value in named:
            for tensor in tree_leaves(value):
                known = self._known(tensor)
                if known is not None and place not in unread:
                    known.mark(tensor)
        if name in ("embedding", "index_select", "index", "_unsafe_index") and (known := self._known(args[0])):
            known.gathered = max(known.gathered, _rows(name, args))
        for place, argument in enumerate(schema.arguments):  # what is read there later is not the caller's any more
            if argument.alias_info is not None and argument.alias_info.is_write and place < len(args):
                for tensor in tree_leaves(args[place]):
                    if known := self._known(tensor):
                        known.written = True

    def _known(self, tensor: Any) -> _Read | None:
        if not isinstance(tensor, torch.Tensor) or tensor.layout is not torch.strided:
            return None
        return self.reads.get(tensor.untyped_storage().data_ptr()) if tensor.numel() else None

    def _note_products(self, packet: Any, name: str, args: Any, kwargs: Any, answer: Any, names: list[str]) -> None:
        factors = [item for item in tree_leaves(args) if isinstance(item, torch.Tensor)]
        share = 1.0
        if name.startswith(ATTENTION) and len(factors) >= 3:
            count = _attention(*factors[:3])
            share = _share_of_attention(dict(zip(names, args, strict=False)) | kwargs, *factors[:2])
        elif packet in flop_formulas() and factors:
            count = int(flop_formulas()[packet](*args, **kwargs, out_val=answer))
            share = _share_of_convolution(factors[1]) if "convolution" in name else 1.0
        else:
            return
        dtype = dtype_name(factors[0].dtype)
        self.flops += count
        self.products[dtype] = self.products.get(dtype, 0) + int(count * share)


def count_work(run: Callable[[list[Any]], tuple[str, Leaves]], inputs: list[Any], model: torch.nn.Module) -> Work:
    """What a call does at least. ``run`` calls the model on ``inputs`` themselves, and may write to them.

    ``bytes_moved``: of inputs, parameters and buffers what is read, of outputs what is not in one of those already,
    each byte once; ``bytes_written``: of it, outputs; ``state_bytes``: of it, parameters and buffers; ``state_dtypes``:
    of those that are read; ``flops``: operations as torch counts them; ``products``: by the dtype of their factors, how
    many of them there have to be: a convolution in the largest tiles in use (Winograd, 1980), causal attention by half,
    and none where factors may be half empty (``STRUCTURAL``). Nothing is told of what cannot be looked at.
    """
    state = [*model.parameters(), *model.buffers()]
    tensors = [item for item in tree_leaves(inputs) if isinstance(item, torch.Tensor)]
    flop_formulas()  # not within the counter, which would watch what an import does
    counter = _Counter(tensors, state)
    try:
        with counter:
            leaves = run(inputs)[1]
    except (Fault, *REFUSALS):
        return {"bytes_moved": 0, "flops": 0}
    written = _written(leaves, counter.reads)
    mine = {tensor.untyped_storage().data_ptr(): dtype_name(tensor.dtype) for tensor in state}
    read_state = {name for place, name in mine.items() if counter.reads[place].bytes()}
    state_bytes = sum(known.bytes() for known in counter.reads.values() if known.is_state)
    read = sum(known.bytes() for known in counter.reads.values())
    return {
        "bytes_moved": read + written,
        "bytes_written": written,
        "state_bytes": state_bytes,
        "state_dtypes": sorted(read_state),
        "flops": counter.flops,
        "products": {} if counter.is_structural else counter.products,
    }


def _written(leaves: Leaves, reads: dict[int, _Read]) -> int:
    """Bytes of outputs, each stretch of memory once."""
    sizes: dict[int, int] = {}
    room: dict[int, int] = {}
    for leaf in leaves:
        if isinstance(leaf, torch.Tensor) and leaf.layout is torch.strided:
            storage = leaf.untyped_storage()
            place = storage.data_ptr()
            sizes[place] = sizes.get(place, 0) + leaf.numel() * leaf.element_size()
            room[place] = storage.nbytes()
    return int(sum(min(size, room[place]) for place, size in sizes.items() if place not in reads))


def _rows(name: str, args: Any) -> int:
    """Elements that the rows have which an embedding or an index names; 0 where they cannot be told."""
    table = args[0]
    dim, index = (0, args[1])
    if name == "index_select":
        dim, index = args[1], args[2]
    elif name != "embedding":
        given = [(place, item) for place, item in enumerate(args[1]) if item is not None]
        if len(given) != 1:
            return 0
        dim, index = given[0]
    if index.is_floating_point() or index.dtype in (torch.bool, torch.uint8):
        return 0
    length = table.shape[dim]
    return int((index % length).unique().numel() * (table.numel() // length))


def _leaves_gaps(schema: Any, args: Any) -> bool:
    """Whether windows skip elements between them, or beside them."""
    given = dict(zip((item.name for item in schema.arguments), args, strict=False))
    window = given.get("kernel_size") or list(given["weight"].shape[2:]) if "weight" in given else given["kernel_size"]
    stride = given.get("stride") or window
    window, stride = list(window), list(stride)
    if len(window) != len(stride):
        window, stride = window * len(stride), stride * len(window)
    wide = any(by > 1 for by in given.get("dilation") or [1]) and any(step > 1 for step in stride)
    return wide or any(step > size for step, size in zip(stride, window, strict=False))


def _share_of_convolution(weight: torch.Tensor) -> float:
    """Of its operations, those that tiles need: m outputs of r taps each, of one dimension, take m + r - 1 products."""
    return float(math.prod((TILE + taps - 1) / (TILE * taps) for taps in weight.shape[2:]))


def _attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> int:
    """Two operations for each product of scores and of weighted values."""
    *batch, rows, depth = query.shape
    return int(2 * math.prod(batch) * rows * key.shape[-2] * (depth + value.shape[-1]))


def _share_of_attention(given: dict[str, Any], query: torch.Tensor, key: torch.Tensor) -> float:
    """Of its operations, those that no mask makes needless."""
    if given.get("attn_mask") is not None or given.get("attn_bias") is not None or given.get("dropout_p"):
        return 0.0
    return 0.5 * min(1.0, query.shape[-2] / key.shape[-2]) if given.get("is_causal") else 1.0
