"""The controller's end of the oracle: secret inputs, float64 outputs, and what a constructor needs."""

from __future__ import annotations

import math
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from tools.comparing import LOCAL, Numbers
from tools.errors import JudgeUnavailable, RequestError
from tools.harness.licence import Expected
from tools.harness.wire import ITEM_BYTES, Leaf, structure_digest
from tools.harness.yardstick import NO_RESPONSE, Response, Sample
from tools.inputs import Draw, InputSet, Manners, PackedJson
from tools.problem import CaseFacts, Description, Problem
from tools.worker import Worker, WorkerFailed

SOUND = 1 / 16
"""Of an answer's scale: what rounding may move it by."""
MAX_CHANGES = 40
"""Mutants of the reference that are run, at most."""


@dataclass(frozen=True)
class Constructor:
    """What a candidate's constructor gets: the problem's init inputs and the reference's parameters."""

    init: Any
    tensors: tuple[PackedJson, ...]
    state: dict[str, int]
    payload: tuple[bytearray, ...]
    seed: int
    backward: Any = None
    """Which gradients belong to a call (``tools.harness.backward.Plan`` as JSON); None without a backward."""
    bank: Any = None
    """Of the device's memory (``tools.device.bank.Bank``), where there is one."""

    @property
    def init_tensors(self) -> int:
        """How many of ``tensors`` belong to the init inputs; the parameters follow."""
        return min(self.state.values(), default=len(self.tensors))


