"""How well each policy searches, without a language model: known landscapes, equal budgets, many seeds.

Usage: python scripts/bench_search.py [--seeds 40] [--first-seed 1000] [--budgets 60 200] [--json]
       python scripts/bench_search.py --landscapes recorded-plans/softmax.jsonl   (of record_plans.py)

The tree, the policy, drafts and restarts are the product's own; judge and model are ``landscapes.py``. The
defaults of the policies were chosen on the seeds 0 to 39; what is published uses others.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from landscapes import Genome, Landscape, Recorded, Rugged, Schools, cross, reached

from agent.policies.base import Pick, SelectionPolicy
from agent.policies.phases import Phases, plan_round
from agent.policies.registry import make_policy
from agent.tree import Node

LANDSCAPES: dict[str, Callable[[int], Landscape]] = {"schools": Schools, "rugged": Rugged}
SLOTS = 2


@dataclass(frozen=True)
class Contender:
    """A way to search."""

    name: str
    policy: str
    phases: Phases


CONTENDERS = (
    Contender("greedy", "greedy", Phases()),
    Contender("greedy, restarts", "greedy", Phases(restart_after=20)),
    Contender("mcts", "mcts", Phases()),
    Contender("mcts, restarts", "mcts", Phases(restart_after=20)),
    Contender("evolution", "evolution", Phases()),
    Contender("evolution, restarts", "evolution", Phases(restart_after=20)),
    Contender("greedy, 10 drafts", "greedy", Phases(drafts=10)),
    Contender("evolution, 10 drafts", "evolution", Phases(drafts=10)),
)


@dataclass(frozen=True)
class Row:
    """One contender on one landscape with one budget, over all seeds."""

    landscape: str
    budget: int
    contender: str
    seeds: int
    reached: float
    """Share of the seeds in which the optimum was found."""
    mean_best: float
    """Mean of the best speed-up over the optimum's."""
    mean_judged_to_best: float


def search(landscape: Landscape, policy: SelectionPolicy, phases: Phases, budget: int, seed: int) -> list[float]:
    """The best speed-up after each candidate. What was there already is not judged again, as in a run."""
    tree: list[Node] = []
    genomes: dict[str, Genome] = {}
    names: dict[Genome, str] = {}
    fruitless: dict[str, int] = {}
    best: list[float] = []
    for round_ in range(20 * budget):
        picks = plan_round(policy, phases, tree, slots=SLOTS, round_=round_, seed=seed)
        for slot, pick in enumerate(picks):
            chance = random.Random(f"{seed}/{round_}/{slot}")  # noqa: S311 - a search, not a secret
            genome = _propose(landscape, pick, genomes, chance)
            if genome in names:
                if pick.parent is not None:
                    fruitless[pick.parent] = fruitless.get(pick.parent, 0) + 1
                continue
            name = f"{len(tree):06d}"
            names[genome], genomes[name] = name, genome
            speedup = landscape.speedup(genome)
            tree.append(_node(name, pick, round_, slot, speedup, landscape.traits(genome)))
            best.append(max(best[-1] if best else 0.0, speedup or 0.0))
            if len(tree) >= budget:
                return best
        tree = [replace(node, fruitless=fruitless.get(node.id, 0)) if node.id in fruitless else node for node in tree]
    return best


def _propose(landscape: Landscape, pick: Pick, genomes: dict[str, Genome], chance: random.Random) -> Genome:
    if pick.parent is None:
        return landscape.fresh(chance)
    genome = genomes[pick.parent]
    for other in pick.inspirations:
        genome = cross(genome, genomes[other], chance)
    if genome != genomes[pick.parent] and chance.random() < 0.5:
        return genome
    return landscape.mutate(genome, chance)


def _node(name: str, pick: Pick, round_: int, slot: int, speedup: float | None, traits: tuple[int, ...]) -> Node:
    return Node(
        id=name,
        parent=pick.parent,
        round=round_,
        slot=slot,
        status="rejected" if speedup is None else "accepted",
        reason="wrong_output" if speedup is None else None,
        speedup=speedup,
        speedup_ci95=None,
        faster=speedup is not None and speedup > 1,
        strategy="",
        lesson="",
        source_artifact="",
        language="cpp",
        origin="landscape",
        kind=pick.kind,
        inspirations=pick.inspirations,
        traits=traits,
    )


def measure(
    name: str, make: Callable[[int], Landscape], contender: Contender, budgets: list[int], seeds: range
) -> list[Row]:
    """One contender over the seeds; each search is run to the largest budget and looked at earlier too."""
    found = []
    for seed in seeds:
        landscape = make(seed)
        curve = search(landscape, make_policy(contender.policy), contender.phases, max(budgets), seed)
        found.append((landscape.optimum, curve))
    rows = []
    for budget in budgets:
        ends = [(optimum, curve[:budget]) for optimum, curve in found]
        rows.append(
            Row(
                landscape=name,
                budget=budget,
                contender=contender.name,
                seeds=len(seeds),
                reached=sum(reached(curve[-1], optimum) for optimum, curve in ends) / len(ends),
                mean_best=statistics.fmean(curve[-1] / optimum for optimum, curve in ends),
                mean_judged_to_best=statistics.fmean(1 + curve.index(curve[-1]) for _, curve in ends),
            )
        )
    return rows


def as_table(rows: list[Row]) -> str:
    """Markdown."""
    lines = [
        "| landscape | candidates | search | optimum reached | mean best / optimum | candidates to its best |",
        "|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: (row.landscape, row.budget)):
        lines.append(
            f"| {row.landscape} | {row.budget} | {row.contender} | {row.reached:.0%} of {row.seeds} "
            f"| {row.mean_best:.3f} | {row.mean_judged_to_best:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Compare search policies on known landscapes.")
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--budgets", type=int, nargs="+", default=[60, 200])
    parser.add_argument("--landscapes", nargs="+", default=sorted(LANDSCAPES))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    rows = []
    for name in options.landscapes:
        recorded = None if name in LANDSCAPES else Recorded(Path(name))
        make = LANDSCAPES[name] if recorded is None else lambda seed, known=recorded: known
        for contender in CONTENDERS:
            rows += measure(Path(name).stem, make, contender, options.budgets, seeds)
            sys.stderr.write(f"{name}: {contender.name}\n")
    told = json.dumps([asdict(row) for row in rows], indent=2) if options.json else as_table(rows)
    sys.stdout.write(told + "\n")


if __name__ == "__main__":
    main()
