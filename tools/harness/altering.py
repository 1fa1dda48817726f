"""The reference with one input or parameter changed: wrong in a way that matters. Runs inside a sandbox."""

from __future__ import annotations

import json

import torch

from tools.harness.faults import REFUSALS, Fault
from tools.harness.reference import Reference
from tools.harness.tensors import decode, encode, leaf_of
from tools.harness.values import CHANGES, is_changeable, leaf_json


def changes(reference: Reference, case: str, seed: int) -> bytes:
    """JSON of all that ``mutate`` takes: pairs of a change and the input or parameter it concerns."""
    tensors: list[torch.Tensor] = []
    encode(reference.cases(seed)[case], tensors)
    inputs = [f"input {index}" for index, tensor in enumerate(tensors) if is_changeable(tensor)]
    state = [name for name, value in reference.model.state_dict().items() if is_changeable(value)]
    pairs = [(change, name) for change in CHANGES for name in inputs]
    pairs += [(change, name) for change in CHANGES if not change.startswith("part") for name in state]
    return json.dumps(pairs).encode()


def mutate(reference: Reference, case: str, seed: int, change: str, what: str) -> tuple[bytes, list[torch.Tensor]]:
    """Eager's answer once one input or parameter is changed; JSON of ``refused`` where it refuses that."""
    inputs = reference.cases(seed)[case]
    alter = CHANGES[change]
    tensors: list[torch.Tensor] = []
    spec = encode(inputs, tensors)
    saved = reference.model.state_dict().get(what)
    kept = saved.clone() if saved is not None else None
    restored = reference.buffers.get(what)  # a buffer is put back before every run, to what is here
    try:
        with torch.no_grad():
            if saved is not None:
                saved.copy_(alter(saved))
                if restored is not None:
                    reference.buffers[what] = saved.clone()
            else:
                index = int(what.removeprefix("input "))
                tensors[index] = alter(tensors[index])
        _, leaves = reference.run(list(decode(spec, tensors)))
    except (Fault, *REFUSALS) as fault:
        return json.dumps({"refused": str(fault)}).encode(), []
    finally:
        if saved is not None and kept is not None:
            with torch.no_grad():
                saved.copy_(kept)
            if restored is not None:
                reference.buffers[what] = restored
    eager = [leaf_of(value, reference.device) for value in leaves]
    return json.dumps({"eager": [leaf_json(leaf) for leaf, _ in eager]}).encode(), [dense for _, dense in eager]
