"""The user's problem file, run: inputs, outputs, float64 outputs. Never in a candidate's process."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from types import ModuleType
from typing import Any

import torch

from tools.harness.backward import Backward, Plan, asked
from tools.harness.bounds import guarded
from tools.harness.buffers import changed_buffers
from tools.harness.cases import draw_cases
from tools.harness.conditioning import Fineness, fineness_of, responses
from tools.harness.counting import count_work
from tools.harness.describing import (
    are_views,
    describe_machine,
    describe_value,
    graph_facts,
    mutates,
    require_room,
    require_same_form,
    require_usable,
)
from tools.harness.doubling import BitsRead, Doubling
from tools.harness.dressing import put_on, says_something
from tools.harness.faults import REFUSALS, Fault, blamed_on
from tools.harness.random_rounding import RandomRounding
from tools.harness.sparing import ALONE, NONFINITE, only_one, spared
from tools.harness.subject import adopt_state, buffers_of, load_module, put_back, seed_everything
from tools.harness.tensors import HOST, Leaves, encode, flatten, leaf_of, pack
from tools.harness.trained import train
from tools.harness.values import (
    Change,
    agree,
    as_oracle,
    default_double,
    duplicate,
    leaf_json,
    no_context,
    own_double,
    same_form,
    with_rows,
)
from tools.harness.wavering import ROUNDINGS, others, roundings, wavering

UNCOMPARED = "forward() updates buffers ({}): only what it returns is compared, not these"
"""A note on a module whose answers do not depend on what it updates, such as BatchNorm in training."""

CONTEXTS: Sequence[Callable[[], Any]] = (Doubling, no_context, default_double)
"""In which a module is asked for float64, the first that works."""


class Reference:
    """One problem file, imported and constructed."""

    def __init__(self) -> None:
        self.device = HOST
        """Where models and inputs are."""
        self.module = ModuleType("problem")
        self.model = torch.nn.Module()
        self._init: list[Any] = []
        self._backward: Backward | None = None
        self._seed = 0
        self._precise: torch.nn.Module | None = None
        self.buffers: dict[str, torch.Tensor] = {}
        self._first_alone: set[tuple[str, int]] = set()
        """Case and number of rows, where only the first input is cut: others have its leading size by accident."""
        self._fineness: dict[str, Fineness] = {}
        self._gave_views = False
        """Whether eager's last answer lies in the memory of its inputs: with other strides it may or may not."""

    def open(self, path: str, name: str, seed: int) -> tuple[bytes, list[torch.Tensor]]:
        """Import and construct; JSON and tensors of what a candidate's constructor needs."""
        with blamed_on(f"importing {name}"):
            self.module = load_module(path, "problem")
        for needed in ("Model", "get_inputs"):
            if not callable(getattr(self.module, needed, None)):
                raise Fault(f"it defines no {needed}: a problem file has class Model and get_inputs()")
        self._seed = seed
        seed_everything(seed)
        if hasattr(self.module, "get_init_inputs"):
            with blamed_on("get_init_inputs()"):
                self._init = list(self.module.get_init_inputs())
        self.model = self._construct(seed)
        train(self.model, seed)
        with blamed_on("Model()"):
            self.model.to(self.device)
        self.buffers = buffers_of(self.model)
        if getattr(self.module, "GRADIENTS", False):
            self._backward = Backward(self.model, self.module.GRADIENTS)
            self.cases(seed)
            put_back(self.model, self.buffers)
        self._precise = self._make_precise()
        return self._constructor_facts()

    @property
    def plan(self) -> Plan | None:
        """Which gradients belong to a call; None where there is no backward."""
        return None if self._backward is None else self._backward.plan

    def _construct(self, seed: int) -> torch.nn.Module:
        with blamed_on("Model()"):
            seed_everything(seed)
            model = self.module.Model(*copy.deepcopy(self._init))
        if not isinstance(model, torch.nn.Module):
            raise Fault(f"Model is a {type(model).__name__}: it must be a torch.nn.Module")
        return model

    def _constructor_facts(self) -> tuple[bytes, list[torch.Tensor]]:
        tensors: list[torch.Tensor] = []
        with blamed_on("get_init_inputs()"):
            spec = encode(self._init, tensors)
        state = {}
        for name, value in self.model.state_dict().items():
            if isinstance(value, torch.Tensor):
                state[name] = len(tensors)
                tensors.append(value)
        with blamed_on("Model()"):
            packs = [pack(tensor) for tensor in tensors]
        backward = None if self.plan is None else self.plan.to_json()
        facts = {
            "init": spec,
            "state": state,
            "backward": backward,
            "tensors": [packed.to_json() for packed, _ in packs],
        }
        return json.dumps(facts).encode(), [flat for _, flat in packs]

    def _make_precise(self) -> torch.nn.Module | None:
        """The same module in float64, or None where neither a copy nor a new construction can be had."""
        attempts: list[Callable[[], torch.nn.Module]] = [
            lambda: copy.deepcopy(self.model),
            self._construct_double,
        ]
        for attempt in attempts:
            try:
                return attempt().to(self.device).double()
            except (*REFUSALS, Fault):
                continue
        return None

    def _construct_double(self) -> torch.nn.Module:
        with default_double():
            model = self._construct(self._seed)
        adopt_state(model.double(), self.model.state_dict())
        return model

    def cases(self, seed: int) -> dict[str, list[Any]]:
        """Input lists by case name, drawn from ``seed``. Raises Fault."""
        seed_everything(seed)
        found = draw_cases(self.module, self.device)
        return found if self._backward is None else self._backward.extended(found, seed, self.device, duplicate)

    def _plain(self) -> Any:
        """Where a module's own factories make their tensors, as when people call it: whoever draws inputs on a device
        has that as the place for all that names none.
        """
        return nullcontext() if self.device.type == "cpu" else torch.device("cpu")

    def run(self, inputs: list[Any], *, own: bool = False) -> tuple[str, Leaves]:
        """Eager's output on a copy of ``inputs``, flattened; ``own``: on themselves, nobody else wants them.

        Raises Fault.
        """
        put_back(self.model, self.buffers)
        return self.call(inputs, own=own)

    def call(self, inputs: list[Any], *, own: bool = False) -> tuple[str, Leaves]:
        """As ``run``, with buffers as the last call left them."""
        copied = inputs if own else duplicate(inputs)
        with torch.no_grad(), blamed_on("forward()"), self._plain():
            leaves: Leaves = []
            structure = flatten(asked(self.model, self.plan)(*copied), leaves)
        self._gave_views = are_views(leaves, copied)
        return structure, leaves

    def run_precise(
        self, inputs: list[Any], change: Change | None = None, contexts: Sequence[Callable[[], Any]] = CONTEXTS
    ) -> tuple[str, Leaves] | None:
        """The float64 output on a copy of ``inputs``, each changed first, or None where the module cannot run them in
        float64.
        """
        if self._precise is None:
            return None
        for context in contexts:
            put_back(self._precise, self.buffers)
            arguments = own_double(inputs, change)
            try:
                with torch.no_grad(), context(), self._plain():
                    leaves: Leaves = []
                    return flatten(asked(self._precise, self.plan)(*arguments), leaves), leaves
            except torch.OutOfMemoryError:  # no other way needs less, and the oracle is not given up for it
                raise
            except BitsRead:
                return None
            except REFUSALS:
                continue
        return None

    def describe(self, seed: int, memory_bytes: int) -> bytes:
        """Run every case twice; JSON of what was found. Raises Fault.

        ``memory_bytes``: what a job may use; a case that would need more later is refused now.
        """
        cases = self.cases(seed)
        described = [self._describe_case(name, inputs, memory_bytes) for name, inputs in cases.items()]
        require_same_form(cases, self.cases(seed + 1))
        facts: dict[str, Any] = {"cases": described}
        changed = changed_buffers(self, cases, self.cases(seed + 1)) if self.buffers else set()
        facts["notes"] = [UNCOMPARED.format(", ".join(sorted(changed)))] if changed else []
        facts.update(describe_machine(self.device))
        facts["oracle"] = "native" if self._precise is None else "float64"
        facts["training"] = self.model.training
        facts["gradients"] = [] if self.plan is None else list(self.plan.names)
        return json.dumps(facts).encode()

    def graph(self, seed: int) -> bytes:
        """JSON of the operator graph of the first case, or of why there is none."""
        first = next(iter(self.cases(seed).values()))
        put_back(self.model, self.buffers)
        return json.dumps(graph_facts(self.model, duplicate(first), self.plan)).encode()

    def _describe_case(self, name: str, inputs: list[Any], memory_bytes: int) -> dict[str, Any]:
        state = [*self.model.parameters(), *self.model.buffers()]
        tensors: list[torch.Tensor] = []
        encode(inputs, tensors)
        require_room(name, tensors, state, memory_bytes)
        structure, leaves = self.run(inputs)
        require_room(name, [*tensors, *leaves], state, memory_bytes)
        torch.manual_seed(time.perf_counter_ns())
        again_structure, again = self.run(inputs)
        require_usable(leaves)
        if structure != again_structure or not all(map(agree, leaves, again)):
            raise Fault(
                "the reference is not deterministic: two runs on the same inputs differ "
                "(dropout in training mode, or random numbers in forward()?); make it deterministic"
            )
        self._check_precise(structure, leaves, inputs)
        with blamed_on("forward()"):
            outputs = [describe_value(value) for value in leaves]
        return {
            "name": name,
            "inputs": [describe_value(item) for item in inputs],
            "outputs": outputs,
            **count_work(partial(self.call, own=True), duplicate(inputs), self.model),
            "mutates": mutates(asked(self.model, self.plan), inputs),
        }

    def _check_precise(self, structure: str, leaves: Leaves, inputs: list[Any]) -> None:
        """Give up the float64 oracle where it answers in another form than eager."""
        answer = self.run_precise(inputs)
        if answer is None or answer[0] != structure or not all(map(same_form, leaves, answer[1])):
            self._precise = None

    def make(
        self, case: str, seed: int, rows: int | None = None, dress: str | None = None
    ) -> tuple[bytes, list[torch.Tensor]]:
        """Draw a set and answer it in both precisions: JSON, then input, eager and oracle tensors.

        ``rows`` cuts it, or takes more from another draw, ``dress`` (see ``dressing``) changes values or layout; what
        is right besides NaN (see ``sparing``) comes last. Where the reference refuses such a set, or says nothing but
        NaN to it, the JSON is ``{"refused": why}``.
        """
        try:
            plain = self._cut(case, seed, rows)
            inputs = self._dressed(plain, seed, dress)
            with guarded(self.device, is_altered=rows is not None or dress is not None):
                structure, leaves = self.run(inputs)
            gave_views = self._gave_views
            answer = self.run_precise(inputs)
        except (Fault, *REFUSALS) as fault:
            if rows is None and dress is None:
                raise
            if dress is None and rows is not None and rows > 1 and (case, rows) not in self._first_alone:
                # One row could be broadcast against all those of another input, which is another operator.
                self._first_alone.add((case, rows))
                return self.make(case, seed, rows, dress)
            return json.dumps({"refused": str(fault)}).encode(), []
        if dress is not None and not says_something(leaves):
            return json.dumps({"refused": "nothing is left to compare"}).encode(), []
        precise = answer[1] if answer is not None and answer[0] == structure else leaves
        free = {}
        if dress is not None and dress.startswith(NONFINITE):
            free = self._spared(plain, inputs, precise, native=precise is leaves)
        if free and dress == NONFINITE:
            return self.make(case, seed, rows, NONFINITE + ALONE)
        eager = [leaf_of(value, self.device) for value in leaves]
        oracle = [leaf_of(as_oracle(mine, value), self.device) for mine, value in zip(leaves, precise, strict=True)]
        facts, chunks = self._packed(inputs, seed)
        facts |= {
            "spared": list(free),
            "structure": structure,
            "names": {} if self.plan is None else self.plan.leaf_names,
            "eager": [leaf_json(leaf) for leaf, _ in eager],
            "oracle": [leaf_json(leaf) for leaf, _ in oracle],
            "precise": precise is not leaves,
            "views": gave_views,
        }
        spares = [leaf_of(value, self.device) for value in free.values()]
        return json.dumps(facts).encode(), chunks + [dense for _, dense in (*eager, *oracle, *spares)]

    def give(self, case: str, seed: int, rows: int | None = None) -> list[torch.Tensor]:
        """The input tensors of ``make`` alone, as drawn: answering them takes several times as much memory."""
        return self._packed(self._cut(case, seed, rows), seed)[1]

    def _cut(self, case: str, seed: int, rows: int | None) -> list[Any]:
        inputs = self.cases(seed)[case]
        if rows is None:
            return inputs
        alone = (case, rows) in self._first_alone
        return with_rows(inputs, rows, lambda: self.cases(seed + 1)[case], first_alone=alone)

    def _dressed(self, inputs: list[Any], seed: int, dress: str | None) -> list[Any]:
        if dress == NONFINITE + ALONE:
            return only_one(inputs, put_on(NONFINITE, inputs, seed), seed)
        return inputs if dress is None else put_on(dress, inputs, seed)

    def _spared(self, drawn: list[Any], dressed: list[Any], leaves: Leaves, *, native: bool) -> dict[int, torch.Tensor]:
        def answer(inputs: list[Any]) -> Leaves:
            found = None if native else self.run_precise(inputs)
            return (found or self.run(inputs))[1]

        try:
            return spared(answer, drawn, dressed, leaves)
        except (Fault, *REFUSALS):
            return {}  # it refuses such numbers

    def draw(self, case: str, seeds: list[int]) -> tuple[bytes, list[torch.Tensor]]:
        """Sets that nobody answers: JSON of a list, then the tensors of one set after the other."""
        drawn = [self._packed(self.cases(seed)[case], seed) for seed in seeds]
        return json.dumps([facts for facts, _ in drawn]).encode(), [chunk for _, chunks in drawn for chunk in chunks]

    def _packed(self, inputs: list[Any], seed: int) -> tuple[dict[str, Any], list[torch.Tensor]]:
        tensors: list[torch.Tensor] = []
        spec = encode(inputs, tensors)
        packs = [pack(tensor) for tensor in tensors]
        facts = {"spec": spec, "seed": seed, "tensors": [packed.to_json() for packed, _ in packs]}
        return facts, [flat for _, flat in packs]

    def condition(self, case: str, seed: int, rows: int | None = None, dress: str | None = None) -> bytes:
        """JSON of the oracle's responses, per leaf, to every input and parameter moving by half a last place."""
        inputs = self._dressed(self._cut(case, seed, rows), seed, dress)
        base = self.run_precise(inputs)
        if base is None:
            return json.dumps(None).encode()
        return json.dumps(responses(base[1], self._fineness_of(case, seed), partial(self._run_moved, inputs))).encode()

    def _fineness_of(self, case: str, seed: int) -> Fineness:
        """Of a draw as it is: unusual values may be exact by luck."""
        if case not in self._fineness:
            inputs = self.cases(seed)[case]
            given: list[Any] = list(self.model.state_dict().values())
            encode(inputs, given)
            self._fineness[case] = fineness_of(given, lambda: self.run(inputs)[1])
        return self._fineness[case]

    def _run_moved(self, inputs: list[Any], change: Change) -> Leaves | None:
        """The float64 output once every input and parameter is changed."""
        if self._precise is None:
            return None
        adopt_state(self._precise, {name: change(value) for name, value in self.model.state_dict().items()})
        moved = self.run_precise(inputs, change)
        adopt_state(self._precise, self.model.state_dict())
        return None if moved is None else moved[1]

    def _run_rounded(self, inputs: list[Any], lot: int, sign: float) -> Leaves | None:
        """The output whose results are rounded to float32 by lot, where that is not coarser than what is computed."""
        given = list(self.model.state_dict().values())
        encode(inputs, given)
        if any(value.dtype in (torch.float64, torch.complex128) for value in given if isinstance(value, torch.Tensor)):
            return None
        found = self.run_precise(inputs, contexts=[partial(RandomRounding, lot, sign)])
        return None if found is None else found[1]

    def waver(
        self, case: str, seed: int, rows: int | None, dress: str | None, step: int
    ) -> tuple[bytes, list[torch.Tensor]]:
        """What else is right besides the oracle's answer by one of the ``STEPS`` of ``wavering``: JSON of pairs, number
        and form of a leaf, then the values, integers in the dtypes of eager's.
        """
        inputs = self._dressed(self._cut(case, seed, rows), seed, dress)
        leaves, base = self.run(inputs)[1], self.run_precise(inputs)
        if base is None:
            return json.dumps([]).encode(), []
        if step < len(ROUNDINGS):
            found = roundings(partial(self._run_rounded, inputs), ROUNDINGS[step])
        else:
            widens = self._fineness_of(case, seed).widens
            found = wavering(partial(self._run_moved, inputs), base[1], widens=widens)
        answers = [(index, *leaf_of(as_oracle(leaves[index], value), self.device)) for index, value in others(found)]
        facts = [(index, leaf_json(leaf)) for index, leaf, _ in answers]
        return json.dumps(facts).encode(), [dense for *_, dense in answers]