class Oracle:
    """One trusted worker that imported the problem file. Safe to use from several threads."""

    def __init__(
        self, start: Callable[[], Worker], problem: Problem, path: str, memory_bytes: int, timeout_s: float
    ) -> None:
        """``start`` starts such a worker."""
        self.constructor: Constructor | None = None
        self.numbers: Numbers = LOCAL
        self.conditioned: dict[tuple[str, str | None, int | None], tuple[Response, ...]] = {}
        """By case, dress and rows, what ``conditioning`` found."""
        self._start = start
        self._worker = start()
        self._problem = problem
        self._path = path
        self._memory_bytes = memory_bytes
        self._timeout_s = timeout_s
        self._lock = threading.RLock()

    def open(self, parameter_seed: int) -> Constructor:
        """Import and construct the reference. Raises RequestError."""
        body = {"path": self._path, "name": f"{self._problem.name}.py", "seed": parameter_seed, "compiled": False}
        facts, payload = self._ask("problem", body, lambda facts: sizes(facts["tensors"]))
        self.constructor = Constructor(
            facts["init"],
            tuple(facts["tensors"]),
            facts["state"],
            tuple(payload),
            parameter_seed,
            facts.get("backward"),
        )
        return self.constructor

    def describe(self) -> tuple[Description, dict[str, Manners]]:
        """Facts, and by case what the reference does with its inputs. Raises RequestError."""
        facts, _ = self._ask("describe", {"seed": secrets.randbits(62), "memory_bytes": self._memory_bytes})
        facts |= self._graph()
        manners = {case["name"]: Manners(case["mutates"]) for case in facts["cases"]}
        cases = tuple(CaseFacts.model_validate(_case_facts(case)) for case in facts.pop("cases"))
        return Description(problem=self._problem.name, cases=cases, **facts), manners

    def _graph(self) -> dict[str, Any]:
        """The operator graph, or why there is none. A problem can be judged without, so a failure is no refusal."""
        try:
            facts, _ = self._worker.ask_facts("graph", {"seed": secrets.randbits(62)})
        except WorkerFailed as error:
            if not self._worker.alive:
                assert self.constructor is not None  # it was described
                self._worker = self._start()
                self.open(self.constructor.seed)
            why = f"the operator graph could not be read: {error.detail}"
            return {"graph": None, "graph_error": why, "operators": ()}
        return dict(facts)

    def prepare(self, description: Description) -> None:
        """Nothing to do: contenders live in the host's memory."""

    def make(
        self, case: str, rows: int | None = None, dress: str | None = None, seed: int | None = None
    ) -> InputSet | None:
        """Draw a set from a new secret seed, or again from an old one.

        ``rows``: cut to so many; ``dress``: with unusual values or layout (``tools.harness.dressing``). None if the
        reference refuses that.
        """
        seed = secrets.randbits(62) if seed is None else seed
        body = {"case": case, "seed": seed, "rows": rows, "dress": dress}
        facts, buffers = self._ask("make", body, set_sizes)
        if "refused" in facts:
            return None
        count = len(facts["tensors"])
        expected = expected_from(facts, buffers[count:])
        packed, inputs = tuple(facts["tensors"]), tuple(buffers[:count])
        structure = structure_digest(facts["structure"])
        return InputSet(case, facts["spec"], packed, inputs, seed, structure, expected, dress, rows, facts["views"])

    def draw(self, case: str, count: int) -> list[Draw]:
        """So many sets from new secret seeds, which nobody has answered."""
        seeds = [secrets.randbits(62) for _ in range(count)]
        facts, buffers = self._ask("draw", {"case": case, "seeds": seeds}, draw_sizes)
        draws = []
        for item in facts:
            packed = tuple(item["tensors"])
            mine, buffers = tuple(buffers[: len(packed)]), buffers[len(packed) :]
            draws.append(Draw(case, item["spec"], packed, mine, int(item["seed"])))
        return draws

    def mutate(self, inputs: InputSet) -> Iterator[tuple[str, str, list[bytearray]]]:
        """The reference with one input or parameter changed: how it was changed, which, and what eager makes of it."""
        changes, _ = self._ask("changes", {"case": inputs.case, "seed": inputs.seed})
        for change, what in changes[:MAX_CHANGES]:
            body = {"case": inputs.case, "seed": inputs.seed, "change": change, "what": what}
            facts, leaves = self._ask("mutate", body, leaf_sizes)
            if "refused" not in facts:
                yield change, what, leaves

    def conditioning(self, inputs: InputSet) -> tuple[Response, ...]:
        """Per output leaf of such a set, how far rounding the inputs once more moves the oracle."""
        key, leaves = (inputs.case, inputs.dress, inputs.rows), len(inputs.expected)
        with self._lock:
            if key not in self.conditioned:
                body = {"case": inputs.case, "seed": secrets.randbits(62), "dress": inputs.dress, "rows": inputs.rows}
                facts, _ = self._ask("condition", body)
                found = tuple(map(response_from, facts or ()))
                if len(found) != leaves or not all(map(math.isfinite, chain.from_iterable(chain(*facts)))):
                    found = (NO_RESPONSE,) * leaves
                self.conditioned[key] = found
            return self.conditioned[key]

    def is_sound(self, inputs: InputSet) -> bool:
        """Whether there is a float64 answer, all finite, and rounding leaves of it what it is: what divides by the
        deviation of a row that has none is no such answer, and what is left there is anybody's.
        """
        if not all(item.has_oracle and self.numbers.are_finite(item) for item in inputs.expected):
            return False
        samples = [*(response.coarse for response in self.conditioning(inputs))]
        samples += map(self.numbers.measure, inputs.expected)
        return all(sample.relative(0.0, 0.0).worst <= SOUND for sample in samples)

    def wavering(self, inputs: InputSet, step: int) -> dict[int, tuple[bytearray, ...]]:
        """By leaf, what is right besides the oracle's answer, as found in one of ``STEPS``: rounding decides between
        them. Of floating numbers the least and the largest of each element, in the oracle's precision.
        """
        body = {"case": inputs.case, "seed": inputs.seed, "rows": inputs.rows, "dress": inputs.dress, "step": step}
        facts, raws = self._ask("waver", body, lambda facts: (leaf_from(item).size_bytes for _, item in facts))
        found: dict[int, tuple[bytearray, ...]] = {}
        for (index, _), raw in zip(facts, raws, strict=True):
            found[index] = (*found.get(index, ()), raw)
        return found

    def machine(self) -> dict[str, Any]:
        """What the machine reaches at most, measured now (``tools.harness.ceilings.measure_ceilings``)."""
        facts, _ = self._ask("machine", {})
        return dict(facts)

    def _ask(self, op: str, body: dict[str, Any], sizes_of: Any = lambda facts: ()) -> tuple[Any, list[bytearray]]:
        try:
            return self._worker.ask_facts(op, body, sizes_of)
        except WorkerFailed as error:
            raise self._translated(error) from error

    def _translated(self, error: WorkerFailed) -> Exception:
        """The one line that says what is wrong with the problem, or that we could not tell."""
        name = f"{self._problem.name}.py"
        if error.reason == "fault":
            return RequestError(f"{name}: {error.detail}")
        if error.reason == "timeout":
            return RequestError(
                f"{name}: the reference did not finish within {self._timeout_s:g} s: "
                "make its inputs smaller or raise the stage's time limit"
            )
        if error.reason == "out_of_memory":
            return RequestError(
                f"{name}: the reference needs more memory than the {self._memory_bytes / 2**30:.3g} GiB a job "
                f"may use: make its inputs smaller or raise the memory limit ({error.detail[:200]})"
            )
        if error.reason == "crash":
            return RequestError(f"{name}: running the reference ended its process: {error.detail}")
        return JudgeUnavailable(f"the oracle failed on {name}: {error.detail}")

    def close(self) -> None:
        """Stop the worker."""
        self._worker.close()


