"""The problem file of an operator: KernelBench's form, from what was pasted and what was said of its inputs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from agent.chat.reading import Operator
from agent.chat.shapes import Stated, Tensor

DEFAULT_DTYPE = "float32"
_WHOLE = ("int64", "int32", "int8")


@dataclass
class Inputs:
    """What is known of an operator's inputs so far."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    """Of arguments and of a constructor's, that are no tensors."""
    dtype: str = ""
    """Of every tensor that has none of its own."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_json``."""
        tensors = {
            name: Tensor(tuple(one["shape"]), one["dtype"], one["below"]) for name, one in data["tensors"].items()
        }
        return cls(tensors, dict(data["values"]), data["dtype"])

    def take(self, operator: Operator, stated: Stated) -> None:
        """Add what somebody said; later words win."""
        self.dtype = stated.dtype or self.dtype
        if stated.dtype and stated.dtype not in _WHOLE:
            for name, one in self.tensors.items():
                self.tensors[name] = Tensor(one.shape, one.dtype if one.dtype in (*_WHOLE, "bool") else "", one.below)
        unnamed = _spread(operator, stated)
        names = [name for name in operator.tensors if name not in stated.named]
        empty = [name for name in names if name not in self.tensors]
        places = empty if len(empty) >= len(unnamed) else names
        self.tensors |= dict(zip(places, unnamed, strict=False)) | stated.named
        if stated.below is not None and not unnamed and not stated.named:
            self.tensors = {
                name: Tensor(one.shape, one.dtype, stated.below) if self.is_whole(one) else one
                for name, one in self.tensors.items()
            }
        wanted = {*operator.scalars, *operator.settings, *operator.tensors}
        self.values |= {name: value for name, value in stated.values.items() if name in wanted}

    def is_whole(self, tensor: Tensor) -> bool:
        """Whether it holds whole numbers."""
        return (tensor.dtype or self.dtype) in _WHOLE

    def missing(self, operator: Operator) -> list[str]:
        """What has to be asked, in words."""
        if operator.form == "problem":
            return []
        shapes = [name for name in operator.tensors if name not in self.tensors and name not in self.values]
        values = [name for name in (*operator.settings, *operator.scalars) if name not in self.values]
        found = [f"the shape of {name}" for name in shapes] + [f"the value of {name}" for name in values]
        if found:
            return found
        bounds = [name for name, one in self.tensors.items() if self.is_whole(one) and one.below is None]
        return [f"how large the numbers in {name} may be" for name in bounds]


def _spread(operator: Operator, stated: Stated) -> Sequence[Tensor]:
    """Shapes that were said without names: of a product three sizes are two matrices, and one may be said of all."""
    unnamed = stated.unnamed
    if len(unnamed) != 1:
        return unnamed
    (one,) = unnamed
    if operator.tensors == ("a", "b") and operator.derived is not None:
        rows, inner, columns = (
            one.shape if len(one.shape) == 3 else (*one.shape, 0)[:3] if len(one.shape) == 2 else (0,) * 3
        )
        if columns:
            return [Tensor((rows, inner), one.dtype), Tensor((inner, columns), one.dtype)]
        if rows and rows == inner:
            return [one, one]
    return [one] * len(operator.tensors) if stated.for_all else unnamed


def problem_text(operator: Operator, inputs: Inputs) -> str:
    """The problem file. Nothing may be missing."""
    if operator.form == "problem":
        return operator.source
    tensors = _with_derived(operator, inputs)
    model = _module(operator, inputs) if operator.form == "module" else _function(operator, inputs, list(tensors))
    made = "\n".join(f"        {_tensor(one, inputs)},  # {name}" for name, one in tensors.items())
    given = ", ".join(repr(inputs.values[name]) for name in operator.settings)
    parts = [
        _with_torch(operator.source),
        *([model] if model else []),
        f"def get_inputs():\n    return [\n{made}\n    ]",
        f"def get_init_inputs():\n    return [{given}]",
    ]
    return "\n\n\n".join(parts) + "\n"


_TORCH, _NN = "import torch\n", "from torch import nn\n"


def _with_torch(source: str) -> str:
    """What the lines below the pasted ones need, where they do not import it themselves."""
    lines = source.splitlines(keepends=True)
    if _TORCH not in lines:
        source = _TORCH + source
    if _NN not in lines and "import torch.nn as nn\n" not in lines:
        source = source.replace(_TORCH, _TORCH + _NN, 1)
    return source.rstrip()


def _with_derived(operator: Operator, inputs: Inputs) -> dict[str, Tensor]:
    """In the order of the arguments; those that follow from the last axis of the result."""
    tensors = {name: inputs.tensors[name] for name in operator.tensors if name in inputs.tensors}
    last = tensors[operator.tensors[-1]].shape[-1] if operator.derived else 0
    if operator.derived and operator.tensors == ("x", "weight"):  # linear: one row a feature
        last = tensors["weight"].shape[0]
    return tensors | {name: Tensor((last,)) for name in operator.derived or {} if name not in tensors}


def _function(operator: Operator, inputs: Inputs, tensors: Sequence[str]) -> str:
    given = [name for name in (*operator.tensors, *operator.scalars) if name in inputs.values]
    call = ", ".join([*(f"{name}={name}" for name in tensors), *(f"{name}={inputs.values[name]!r}" for name in given)])
    return (
        f"class Model(nn.Module):\n    def forward(self, {', '.join(tensors)}):\n        return {operator.name}({call})"
    )


def _module(operator: Operator, inputs: Inputs) -> str:
    """The pasted class itself, under the name that is looked for, with its parameters in the dtype that was said."""
    dtype = inputs.dtype
    cast = f".to(torch.{dtype})" if dtype and dtype not in (DEFAULT_DTYPE, *_WHOLE, "bool") else ""
    if operator.name == "Model" and not cast:
        return ""
    base = operator.name
    alias = ""
    if base == "Model":
        alias, base = "Pasted = Model\n\n\n", "Pasted"
    if not cast:
        return f"{alias}class Model({base}):\n    pass"
    given = ", ".join(operator.settings)
    head = f"    def __init__(self{', ' + given if given else ''}):\n        super().__init__({given})\n"
    return f"{alias}class Model({base}):\n{head}        self{cast}"


def _tensor(tensor: Tensor, inputs: Inputs) -> str:
    shape = ", ".join(map(str, tensor.shape))
    size = f"({shape},)" if len(tensor.shape) == 1 else f"({shape})"
    dtype = tensor.dtype or inputs.dtype or DEFAULT_DTYPE
    if dtype == "bool":
        return f"torch.rand({size}) < 0.5"
    told = "" if dtype == DEFAULT_DTYPE else f", dtype=torch.{dtype}"
    if dtype in _WHOLE:
        return f"torch.randint(0, {tensor.below}, {size}{told})"
    return f"torch.randn({size}{told})"
