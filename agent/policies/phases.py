"""What is the same under every policy: drafts first, a slot that starts anew on a stall, and whose eyes are closed.

Two phases as in KernelEvolve: independent samples that see nothing, then expansion. A stall is answered, next to
the expansion that goes on, by a line that begins anew and sees neither attempts nor what memory recalls: memory
makes a search converge sooner, and on fewer ideas. Such a line grows by itself, under the same policy, until it
stalls too or overtakes the rest.

Like a policy, all of this is a function of its arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.policies.base import Pick, SelectionPolicy
from agent.policies.sight import Sight, apply_sight, most_telling
from agent.tree import Node, better


@dataclass(frozen=True)
class Phases:
    """What a person fixed, for every policy alike."""

    drafts: int = 0
    """Independent proposals before anything is built upon."""
    restart_after: int | None = None
    """Candidates without a better one after which a slot starts anew; None for never."""
    sight: Sight = "policy"
    first_round: int = 0
    """Number of the first round in which the model proposes."""


def plan_round(
    policy: SelectionPolicy, phases: Phases, tree: Sequence[Node], *, slots: int, round_: int, seed: int
) -> list[Pick]:
    """The picks of a round."""
    begun = (round_ - phases.first_round) * slots
    drafting = max(0, min(slots, phases.drafts - begun))
    picks = [Pick(None, (), kind="draft")] * drafting
    if drafting == slots:
        return picks
    own = [node for node in tree if node.kind == "start"]
    if own and drafting == 0 and (round_ - phases.first_round) * slots - phases.drafts < slots:
        return _from_starts(own, slots)
    apart = _restart(policy, phases, tree, round_=round_, seed=seed) if tree and not drafting else []
    rest = slots - drafting - len(apart)
    chosen = policy.select(tree, slots=rest, round_=round_, seed=seed) if rest else []
    seen = [apply_sight(phases.sight, tree, pick) for pick in chosen]
    return [most_telling(tree, pick) for pick in (*picks, *seen, *apart)]


def _from_starts(own: Sequence[Node], slots: int) -> list[Pick]:
    """The first picks of a run that starts from the user's kernels: those that are right in turn, or, where none is,
    the reference; whatever is wrong with them is seen. So it is whatever else a proposal may see.
    """
    right = [node.id for node in own if node.status == "accepted"]
    shown = tuple(node.id for node in own)
    return [Pick(right[slot % len(right)] if right else None, shown) for slot in range(slots)]


def draft_number(phases: Phases, tree: Sequence[Node], *, slots: int, round_: int, slot: int) -> int:
    """Which independent sample this is, drafts before restarts: so that a model without chance does not repeat one."""
    begun = (round_ - phases.first_round) * slots + slot
    if begun < phases.drafts:
        return begun
    return max(phases.drafts, slots) + sum(node.kind == "restart" for node in tree)


def _restart(policy: SelectionPolicy, phases: Phases, tree: Sequence[Node], *, round_: int, seed: int) -> list[Pick]:
    """The pick of the slot that goes its own way, or none."""
    patience = phases.restart_after
    if patience is None:
        return []
    last_better = _last_better(tree)
    roots = [index for index, node in enumerate(tree) if node.kind == "restart" and index > last_better]
    if not roots:
        return [Pick(None, (), kind="restart")] if len(tree) - 1 - last_better >= patience else []
    line = _line_of(tree, roots[-1])
    if len(line) - 1 - _last_better(line) >= patience:
        return [Pick(None, (), kind="restart")]
    (pick,) = policy.select(line, slots=1, round_=round_, seed=seed)
    return [apply_sight(phases.sight, line, pick)]


def _last_better(tree: Sequence[Node]) -> int:
    """Where the champion came from; -1 while there is none."""
    champion: Node | None = None
    place = -1
    for index, node in enumerate(tree):
        if better(node, champion):
            champion, place = node, index
    return place


def _line_of(tree: Sequence[Node], root: int) -> list[Node]:
    """A candidate and everything that goes back to it."""
    inside = {tree[root].id}
    line = [tree[root]]
    for node in tree[root + 1 :]:
        if node.parent in inside:
            inside.add(node.id)
            line.append(node)
    return line
