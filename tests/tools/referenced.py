"""A reference in this process behind the controller's own oracle, and an examiner of answers to its sets."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tools.examining import Examiner, History
from tools.harness import altering
from tools.harness.licence import Comparison, Licence
from tools.harness.reference import Reference
from tools.harness.tensors import Packed, decode, empty_like_packed, flatten, leaf_of, raw_bytes, view
from tools.inputs import InputSet
from tools.oracle import Oracle
from tools.problem import Problem

SOURCE = """
import torch
class Model(torch.nn.Module):
    def forward(self, {names}):
        {body}
def get_inputs():
    return [{inputs}]
"""


class Here:
    """Stands for the worker."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self.asked: list[str] = []

    def ask_facts(
        self, op: str, body: Mapping[str, Any], sizes: Callable[[Any], Iterable[int]] = lambda facts: ()
    ) -> tuple[Any, list[bytearray]]:
        self.asked.append(op)
        altered = getattr(altering, op, None)
        found = altered(self.reference, **body) if altered else getattr(self.reference, op)(**body)
        text, chunks = (found, []) if isinstance(found, bytes) else found
        facts, buffers = json.loads(text), [bytearray(raw_bytes(chunk)) for chunk in chunks]
        assert [len(raw) for raw in buffers] == list(sizes(facts))
        return facts, buffers


class Referee:
    """One problem."""

    def __init__(self, folder: Path, names: str, body: str, inputs: str) -> None:
        path = folder / "problem.py"
        path.write_text(SOURCE.format(names=names, body=body, inputs=inputs), encoding="utf-8")
        reference = Reference()
        reference.open(str(path), "problem.py", 7)
        self.worker = Here(reference)
        self.model = reference.model
        self.oracle = Oracle(lambda: self.worker, Problem(name="problem", source=""), str(path), 1 << 30, 1.0)
        self.examiner = Examiner(Licence(), self.oracle.conditioning, History(), self.oracle.wavering)

    def make(self, seed: int, dress: str | None = None) -> InputSet:
        """One set, which has to be answered."""
        inputs = self.oracle.make("default", dress=dress, seed=seed)
        assert inputs is not None
        return inputs

    def judge(self, inputs: InputSet, forward: Callable[..., Any]) -> Comparison | None:
        """The first leaf of ``forward``'s answer that is not licensed."""
        leaves: list[Any] = []
        flatten(forward(*tensors(inputs)), leaves)
        return self.examiner.examine([bytearray(raw_bytes(leaf_of(value)[1])) for value in leaves], inputs)


def tensors(inputs: InputSet) -> list[Any]:
    """What a candidate would be given."""
    found = []
    for item, raw in zip(inputs.packed, inputs.inputs, strict=True):
        packed = Packed.from_json(item)
        flat = empty_like_packed(packed)
        raw_bytes(flat)[:] = raw
        found.append(view(packed, flat))
    return list(decode(inputs.spec, found))
