"""What the builtin model may vary in Triton, and which variation it tries next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.builtin.plan import Choices
from agent.builtin.tuning import Space


@dataclass(frozen=True)
class TritonPlan(Choices):
    """Choices of one Triton candidate."""

    block: int = 1024
    """Elements one program handles where there are no rows."""
    tile: int = 2048
    """Elements of several short rows that one program takes together."""
    whole: int = 32768
    """Longest row that is held in registers, read once."""
    sweep: int = 4096
    """Elements of a longer row between two loads."""
    lanes: int = 64
    """Neighbouring rows that one program takes where rows lie across memory."""
    sides: int = 22
    """Of a tile where operands lie in different orders, one digit each: rows, columns as 16 << digit. 0: no tiles."""
    each: int = 8
    """Elements a thread has of a block; rows give it twice as many."""
    stretch: int = 16
    """Bytes that a lane reads side by side at most, where it reads neighbours: it has several results. 0: no such."""
    stages: int = 3
    """Turns of a loop whose loads are under way at once, room permitting. 1: each turn waits for its own."""
    stream: bool = False
    """Mark what is read or written once as not worth keeping in the cache."""
    split: bool = False
    """Share rows among programs even where there are enough of them."""
    fast: bool = True
    """Approximate division, root and exponential where results are of 16 bits."""
    exact: bool = False
    """Sum in double."""
    dot: int = 0
    """0: matrix products are torch's. Else the tile's sides, one digit each: rows, columns, depth as 16 << digit."""

    @property
    def side_rows(self) -> int:
        """Rows of a tile, along which lie the operands that lie otherwise than the results."""
        return 16 << self.sides // 10

    @property
    def side_columns(self) -> int:
        """Columns of a tile, along which lie the results."""
        return 16 << self.sides % 10


def triton_neighbours(plan: Choices) -> Iterator[Choices]:
    """Plans one change away, the change that helps most often first."""
    assert isinstance(plan, TritonPlan)
    if plan.dot:
        for dot in (332, 342, 322, 232, 333):
            yield plan.but(dot=dot)
        yield plan.but(stages=4 if plan.stages != 4 else 3)
    for each in (16, 4, 8, 32):
        yield plan.but(each=each)
    yield plan.but(stream=not plan.stream)
    for stretch in (32, 8, 16, 0):
        yield plan.but(stretch=stretch)
    for sides in (12, 11, 21, 32, 23, 33, 22, 0):
        yield plan.but(sides=sides)
    for block in (2048, 4096, 512, 1024):
        yield plan.but(block=block)
    for tile in (4096, 1024, 8192, 512, 2048):
        yield plan.but(tile=tile)
    for lanes in (32, 128, 16, 64):
        yield plan.but(lanes=lanes)
    yield plan.but(split=not plan.split)
    for sweep in (8192, 2048, 16384, 4096):
        yield plan.but(sweep=sweep)
    for whole in (16384, 4096, 8192, 32768):
        yield plan.but(whole=whole)
    for stages in (2, 4, 1, 3):
        yield plan.but(stages=stages)
    yield plan.but(fast=not plan.fast)
    yield plan.but(exact=not plan.exact)


def triton_drafts(_writes_much: bool) -> list[Choices]:
    """First plans: as made, matrix products of its own, and more in flight: long rows in larger tiles, also those that
    registers had room for, but of one program a processor.
    """
    plain = TritonPlan()
    wide = plain.but(block=2048, tile=4096, lanes=32, sides=12)
    more = plain.but(each=16, whole=16384, sweep=8192)
    return [plain, plain.but(dot=332), more, wide, plain.but(stream=True)]


def careful(plan: Choices) -> Iterator[Choices]:
    """After a wrong answer: sums in double, nothing approximate, torch's matrix products."""
    yield plan.but(exact=True, fast=False)
    yield plan.but(exact=True, fast=False, dot=0)


TRITON = Space(TritonPlan(), triton_neighbours, triton_drafts, careful)
