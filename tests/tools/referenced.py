"""A reference in this process, and the licence on answers to one of its sets."""

import json
from pathlib import Path
from typing import Any

from tools.licence import Comparison, Licence, compare
from tools.oracle import expected_from, sizes

SOURCE = """
import torch
class Model(torch.nn.Module):
    def forward(self, {names}):
        {body}
def get_inputs():
    return [{inputs}]
"""


class Referee:
    """One problem, one set of it at a time."""

    def __init__(self, folder: Path, names: str, body: str, inputs: str) -> None:
        from tools.harness.reference import Reference

        path = folder / "problem.py"
        path.write_text(SOURCE.format(names=names, body=body, inputs=inputs), encoding="utf-8")
        self.reference = Reference()
        self.reference.open(str(path), "problem.py", 7)

    def make(self, seed: int, dress: str | None = None) -> tuple[Any, list[bytearray]]:
        """Facts and buffers, as they come over the wire."""
        from tools.harness.tensors import raw_bytes

        text, chunks = self.reference.make("default", seed, None, dress)
        return json.loads(text), [bytearray(raw_bytes(chunk)) for chunk in chunks]

    def judge(self, seed: int, forward: Any, dress: str | None = None) -> list[Comparison]:
        """What the licence says of ``forward``, leaf by leaf. Its inputs are those of the set."""
        from tools.harness.tensors import Packed, decode, empty_like_packed, flatten, leaf_of, raw_bytes, view

        facts, buffers = self.make(seed, dress)
        assert "refused" not in facts, facts
        count = len(facts["tensors"])
        assert [len(raw) for raw in buffers[:count]] == list(sizes(facts["tensors"]))
        tensors = []
        for item, raw in zip(facts["tensors"], buffers, strict=False):
            packed = Packed.from_json(item)
            flat = empty_like_packed(packed)
            raw_bytes(flat)[:] = raw
            tensors.append(view(packed, flat))
        leaves: list[Any] = []
        flatten(forward(*decode(facts["spec"], tensors)), leaves)
        expected = expected_from(facts, buffers[count:])
        assert len(leaves) == len(expected)
        answers = [bytes(raw_bytes(leaf_of(value)[1])) for value in leaves]
        return [compare(raw, item, Licence()) for raw, item in zip(answers, expected, strict=True)]
