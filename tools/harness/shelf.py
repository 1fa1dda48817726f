"""What a verifier keeps of a device's tensors: the latest, within a bound, by name. Runs inside a sandbox."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

import torch

Made = tuple[bytes, list[torch.Tensor]]
MOST_THINGS = 2048


class Shelf:
    """Remembers what was made, and has it made again where it had to be given up."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._made: OrderedDict[Hashable, tuple[Made, int]] = OrderedDict()
        self._held_bytes = 0
        self._largest: dict[Hashable, int] = {}
        """Bytes of the largest thing of a kind, which is what its name begins with."""

    def get(self, name: Hashable, make: Callable[[], Made]) -> Made:
        """The thing of that name."""
        if name not in self._made:
            # Or what has to go would be there while it is made.
            self._shrink(self._most_bytes - self._largest.get(_kind_of(name), 0))
            self.put(name, make())
        self._made.move_to_end(name)
        return self._made[name][0]

    def __contains__(self, name: Hashable) -> bool:
        return name in self._made

    def put(self, name: Hashable, made: Made) -> None:
        """Remember it under this name."""
        self.drop(name)
        size = _size_of(made)
        self._made[name] = made, size
        self._held_bytes += size
        kind = _kind_of(name)
        self._largest[kind] = max(self._largest.get(kind, 0), size)
        self._shrink(self._most_bytes)

    def resize(self, most_bytes: int) -> None:
        """Keep so much from now on."""
        self._most_bytes = most_bytes
        self._shrink(most_bytes)

    def _shrink(self, to_bytes: int) -> None:
        while len(self._made) > 1 and (self._held_bytes > to_bytes or len(self._made) > MOST_THINGS):
            self.drop(next(iter(self._made)))

    def empty(self) -> None:
        """Give up everything."""
        self._made.clear()
        self._held_bytes = 0

    def drop(self, name: Hashable) -> None:
        """Give it up, if it is there."""
        _, size = self._made.pop(name, (None, 0))
        self._held_bytes -= size


def _kind_of(name: Hashable) -> Hashable:
    return name[0] if isinstance(name, tuple) else name


def _size_of(made: Made) -> int:
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in made[1]}
    return sum(storages.values())
