"""One proposal's workbench: the draft on it, what its tools found out, and how the proposal ended.

Every method a model may call returns a short text or raises ``ToolRefusal`` with a text that says how to mend
the call. Nothing here knows which model is calling, nor that the caller is a model. One workbench serves one
proposal in one thread.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from memory.errors import StoreError
from memory.knowledge.base import KnowledgeBase, KnowledgeQuery
from memory.store import ExperienceStore, Recalled
from sandbox.errors import SandboxError
from tools.artifacts import ArtifactStore
from tools.candidate import Candidate
from tools.consulting import HITS, Unanswerable, read_text, search_text
from tools.errors import JudgeUnavailable, ToolError
from tools.harness.yardstick import ErrorFacts
from tools.judge import Judge
from tools.parameters import BadDeclaration, parameters_of, settings_of
from tools.parsing import parse
from tools.problem import Description, Problem
from tools.problem_text import baselines_text, cases_text, fenced, machine_text, one_line
from tools.profiling.diagnosis import Diagnosis, ProfileResult
from tools.profiling.telling import diagnosis_text, failure_text
from tools.verdict import CheckResult, CompileResult

MAX_SOURCE_BYTES = 256 << 10
LOG_LINES = 60
LOG_CHARS = 4_000
FULL_LOG_CHARS = 20_000
SEARCH_HITS = 5
MIN_ID_PREFIX = 4
NEEDS_LANGUAGE_MODEL = "this operator needs a language model"
"""How a refusal begins when the proposer itself is too simple for the operator."""

Result = TypeVar("Result", CompileResult, CheckResult, ProfileResult)


class ToolRefusal(ToolError):
    """The call cannot be done as it was made; the message says how to mend it."""


@dataclass
class Workbench:
    """What the tools of one proposal work on."""

    judge: Judge
    problem: Problem
    description: Description
    store: ArtifactStore
    baselines: Mapping[str, float]
    language: str
    rules: str
    """What a candidate file must be, as text."""
    memory: ExperienceStore | None = None
    knowledge: KnowledgeBase | None = None
    platform: str = ""
    """What the knowledge base calls the target's kind of chip."""
    readable: dict[str, str] = field(default_factory=dict)
    """Candidate id to artifact id: what ``read_candidate`` may open."""
    judged: frozenset[str] = frozenset()
    """Ids already judged in this run; the same text is never judged twice."""
    base: str | None = None
    """The parent's source: ``edit_candidate`` starts from it while nothing is written."""

    draft: Candidate | None = None
    drafts: dict[str, str] = field(default_factory=dict)
    """Id to source of everything written here: ``read_candidate`` opens these too."""
    compiled: Candidate | None = None
    """The candidate that compiled last."""
    last_log: str = ""
    last_profile: str = ""
    """What the last profiler printed."""
    profiles: dict[str, Diagnosis] = field(default_factory=dict)
    """Candidate id to what a profiler last said of it."""
    submitted: Candidate | None = None
    strategy: str = ""
    declined: str | None = None
    failure: ToolError | SandboxError | None = None
    """The judge's own failure, when it failed in the last call that needed it."""
    failures: int = 0
    """How often in a row the judge itself could not work."""

    @property
    def done(self) -> bool:
        """The proposal has ended, with a candidate or with a refusal."""
        return self.submitted is not None or self.declined is not None

    def read_problem(self) -> str:
        """The reference file and everything measured about it."""
        return "\n\n".join(
            [
                f"Reference ({self.problem.name}):\n{fenced(self.problem.source)}",
                f"Cases:\n{cases_text(self.description)}",
                f"Parameters and buffers:\n{self._parameters_text()}",
                f"Baselines (seconds a call):\n{baselines_text(self.baselines)}",
                f"Machine: {machine_text(self.description)}",
                f"Rules of a candidate file:\n{self.rules.strip()}",
            ]
        )

    def read_graph(self) -> str:
        """The operator graph as JSON."""
        if self.description.graph is None:
            why = self.description.graph_error or "the reference could not be traced"
            raise ToolRefusal(f"there is no graph: {one_line(why)}. Read the reference's source instead.")
        return json.dumps(self.description.graph)

    def write_candidate(self, source: str) -> str:
        """Replace the draft by a whole file."""
        return self._accept(source)

    def edit_candidate(self, search: str, replace: str) -> str:
        """Replace the one place where ``search`` occurs in the draft."""
        text = self.draft.source if self.draft is not None else self.base
        if text is None:
            raise ToolRefusal("nothing is written yet: call write_candidate with a whole file first")
        if not search:
            raise ToolRefusal("search is empty: copy the lines to be replaced from the file")
        found = text.count(search)
        if found == 0:
            raise ToolRefusal(
                "search was not found: it must equal the file's text to the last space; nothing was changed"
            )
        if found > 1:
            raise ToolRefusal(f"search was found {found} times: add lines around it until it is unique")
        return self._accept(text.replace(search, replace))

    def compile_candidate(self) -> str:
        """Build the draft in a sandbox."""
        draft = self._need_draft()
        result = self._ask(lambda: self.judge.compile(draft))
        self.last_log = result.log
        if not result.ok:
            raise ToolRefusal(_compile_failure(result))
        self.compiled = draft
        return f"candidate {draft.id} compiles ({result.seconds:.1f} s)"

    def test_candidate(self) -> str:
        """Compare the draft with the oracle, without timing."""
        draft = self._need_draft()
        result = self._ask(lambda: self.judge.check(draft))
        self.last_log = result.log
        if not result.passed:
            raise ToolRefusal(_check_failure(result))
        self.compiled = draft
        errors = _errors_text(result.error, result.eager_error)
        return f"candidate {draft.id} passed on {result.seeds} seeds" + (f"; {errors}" if errors else "")

    def read_log(self) -> str:
        """The log of the last compilation or test."""
        return bounded(self.last_log, FULL_LOG_CHARS) if self.last_log.strip() else "the last log is empty"

    def profile_candidate(self, profiler: str) -> str:
        """Say what the draft's time goes into, and what usually helps."""
        draft = self._need_draft()
        result = self._ask(lambda: self.judge.profile(draft, profiler))
        self.last_profile = result.report
        if result.diagnosis is None:
            raise ToolRefusal(failure_text(result))
        self.compiled = draft
        self.profiles[draft.id] = result.diagnosis
        return diagnosis_text(result.diagnosis, self.store.put(result.report) if result.report else "")

    def read_profile(self) -> str:
        """The report of the last profile, in the profiler's own words."""
        if not self.last_profile.strip():
            raise ToolRefusal("there is no profile yet: call profile_candidate first")
        return bounded(self.last_profile, FULL_LOG_CHARS)

    def read_candidate(self, candidate: str) -> str:
        """Source of an earlier candidate, by id or by the beginning of one."""
        wanted = candidate.strip().lower()
        hits = sorted(known for known in {*self.readable, *self.drafts} if known.startswith(wanted))
        exact = [known for known in hits if known == wanted]
        if not exact and len(wanted) < MIN_ID_PREFIX:
            raise ToolRefusal(f"{one_line(candidate)!r} is too short: give {MIN_ID_PREFIX} characters of an id or more")
        if len(exact or hits) != 1:
            problem = "names no candidate you may read" if not hits else "begins more than one id"
            raise ToolRefusal(f"{one_line(candidate)!r} {problem}; there are: {self._readable_text()}")
        found = (exact or hits)[0]
        if found in self.drafts:
            return self.drafts[found]
        try:
            return self.store.text(self.readable[found])
        except KeyError as error:
            raise ToolRefusal(f"the source of {found} is no longer stored: choose another candidate") from error

    def search_memory(self, text: str) -> str:
        """What earlier runs learned; hits become readable."""
        if self.memory is None:
            raise ToolRefusal("this run has no memory: work from the reference and the attempts")
        try:
            hits = self.memory.search(text, SEARCH_HITS)
        except StoreError as error:
            raise ToolRefusal(f"memory cannot be read ({one_line(str(error))}): go on without it") from error
        return "\n".join(self._hit_text(hit) for hit in hits) or "nothing found: try an operator's name"

    def search_knowledge(self, text: str, bottleneck: str = "") -> str:
        """The index of the knowledge base, for this platform and language."""
        asked = (bottleneck.strip().lower(),) if bottleneck.strip() else ()
        query = KnowledgeQuery(self.platform, self.language, bottlenecks=asked, text=text, limit=HITS)
        return self._consult(lambda base: search_text(base, query))

    def read_knowledge(self, name: str) -> str:
        """One document of the knowledge base."""
        return self._consult(lambda base: read_text(base, name))

    def submit(self, strategy: str) -> str:
        """End the proposal with the draft."""
        line = one_line(strategy)
        if not line:
            raise ToolRefusal("strategy is empty: say in one line what this candidate does differently")
        if self.draft is None:
            raise ToolRefusal("nothing is written: call write_candidate, then compile_candidate, then submit")
        if self.compiled != self.draft:
            raise ToolRefusal(
                f"candidate {self.draft.id} has not been compiled: call compile_candidate, mend what it "
                "says, then submit"
            )
        self.submitted, self.strategy = self.draft, line
        return f"candidate {self.draft.id} submitted"

    def decline(self, reason: str) -> str:
        """End the proposal without a candidate."""
        line = one_line(reason, 500)
        if not line:
            raise ToolRefusal("reason is empty: say in one line why there is no candidate")
        self.declined = line
        return "declined"

    def _accept(self, source: str) -> str:
        check_source(source)
        try:
            declared = parameters_of(source)
        except BadDeclaration as error:
            raise ToolRefusal(f"{error}. The draft is unchanged") from error
        self.draft = Candidate(source=source, language=self.language)
        self.drafts[self.draft.id] = source
        known = "; this very text was judged before, change it" if self.draft.id in self.judged else ""
        names = ", ".join(one.name for one in declared)
        open_ = f"; left open: {names}, {settings_of(declared)} settings" if declared else ""
        return f"candidate {self.draft.id} written ({len(source.splitlines())} lines){open_}{known}"

    def _need_draft(self) -> Candidate:
        if self.draft is None:
            raise ToolRefusal("nothing is written: call write_candidate with a whole file first")
        return self.draft

    def _ask(self, question: Callable[[], Result]) -> Result:
        try:
            result = question()
        except (JudgeUnavailable, SandboxError) as error:
            self.failure, self.failures = error, self.failures + 1
            raise ToolRefusal(
                f"the judge could not work ({one_line(str(error))}); no fault of the candidate: call again"
            ) from error
        self.failure, self.failures = None, 0
        return result

    def _consult(self, ask: Callable[[KnowledgeBase], str]) -> str:
        if self.knowledge is None:
            raise ToolRefusal("this run has no knowledge base: work from the reference and the attempts")
        try:
            return ask(self.knowledge)
        except Unanswerable as error:
            raise ToolRefusal(str(error)) from error

    def _parameters_text(self) -> str:
        if self.description.graph is None:
            return "- as the reference's constructor makes them: read its source"
        rows = [
            f"- {entry['target']}: {entry['dtype']}{entry['shape']}"
            for entry in self.description.graph.get("inputs", ())
            if entry.get("kind") in ("parameter", "buffer") and "shape" in entry
        ]
        return "\n".join(rows) or "- none"

    def _readable_text(self) -> str:
        return ", ".join(sorted({*self.readable, *self.drafts})) or "none"

    def _hit_text(self, hit: Recalled) -> str:
        lesson = hit.experience
        candidate = Candidate(source=lesson.source, language=lesson.language)
        self.readable.setdefault(candidate.id, self.store.put(lesson.source))
        speedup = "none" if lesson.speedup is None else f"{lesson.speedup:.4f}"
        return (
            f"- {candidate.id} problem={one_line(lesson.problem)} status={lesson.status} "
            f"reason={lesson.reason or 'none'} speedup={speedup} ({hit.why}) "
            f"strategy: {one_line(lesson.strategy)} lesson: {one_line(lesson.lesson, 500)}"
        )


