"""A chat at a terminal, or over a pipe: questions are shown, answers are read, and the search is watched meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kernelwright import exit_codes
from kernelwright.chat_lines import Lines
from kernelwright.chat_watch import Follower
from kernelwright.closing import closing_table
from kernelwright.output import one_line

if TYPE_CHECKING:
    from rich.console import Console

    from agent.chat.session import Chat, Question
    from kernelwright.chat_searches import ChildSearches

LOOK_S = 0.2
"""How often a search is looked at while nobody says anything."""
_GOES_ON = ("running", "starting")
_HEADS = ("improved", "no_improvement")


def console() -> Console:
    """Standard output: colours where a terminal shows them, plain text elsewhere."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Shower:
    """Shows a text, or code."""

    screen: Console

    def __call__(self, text: str, form: str = "text") -> None:
        """``form``: text or code."""
        if form == "code" and self.screen.is_terminal:
            from rich.syntax import Syntax

            self.screen.print(Syntax(text.rstrip(), "python", background_color="default"))
        else:
            clean = "\n".join(one_line_kept(line) for line in text.rstrip().splitlines())
            self.screen.print(clean, markup=False)


def one_line_kept(line: str) -> str:
    """A line with its blanks, without what a terminal would obey."""
    return "".join(char for char in line if char.isprintable())


@dataclass
class Terminal:
    """One person at one chat."""

    chat: Chat
    searches: ChildSearches
    lines: Lines
    screen: Console
    followers: dict[Path, Follower] = field(default_factory=dict)
    told: set[Path] = field(default_factory=set)
    """Searches whose end was told."""
    waits: bool = False
    """Nothing is read before the search has ended: ``wait``, of scripts."""

    def run(self, question: Question | None) -> int:
        """Until the chat is over or its input is; the exit code."""
        while question is not None:
            if question.text:
                self._show(question.text)
            said = self._said(question)
            if said is None:
                self._tell_how_to_come_back()
                return self._code()
            question = self.chat.answer(said)
        if self._is_open():
            self._tell_how_to_come_back()
        return self._code()

    def _said(self, question: Question) -> str | None:
        """What the person says next; None at the end of the input."""
        if question.run is not None:
            return self._talked(question.run)
        self._prompt()
        first = self.lines.line()
        while first is not None and not first.strip():
            first = self.lines.line()
        return None if first is None else self._echoed(self.lines.block(first))

    def _talked(self, run: Path) -> str | None:
        """The same while a search goes on, which is shown as it goes."""
        follower = self.followers.get(run)
        if follower is None:
            follower = self.followers[run] = Follower(run)
        self._prompt()
        while True:
            self._show_progress(follower)
            over = self._is_over(follower)
            if over:
                self.waits = False
            if not self.waits:
                line = self.lines.line(None if over else LOOK_S)
                if line is None and self.lines.at_end:
                    return None
                if line is not None and line.strip() == "wait":
                    self.waits = True
                elif line is not None and line.strip():
                    return self._echoed(self.lines.block(line))
            else:
                self.lines.pause(LOOK_S)

    def _echoed(self, said: str) -> str:
        """A terminal has shown what was typed; elsewhere the answers would stand without it."""
        if not self.lines.is_terminal:
            self._show("\n".join(f"> {line}" for line in said.rstrip().splitlines()))
        return said

    def _show_progress(self, follower: Follower) -> None:
        lines = list(follower.lines())
        if lines and self.lines.is_terminal:
            self.screen.file.write("\r")  # over the prompt, which comes again below
        for line in lines:
            self._show(one_line_kept(line))
        if lines:
            self._prompt()

    def _is_over(self, follower: Follower) -> bool:
        """Whether nothing goes on any more; its end is told once."""
        run = follower.run
        if self.searches.is_starting(run) or self.chat.standing(run) == "running":
            self.told.discard(run)
            return False
        self._show_progress(follower)
        if run not in self.told:
            self.told.add(run)
            self._tell_end(follower)
        return True

    def _tell_end(self, follower: Follower) -> None:
        outcome = follower.view.outcome
        if outcome is not None:
            self._show("\n" + closing_table(outcome))
        if outcome is not None and outcome["status"] in _HEADS:
            self._show("Anything else? explain, show kernel, save FILE, again, quit")
        elif outcome is None and not follower.view.run_id:
            why = self.searches.last_words(follower.run) or "its process ended without a word"
            self._show(f"The search did not begin: {one_line(why)}. `again` tries once more.")
        else:
            self._show("The search is not over, its state is kept: `go on` takes it up again.")
        self._prompt()

    def _tell_how_to_come_back(self) -> None:
        chat_id = self.chat.context.folder.chat_id
        states = self._states()
        what = "closed; the search goes on by itself" if states and states[-1] in _GOES_ON else "closed"
        self._show(f"\n{what}: kernelwright chat --resume {chat_id}")

    def _code(self) -> int:
        """0 if a search of this chat improved, 1 if they ended without, 130 where something was left open."""
        states = self._states()
        if not states or self._is_open():
            return exit_codes.INTERRUPTED
        if "improved" in states:
            return exit_codes.DONE
        return exit_codes.INFRASTRUCTURE if states[-1] == "failed" else exit_codes.NOT_BETTER

    def _states(self) -> list[str]:
        """How its searches stand, in order."""
        return [self.chat.standing(run) for run in self.chat.context.folder.runs()]

    def _is_open(self) -> bool:
        states = self._states()
        return bool(states) and states[-1] in (*_GOES_ON, "interrupted")

    def _prompt(self) -> None:
        if self.lines.is_terminal:
            self.screen.print("> ", end="", markup=False)

    def _show(self, text: str) -> None:
        Shower(self.screen)(text)
