"""A module's forward with its backward as one call: what a problem that says ``GRADIENTS`` is judged by.

The gradients of its outputs are inputs like others, drawn from secret seeds and put where all inputs appear; the
gradients of its inputs and parameters are outputs like others. So whatever holds for inputs (nobody may write to them)
and for outputs (compared with float64, read from memory, timed) holds for them. Runs inside a sandbox, for the
reference, the baselines and candidates alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch

from tools.harness.faults import Fault, blamed_on
from tools.harness.tensors import Leaves, decode, encode, flatten

WORDS = ("all", "inputs", "parameters")
"""What ``GRADIENTS`` may say; True is ``all``."""
_SALT = 0x6AD1E27


class NoGradient(RuntimeError):
    """A module does not give a gradient that it is asked for; the message is one line for people."""


@dataclass(frozen=True)
class Plan:
    """Which outputs gradients come in for, and which come out. Numbers are places among all tensors, in order."""

    outputs: tuple[int, ...]
    """Leaves of what forward() returns."""
    leaves: int
    """How many there are."""
    inputs: tuple[int, ...]
    """Tensors among its arguments."""
    parameters: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the gradients that come out, in order."""
        return (*(f"input {place}" for place in self.inputs), *self.parameters)

    @property
    def leaf_names(self) -> dict[int, str]:
        """By leaf of the whole answer, what it is where it is a gradient."""
        return {self.leaves + place: f"the gradient of {name}" for place, name in enumerate(self.names)}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; inverse of ``from_json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what ``to_json`` wrote."""
        return cls(tuple(data["outputs"]), int(data["leaves"]), tuple(data["inputs"]), tuple(data["parameters"]))


class ForwardBackward:
    """Answers ``(*arguments, *gradients of outputs)`` with ``(outputs, gradients)``."""

    def __init__(self, call: Callable[..., Any], model: torch.nn.Module, plan: Plan) -> None:
        """``call``: the model, or what was compiled of it."""
        self._call = call
        self._model = model
        self._plan = plan
        self.keeps_apart = False
        """Whether outputs are copied before the gradients come in: what forward() returned has to be right by then, and
        not once backward has run. Only where outputs are checked and nothing is timed."""

    def __call__(self, *arguments: Any) -> Any:
        """Raises NoGradient, and what the module raises."""
        plan, count = self._plan, len(self._plan.outputs)
        given, upstream = list(arguments[:-count]), arguments[-count:]
        tensors: list[torch.Tensor] = []
        spec = encode(given, tensors)
        with torch.enable_grad():
            for place in plan.inputs:
                tensors[place] = tensors[place].detach().requires_grad_()
            wanted = [*(tensors[place] for place in plan.inputs), *map(self._parameter, plan.parameters)]
            outputs = self._call(*decode(spec, tensors))
            answers = self._differentiable(outputs)
            returned = _detached(outputs, copied=self.keeps_apart)
            found = torch.autograd.grad(answers, wanted, upstream, allow_unused=True)
        for name, gradient in zip(plan.names, found, strict=True):
            if gradient is None:
                raise NoGradient(f"backward gives no gradient of {name}")
        return returned, [gradient.detach() for gradient in found]

    def _parameter(self, name: str) -> torch.nn.Parameter:
        """By the reference's name: that is how gradients are compared."""
        try:
            parameter = self._model.get_parameter(name)
        except AttributeError as error:
            raise NoGradient(f"it has no parameter named {name}, whose gradient is wanted") from error
        if not parameter.requires_grad:
            raise NoGradient(f"its parameter {name} wants no gradient: leave requires_grad as it is")
        return parameter

    def _differentiable(self, outputs: Any) -> list[torch.Tensor]:
        leaves: Leaves = []
        flatten(outputs, leaves)
        if len(leaves) != self._plan.leaves:
            raise NoGradient(f"forward() returns {len(leaves)} values, the reference {self._plan.leaves}")
        found = [leaves[place] for place in self._plan.outputs]
        for place, value in zip(self._plan.outputs, found, strict=True):
            if not isinstance(value, torch.Tensor) or not value.requires_grad:
                raise NoGradient(
                    f"output {place} is detached from what it was made of: compute it in a torch.autograd.Function"
                )
        return [value for value in found if isinstance(value, torch.Tensor)]