def check_source(source: str) -> None:
    """Cheap checks before anything is started. Raises ToolRefusal naming the line to mend."""
    try:
        size = len(source.encode())
    except UnicodeEncodeError as error:
        raise ToolRefusal("the file is not valid Unicode text: write it again without lone surrogates") from error
    if size > MAX_SOURCE_BYTES:
        raise ToolRefusal(f"the file has {size} bytes, {MAX_SOURCE_BYTES} are allowed: write a shorter one")
    try:
        tree = parse(source)
    except SyntaxError as error:
        line = one_line(error.text or "", 120)
        raise ToolRefusal(
            f"syntax error in line {error.lineno}: {error.msg}: {line!r}. The draft is unchanged; send the "
            "whole file again, plain Python without Markdown around it"
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ToolRefusal(f"the file cannot be parsed ({one_line(str(error))}): write it again, simpler") from error
    if not any(isinstance(node, ast.ClassDef) and node.name == "ModelNew" for node in tree.body):
        raise ToolRefusal("the file defines no class ModelNew(nn.Module): the whole file is needed, not a part of it")


def _compile_failure(result: CompileResult) -> str:
    return f"{result.reason or 'compile_error'} after {result.seconds:.1f} s\n{_numbered(result.log)}"


def _check_failure(result: CheckResult) -> str:
    parts = [f"not passed: {result.reason or 'wrong_output'}"]
    if result.detail:
        parts.append(one_line(result.detail, 500))
    errors = _errors_text(result.error, result.eager_error, result.bound)
    if errors:
        parts.append(errors)
    if result.log.strip():
        parts.append(_numbered(result.log))
    return "\n".join(parts)


def _errors_text(error: ErrorFacts | None, eager: ErrorFacts | None, bound: ErrorFacts | None = None) -> str:
    """Relative errors against the float64 oracle, worst element / norm."""
    rows = (("error", error), ("eager's", eager), ("allowed", bound))
    told = [f"{name} {facts.worst:.3g} / {facts.norm:.3g}" for name, facts in rows if facts is not None]
    return ", ".join(told) + " (worst / norm, relative to float64)" if told else ""


def _numbered(log: str) -> str:
    """The log's beginning with line numbers, bounded; says how much is left out."""
    lines = log.rstrip().splitlines()
    shown: list[str] = []
    used = 0
    for number, line in enumerate(lines[:LOG_LINES], 1):
        text = f"{number:4d}| {line[:400]}"
        used += len(text) + 1
        if used > LOG_CHARS:
            break
        shown.append(text)
    left = len(lines) - len(shown)
    if left > 0:
        shown.append(f"... {left} more lines: read_log shows them")
    return "\n".join(shown) or "(no log)"


def bounded(text: str, limit: int) -> str:
    """Beginning and end of a long text: the middle of a log matters least."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"