def sizes(packed: list[PackedJson]) -> Iterator[int]:
    """Bytes of packed tensors."""
    return (int(item[3]) * ITEM_BYTES[item[0]] for item in packed)


def leaf_from(data: list[Any]) -> Leaf:
    """Read what the harness wrote."""
    return Leaf(data[0], tuple(data[1]), bool(data[2]))


def response_from(data: list[list[float]]) -> Response:
    """Read what the harness wrote: one response, or a coarse and a fine one."""
    coarse, *fine = (Sample(*item) for item in data)
    return Response(coarse, *fine)


def expected_from(facts: Any, buffers: list[bytearray]) -> tuple[Expected, ...]:
    """What the trusted side makes of a set: eager's leaves, the oracle's, and what is spared of them."""
    count = len(facts["eager"])
    spared = dict(zip(facts["spared"], buffers[2 * count :], strict=True))
    return tuple(
        Expected(
            leaf_from(eager),
            buffers[count + index],
            oracle[0],
            buffers[index],
            has_oracle=facts["precise"],
            spared=spared.get(index),
            name=facts.get("names", {}).get(str(index), ""),
        )
        for index, (eager, oracle) in enumerate(zip(facts["eager"], facts["oracle"], strict=True))
    )


def set_sizes(facts: Any) -> Iterator[int]:
    """Bytes of what ``make`` sends: inputs, eager's leaves, the oracle's, what is spared."""
    if "refused" in facts:
        return
    yield from sizes(facts["tensors"])
    for item in (*facts["eager"], *facts["oracle"], *(facts["oracle"][index] for index in facts["spared"])):
        yield leaf_from(item).size_bytes


def leaf_sizes(facts: Any) -> Iterator[int]:
    """Bytes of a mutant's leaves."""
    for item in facts.get("eager", ()):
        yield leaf_from(item).size_bytes


def draw_sizes(facts: Any) -> Iterator[int]:
    """Bytes of what ``draw`` sends, one set after the other."""
    for item in facts:
        yield from sizes(item["tensors"])


def _case_facts(case: dict[str, Any]) -> dict[str, Any]:
    """The public part of a described case: only tensors among the outputs."""
    outputs = [item for item in case["outputs"] if isinstance(item, dict)]
    public = {key: value for key, value in case.items() if key in CaseFacts.model_fields}
    return {**public, "outputs": outputs}
