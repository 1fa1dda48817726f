"""What a verifier keeps of a device's tensors: the latest, within a bound, by name. Runs inside a sandbox."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

import torch

Made = tuple[bytes, list[torch.Tensor]]


class Shelf:
    """Remembers what was made, and has it made again where it had to be given up."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._made: OrderedDict[Hashable, Made] = OrderedDict()

    def get(self, name: Hashable, make: Callable[[], Made]) -> Made:
        """The thing of that name."""
        if name not in self._made:
            self._made[name] = make()
            self._clear(keep=name)
        self._made.move_to_end(name)
        return self._made[name]

    def put(self, name: Hashable, made: Made) -> None:
        """Remember it under this name."""
        self._made[name] = made
        self._clear(keep=name)

    def empty(self) -> None:
        """Give up everything."""
        self._made.clear()

    def _clear(self, keep: Hashable) -> None:
        held = sum(map(_size_of, self._made.values()))
        for name in list(self._made):
            if held <= self._most_bytes or name == keep:
                return
            held -= _size_of(self._made.pop(name))


def _size_of(made: Made) -> int:
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in made[1]}
    return sum(storages.values())
