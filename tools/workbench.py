"""One proposal's workbench: the draft on it, what its tools found out, and how the proposal ended.

Every method a model may call returns a short text or raises ``ToolRefusal`` with a text that says how to mend
the call. Nothing here knows which model is calling, nor that the caller is a model. One workbench serves one
proposal in one thread.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from memory.errors import StoreError
from memory.knowledge.base import KnowledgeBase, KnowledgeQuery
from memory.store import ExperienceStore, Recalled
from sandbox.errors import SandboxError
from tools.answers import (
    ToolRefusal,
    check_failure,
    check_source,
    compile_failure,
    errors_text,
    page,
    replaced,
)
from tools.artifacts import ArtifactStore
from tools.candidate import Candidate
from tools.consulting import HITS, Unanswerable, read_text, search_text
from tools.dresses import DRESS_WORDS, DRESSES
from tools.errors import JudgeUnavailable, ToolError
from tools.judge import Judge
from tools.parameters import BadDeclaration, parameters_of, settings_of
from tools.problem import Description, Problem
from tools.problem_text import baselines_text, cases_text, fenced, machine_text, one_line, roofline_text
from tools.profiling.diagnosis import Diagnosis, ProfileResult
from tools.profiling.excerpts import NoCode, code_text
from tools.profiling.generated import CodeResult, Part
from tools.profiling.telling import diagnosis_text, failure_text, rates_text
from tools.quick_look import DISTURBED, LOOKS, drift_of, look_text
from tools.standings import Side, Standing, compare, shortened
from tools.verdict import CheckResult, CompileResult, Measurement

SEARCH_HITS = 5
MIN_ID_PREFIX = 4
DRAFT = "draft"
"""What stands for the draft's id."""
NEEDS_LANGUAGE_MODEL = "this operator needs a language model"
"""How a refusal begins when the proposer itself is too simple for the operator."""

Result = TypeVar("Result", CompileResult, CheckResult, ProfileResult, CodeResult, Measurement)
UNUSUAL = " and, where they mean anything to it, on " + ", ".join(
    [*(DRESS_WORDS[dress] for dress in DRESSES), "inputs off any alignment"]
)
"""What a passed test tried besides."""


