"""Search landscapes with a known optimum, and a proposer that stands in for a model: no process, no clock.

*Schools* is deceptive. A kernel follows a school (how the work is laid out) and has a few knobs. Each school has
its own best setting. The school that comes to mind first is good at once and soon exhausted; the best one is
slow until nearly all of its knobs are right, so that whoever always builds upon the fastest kernel never gets
there. Proposals are wrong now and then.

*Rugged* is an NK landscape (Kauffman & Levin 1987, "Towards a general theory of adaptive walks on rugged
landscapes"): every knob's worth depends on its neighbours'. Its optimum is found by looking at all settings.

A proposal changes a knob or two of its parent; or, now and then, its school; or takes knobs over from a second
parent. It knows nothing of the landscape, and of the tree only what its pick shows.
"""

from __future__ import annotations

import itertools
import math
import random
from pathlib import Path
from typing import Protocol

from record_plans import LEVELS, rows_of

from agent.builtin.plan import Plan, parse_plan
from agent.builtin.tuning import first_plans

Genome = tuple[int, ...]


class Landscape(Protocol):
    """A fitness over genomes."""

    optimum: float

    def speedup(self, genome: Genome) -> float | None:
        """None for a wrong kernel."""

    def fresh(self, chance: random.Random) -> Genome:
        """A genome from nothing, as likely as it comes to mind."""

    def mutate(self, genome: Genome, chance: random.Random) -> Genome:
        """A change of the kind a model makes."""

    def traits(self, genome: Genome) -> tuple[int, ...]:
        """What can be seen of the genome in its source."""


class Schools:
    """See the module's text. A genome is the school, then its knobs."""

    KNOBS = 6
    LEVELS = 4
    LIKELY = (0.45, 0.25, 0.15, 0.10, 0.05)
    """How soon a school comes to mind; the first is the bait, the last but one the best."""
    FIRST = (1.3, 1.1, 0.9, 0.7, 0.6)
    """Speed-up with no knob right."""
    LAST = (2.0, 1.8, 1.7, 3.2, 1.4)
    """With all of them right."""
    STEEP = (1.0, 1.0, 1.5, 2.0, 1.5)
    """Above 1, most of the gain comes with the last knobs."""
    LEAP = 0.12
    """Share of changes that change the school and keep some knobs."""
    WRONG = 0.15

    def __init__(self, seed: int) -> None:
        chance = random.Random(f"schools/{seed}")  # noqa: S311 - a landscape, not a secret
        self.best = [tuple(chance.randrange(self.LEVELS) for _ in range(self.KNOBS)) for _ in self.LIKELY]
        self.seed = seed
        self.optimum = max(self.LAST)

    def speedup(self, genome: Genome) -> float | None:
        """Rises with the knobs that are right; one of seven or so is wrong, for whoever tries it."""
        school, *knobs = genome
        right = sum(a == b for a, b in zip(knobs, self.best[school], strict=True))
        if right < self.KNOBS and random.Random(f"{self.seed}/{genome}").random() < self.WRONG:  # noqa: S311
            return None
        share = (right / self.KNOBS) ** self.STEEP[school]
        return self.FIRST[school] + (self.LAST[school] - self.FIRST[school]) * share

    def fresh(self, chance: random.Random) -> Genome:
        """A likely school, any knobs."""
        school = chance.choices(range(len(self.LIKELY)), self.LIKELY)[0]
        return (school, *(chance.randrange(self.LEVELS) for _ in range(self.KNOBS)))

    def mutate(self, genome: Genome, chance: random.Random) -> Genome:
        """One knob, sometimes two; now and then another school."""
        changed = list(genome)
        if chance.random() < self.LEAP:
            changed[0] = chance.choices(range(len(self.LIKELY)), self.LIKELY)[0]
        for _ in range(1 if chance.random() < 0.7 else 2):
            changed[1 + chance.randrange(self.KNOBS)] = chance.randrange(self.LEVELS)
        return tuple(changed)

    def traits(self, genome: Genome) -> tuple[int, ...]:
        """The school shows."""
        return (genome[0],)