class Backward:
    """What the gradients of one problem's outputs look like, and fresh ones for every draw."""

    def __init__(self, model: torch.nn.Module, word: Any) -> None:
        """``word``: the problem's ``GRADIENTS``. Raises Fault."""
        self._word = "all" if word is True else word
        if self._word not in WORDS:
            raise Fault(f"GRADIENTS = {word!r}: say True for all, 'inputs' or 'parameters'")
        self._model = model
        self._forms: dict[str, list[tuple[torch.Size, torch.dtype]]] = {}
        self.plan = Plan((), 0, (), ())

    def extended(
        self, cases: dict[str, list[Any]], seed: int, device: torch.device, copied: Callable[[list[Any]], list[Any]]
    ) -> dict[str, list[Any]]:
        """Cases with the gradients of their outputs after their inputs. Raises Fault."""
        for name in cases.keys() - self._forms.keys():
            with blamed_on("forward()"):
                plan, self._forms[name] = self._look(copied(cases[name]))
            if self.plan.leaves and plan != self.plan:
                raise Fault(f"case {name}: other inputs, parameters or outputs have gradients than in other cases")
            self.plan = plan
        lot = torch.Generator(device).manual_seed(seed ^ _SALT)
        return {
            name: [*inputs, *(_drawn(shape, dtype, device, lot) for shape, dtype in self._forms[name])]
            for name, inputs in cases.items()
        }

    def _look(self, given: list[Any]) -> tuple[Plan, list[tuple[torch.Size, torch.dtype]]]:
        """Which outputs of a call have gradients, and which inputs and parameters get some."""
        tensors: list[torch.Tensor] = []
        spec = encode(given, tensors)
        with torch.enable_grad():
            named: dict[str | int, torch.Tensor] = {}
            for place, tensor in enumerate(tensors):
                if tensor.is_floating_point() and self._word != "parameters":
                    named[place] = tensors[place] = tensor.detach().requires_grad_()
            if self._word != "inputs":
                named |= {name: item for name, item in self._model.named_parameters() if item.requires_grad}
            leaves: Leaves = []
            flatten(self._model(*decode(spec, tensors)), leaves)
            places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
            answers: list[Any] = [leaves[place] for place in places]
            if not answers or not named:
                raise Fault("no output depends on anything that has a gradient: leave GRADIENTS out")
            if any(answer.is_complex() for answer in answers):
                raise Fault("an output is complex: only gradients of real outputs can be judged")
            ones = list(map(torch.ones_like, answers))
            found = torch.autograd.grad(answers, list(named.values()), ones, allow_unused=True)
        used = [name for name, gradient in zip(named, found, strict=True) if gradient is not None]
        plan = Plan(
            tuple(places),
            len(leaves),
            tuple(name for name in used if isinstance(name, int)),
            tuple(name for name in used if isinstance(name, str)),
        )
        return plan, [(answer.shape, answer.dtype) for answer in answers]


def asked(model: torch.nn.Module, plan: Plan | None, call: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """What is called: the model (or ``call``, made of it), with its backward where there is a plan."""
    call = model if call is None else call
    return call if plan is None else ForwardBackward(call, model, plan)


def _drawn(shape: Sequence[int], dtype: torch.dtype, device: torch.device, lot: torch.Generator) -> torch.Tensor:
    return torch.randn(shape, generator=lot, device=device).to(dtype)


def _detached(value: Any, *, copied: bool) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone() if copied else value.detach()
    if isinstance(value, list | tuple):
        items = [_detached(item, copied=copied) for item in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, dict):
        return {key: _detached(item, copied=copied) for key, item in value.items()}
    return value
