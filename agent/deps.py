"""What the nodes of a run work with: every seam is here, so that a test can put its own in."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from agent.budget import Spent, confirmation_reserve_s
from agent.events import Event, EventLog
from agent.ledger import Ledger
from agent.models.gate import Gate
from agent.models.roster import Roster
from agent.policies.base import SelectionPolicy
from agent.policies.phases import Phases
from agent.settings import AgentSettings
from agent.space import Space
from agent.starting import Start, best_start
from agent.steering import Steering
from memory.knowledge.base import KnowledgeBase
from memory.store import ExperienceStore
from tools.artifacts import ArtifactStore
from tools.candidate import Candidate
from tools.judge import Judge, Notice
from tools.problem import Description, Problem

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agent.proposing import Proposal, ProposalTask
    from agent.rehearsing import Rehearsal
    from agent.state import RunState

Emit = Callable[..., None]
"""``emit(type, **data)``."""


class Proposer(Protocol):
    """``agent.proposing.propose``, or what a test puts in its place. Called from several threads at once."""

    def __call__(
        self,
        task: ProposalTask,
        *,
        model: BaseChatModel,
        judge: Judge,
        problem: Problem,
        description: Description,
        store: ArtifactStore,
        memory: ExperienceStore | None,
        max_steps: int,
        emit: Emit,
        out_of_time: Callable[[], bool],
        gate: Gate,
        knowledge: KnowledgeBase | None,
        past: Rehearsal | None,
    ) -> Proposal:
        """Make one candidate, or say why there is none. Raises ModelError."""


@dataclass(frozen=True)
class Deps:
    """The context of a run; never part of its state."""

    run_id: str
    folder: Path
    problem: Problem
    settings: AgentSettings
    judge: Judge
    roster: Roster
    """The chat models, and what stands before them."""
    propose: Proposer
    policy: SelectionPolicy
    store: ArtifactStore
    memory: ExperienceStore | None
    log: EventLog
    ledger: Ledger
    steering: Steering
    """What was asked of the run while it went on."""
    knowledge: KnowledgeBase | None = None
    starts: tuple[Start, ...] = ()
    """Kernels of the user's."""
    trusted_only: bool = False
    """Nothing written by a language model may run: there is no sandbox worth the name, and nobody agreed."""
    space: Space = field(default_factory=Space)
    """Looks after the disk."""
    wall: Callable[[], float] = time.time
    """Seconds since 1970, for the deadline."""

    def emit(self, type_: str, **data: Any) -> Event:
        """Write an event."""
        return self.log.emit(type_, **data)

    def once(self, type_: str, *identity: Any, **data: Any) -> dict[str, Any]:
        """Write an event unless the same fact was written before a kill; the data that counts."""
        known = self.ledger.find(type_, *identity)
        return self.emit(type_, **data).data if known is None else known

    def notice(self, **about: Any) -> Notice:
        """A callback that writes what the judge is doing."""

        def tell(text: str) -> None:
            self.emit("notice", text=text, **about)

        return tell

    def description(self, state: RunState) -> Description:
        """What was found out about the problem."""
        return Description.model_validate_json(self.store.get(state["description"]))

    def candidate(self, source_artifact: str, language: str) -> Candidate:
        """A candidate from the store."""
        return Candidate(source=self.store.get(source_artifact).decode(), language=language)

    def to_deadline_s(self) -> float | None:
        """Seconds that are left until the deadline; None without one."""
        deadline = self.settings.deadline
        return None if deadline is None else deadline.timestamp() - self.wall()

    def out_of_time(self) -> bool:
        """Whether the run's seconds are spent, or its deadline has come."""
        left_s = self.to_deadline_s()
        return self.log.elapsed_s() >= self.bounds.max_seconds or (left_s is not None and left_s <= 0)

    @property
    def bounds(self) -> AgentSettings:
        """The settings with the targets and limits that were asked for since the run began: read anew at every use."""
        return self.steering.settings

    @property
    def phases(self) -> Phases:
        """What a person fixed about drafts, restarts and sight."""
        recalled = self.ledger.find("recalled") or {"seeds": []}
        return Phases(
            drafts=self.settings.drafts,
            restart_after=self.settings.restart_after,
            sight=self.settings.sight,
            first_round=1 if recalled["seeds"] else 0,
        )

    def spent(self, state: RunState) -> Spent:
        """What the run has used up so far."""
        champion = state["champion"]
        usage, judging_s = self.ledger.usage(), self.ledger.judging_s()
        best = None if champion is None else self.ledger.node(champion)
        return Spent(
            candidates=state["judged"],
            elapsed_s=self.log.elapsed_s(),
            to_deadline_s=self.to_deadline_s(),
            tokens=usage.tokens,
            cost_usd=usage.cost_usd,
            judging_s=judging_s,
            since_better=state["since_better"],
            barren_rounds=state["barren_rounds"],
            speedup=None if best is None else best.speedup,
            roofline_fraction=None if best is None else best.roofline_fraction,
            at_floor=best is not None and best.at_floor is True,
            asked_to_finish=self.steering.is_finishing,
            # A kernel of the user's is judged again too, for comparison.
            reserve_s=confirmation_reserve_s(judging_s, has_champion=champion is not None)
            * (1 if best_start(self.ledger.tree()) is None else 2),
        )