class Rugged:
    """NK with ``N`` knobs of two settings, each depending on ``K`` others."""

    N, K = 14, 4

    def __init__(self, seed: int) -> None:
        chance = random.Random(f"rugged/{seed}")  # noqa: S311
        self.near = [sorted(chance.sample([j for j in range(self.N) if j != i], self.K)) for i in range(self.N)]
        self.worth = [
            {bits: chance.random() for bits in itertools.product((0, 1), repeat=self.K + 1)} for _ in range(self.N)
        ]
        self.known = {genome: self._raw(genome) for genome in itertools.product((0, 1), repeat=self.N)}
        self.low, self.high = min(self.known.values()), max(self.known.values())
        self.optimum = 3.0

    def _raw(self, genome: Genome) -> float:
        return sum(
            worth[(genome[i], *(genome[j] for j in near))]
            for i, (near, worth) in enumerate(zip(self.near, self.worth, strict=True))
        )

    def speedup(self, genome: Genome) -> float | None:
        """From 0.5 for the worst to 3."""
        return 0.5 + 2.5 * (self.known[genome] - self.low) / (self.high - self.low)

    def fresh(self, chance: random.Random) -> Genome:
        """Any."""
        return tuple(chance.randrange(2) for _ in range(self.N))

    def mutate(self, genome: Genome, chance: random.Random) -> Genome:
        """One knob, often two."""
        changed = list(genome)
        for at in chance.sample(range(self.N), 1 if chance.random() < 0.6 else 2):
            changed[at] = 1 - changed[at]
        return tuple(changed)

    def traits(self, genome: Genome) -> tuple[int, ...]:
        """A few knobs show in the source."""
        return genome[:3]


class Recorded:
    """What ``record_plans.py`` measured of the builtin model's programs for a real problem. A genome has a level for
    everything that is varied; several may be one program, which has one speed-up, whoever looks.
    """

    def __init__(self, path: Path) -> None:
        self.levels = [list(values) for values in LEVELS.values()]
        self.known: dict[Genome, float | None] = {}
        """By the first genome of a program."""
        self.first: dict[Genome, Genome] = {}
        """What every other one of that program stands for."""
        for row in rows_of(path):
            genomes = [self._genome(plan) for name in row.get("plans", ()) if (plan := parse_plan(name)) is not None]
            self.first |= dict.fromkeys(genomes, genomes[0] if genomes else ())
            self.known |= dict.fromkeys(genomes[:1], row.get("speedup"))
        self.optimum = max(speedup for speedup in self.known.values() if speedup is not None)

    def _genome(self, plan: Plan) -> Genome:
        return tuple(values.index(getattr(plan, name)) for name, values in zip(LEVELS, self.levels, strict=True))

    def speedup(self, genome: Genome) -> float | None:
        """None for a wrong program, and for one that was not measured."""
        return self.known.get(self.first.get(genome, ()))

    def fresh(self, chance: random.Random) -> Genome:
        """The builtin model's own first plans, with a change or two."""
        genome = self._genome(chance.choice(first_plans(writes_much=chance.random() < 0.5)))
        while True:
            for at in chance.sample(range(len(genome)), chance.randrange(3)):
                genome = self._changed(genome, at, chance)
            if genome in self.first:
                return self.first[genome]

    def mutate(self, genome: Genome, chance: random.Random) -> Genome:
        """One choice, sometimes two, as the builtin model varies them; it may make no difference."""
        while True:
            found = genome
            for at in chance.sample(range(len(genome)), 1 if chance.random() < 0.7 else 2):
                found = self._changed(found, at, chance)
            if found in self.first:  # not all may have been measured
                return self.first[found]

    def _changed(self, genome: Genome, at: int, chance: random.Random) -> Genome:
        other = chance.choice([level for level in range(len(self.levels[at])) if level != genome[at]])
        return (*genome[:at], other, *genome[at + 1 :])

    def traits(self, genome: Genome) -> tuple[int, ...]:
        """Threads, and how rows are shared: what shows in a source."""
        return genome[-2:]


def cross(first: Genome, second: Genome, chance: random.Random) -> Genome:
    """Each knob from one of two parents, most from the first."""
    return tuple(b if chance.random() < 1 / 3 else a for a, b in zip(first, second, strict=True))


def reached(best: float, optimum: float) -> bool:
    """As good as the optimum."""
    return math.isclose(best, optimum, rel_tol=1e-3) or best > optimum