Text = Literal["log", "profile", "code", "comparison"]
"""What a tool's short answer may leave out; ``read_log`` reads it."""
_MAKERS: dict[Text, str] = {
    "log": "compile_candidate",
    "profile": "profile_candidate",
    "code": "read_generated_code",
    "comparison": "compare_candidates",
}


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
    standings: Mapping[str, Standing] = field(default_factory=dict)
    """Candidate id to what is known of it: what ``compare_candidates`` may tell."""
    drafts: dict[str, str] = field(default_factory=dict)
    """Id to source of everything written here: ``read_candidate`` opens these too."""
    compiled: Candidate | None = None
    """The candidate that compiled last."""
    texts: dict[Text, str] = field(default_factory=dict)
    """The whole of what was last said, as ``read_log`` reads it."""
    checks: dict[str, CheckResult] = field(default_factory=dict)
    """Candidate id to what its last test said."""
    profiles: dict[str, Diagnosis] = field(default_factory=dict)
    """Candidate id to what a profiler last said of it."""
    submitted: Candidate | None = None
    strategy: str = ""
    declined: str | None = None
    _recalled: dict[str, Standing] = field(default_factory=dict)
    """Of what ``search_memory`` found."""
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
                f"Roofline:\n{roofline_text(self.description, self.baselines)}",
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
        return self._accept(replaced(text, search, replace))

    def compile_candidate(self) -> str:
        """Build the draft in a sandbox."""
        draft = self._need_draft()
        result = self._ask(lambda: self.judge.compile(draft))
        self.texts["log"] = result.log
        if not result.ok:
            raise ToolRefusal(compile_failure(result, draft.source))
        self.compiled = draft
        return f"candidate {draft.id} compiles ({result.seconds:.1f} s)"

    def test_candidate(self) -> str:
        """Compare the draft with the oracle, without timing."""
        draft = self._need_draft()
        result = self.checks[draft.id] = self._ask(lambda: self.judge.check(draft))
        self.texts["log"] = result.log
        if not result.passed:
            raise ToolRefusal(check_failure(result, draft.source))
        self.compiled = draft
        errors = errors_text(result.error, result.eager_error, result.bound)
        return "; ".join(filter(None, [f"candidate {draft.id} passed on {result.seeds} seeds{UNUSUAL}", errors]))

    def time_candidate(self) -> str:
        """Time the draft beside the best baseline for a second or two. It is compared with the oracle before.

        Where the baseline takes another time than when it was recorded, the machine is busy: then it is timed again.
        """
        draft = self._need_draft()
        looks: list[Measurement] = []
        while len(looks) < LOOKS and (not looks or self._drift(looks[-1]) > DISTURBED):
            looks.append(self._ask(lambda: self.judge.measure(draft)))
            if looks[-1].speedup is None:
                why = f"{looks[-1].reason or 'wrong_output'}: {one_line(looks[-1].detail, 300)}"
                raise ToolRefusal(f"not timed, {why}\ntest_candidate tells more; mend it with edit_candidate")
        self.compiled = draft
        return look_text(draft.id, min(looks, key=self._drift), self._recorded_s)

    def _drift(self, look: Measurement) -> float:
        """How many times as long, or as short, the best baseline took as when it was recorded."""
        return drift_of(look, self._recorded_s)

    @property
    def _recorded_s(self) -> float | None:
        return min(self.baselines.values(), default=None)

    def read_log(self, what: Text = "log", line: int = 1) -> str:
        """The whole of what the last tool of a kind had to say, from a line on."""
        text = self.texts.get(what, "")
        if not text.strip() and what == "log":
            return "the last log is empty"
        if not text.strip():
            raise ToolRefusal(f"there is no {what} yet: call {_MAKERS[what]} first")
        return page(text, line, what)

    def profile_candidate(self, profiler: str) -> str:
        """Say what the draft's time goes into, and what usually helps."""
        draft = self._need_draft()
        result = self._ask(lambda: self.judge.profile(draft, profiler))
        self.texts["profile"] = result.report
        if result.diagnosis is None:
            raise ToolRefusal(failure_text(result))
        self.compiled = draft
        self.profiles[draft.id] = result.diagnosis
        told = diagnosis_text(result.diagnosis, self.store.put(result.report) if result.report else "")
        rates = rates_text(self.description.cases[0], result.diagnosis.seconds)  # the case that is profiled
        return "\n".join(filter(None, [told, rates]))

    def read_generated_code(self, part: Part, candidate: str = DRAFT) -> str:
        """What the compiler made of the draft or of an earlier candidate."""
        meant = Candidate(source=self._source_of(self._find(candidate)), language=self.language)
        result = self._ask(lambda: self.judge.code(meant))
        try:
            told, self.texts["code"] = code_text(result, part)
        except NoCode as error:
            raise ToolRefusal(str(error)) from error
        whole = self.texts["code"]
        where = f"read_log what=code, {len(whole.splitlines())} lines (artifact {self.store.put(whole)[:16]})"
        return f"candidate {meant.id}, {told}\nwhole: {where}"

    def read_candidate(self, candidate: str) -> str:
        """Source of an earlier candidate, by id or by the beginning of one."""
        return self._source_of(self._find(candidate))

    def compare_candidates(self, first: str, second: str) -> str:
        """What differs between two of them, and what their verdicts allow to say."""
        one, other = (self._side(self._find(name)) for name in (first, second))
        if one.candidate.source == other.candidate.source:
            raise ToolRefusal("both are the same text: name two different candidates")
        facts, diff = compare(one, other)
        self.texts["comparison"] = diff
        return f"{facts}\n{shortened(diff, self.store.put(diff))}"

    def _side(self, found: str) -> Side:
        known = self.standings.get(found) or self._recalled.get(found) or Standing()
        known = replace(known, check=self.checks.get(found), profile=self.profiles.get(found) or known.profile)
        candidate = Candidate(source=self._source_of(found), language=self.language)
        return Side(found, candidate, known)

    def _find(self, candidate: str) -> str:
        """The id that is meant. Raises ToolRefusal where that is none, or more than one."""
        wanted = candidate.strip().lower()
        if wanted == DRAFT:
            return self._need_draft().id
        hits = sorted(known for known in {*self.readable, *self.drafts} if known.startswith(wanted))
        exact = [known for known in hits if known == wanted]
        if not exact and len(wanted) < MIN_ID_PREFIX:
            raise ToolRefusal(f"{one_line(candidate)!r} is too short: give {MIN_ID_PREFIX} characters of an id or more")
        if len(exact or hits) != 1:
            problem = "names no candidate you may read" if not hits else "begins more than one id"
            raise ToolRefusal(f"{one_line(candidate)!r} {problem}: choose one of {self._readable_text()}")
        return (exact or hits)[0]

    def _source_of(self, found: str) -> str:
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
        return (
            "\n".join(self._hit_text(hit) for hit in hits)
            or "nothing found: try an operator's name; memory may be empty"
        )

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
        self._recalled[candidate.id] = Standing(elsewhere=lesson.speedup)
        speedup = "none" if lesson.speedup is None else f"{lesson.speedup:.4f}"
        return (
            f"- {candidate.id} problem={one_line(lesson.problem)} status={lesson.status} "
            f"reason={lesson.reason or 'none'} speedup={speedup} ({hit.why}) "
            f"strategy: {one_line(lesson.strategy)} lesson: {one_line(lesson.lesson, 500)}"
        )
