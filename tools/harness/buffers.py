"""What a reference's calls leave in its buffers. Runs inside a sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.harness.faults import Fault
from tools.harness.values import agree

if TYPE_CHECKING:
    from tools.harness.reference import Reference


def changed_buffers(reference: Reference, cases: dict[str, list[Any]], others: dict[str, list[Any]]) -> set[str]:
    """Names of the buffers that forward() changes. Raises Fault if what it answers next depends on them.

    Buffers are put back once a window of many calls: what one call leaves there, the next one finds.
    """
    found: set[str] = set()
    for name, inputs in cases.items():
        _, leaves = reference.run(inputs)
        now = dict(reference.model.named_buffers())
        changed = {key for key, saved in reference.buffers.items() if key not in now or not agree(now[key], saved)}
        for before in (inputs, others.get(name, inputs)) if changed else ():
            reference.run(before)
            if not all(map(agree, leaves, reference.call(inputs)[1])):
                raise Fault(
                    f"forward() answers from buffers that it changes ({', '.join(sorted(changed))}): the same "
                    "inputs get another answer in the next call; take such state as an input, return it as an "
                    "output"
                )
        found |= changed
    return found
