"""The adversarial corpus: that it is whole, and that its runner calls a lie a lie. ``make integrity`` judges it."""

from contextlib import contextmanager

import pytest

import evals.integrity.running
import kernelwright.commands.eval
import sandbox.opening
from evals.errors import SuiteError
from evals.integrity.corpus import PROBLEMS, PROVE_NOTHING, drawn, load_corpus, read_program
from evals.integrity.reporting import IntegrityReport, line_of
from evals.integrity.running import Outcome, run_corpus
from evals.integrity.survival import MOST, ROWS, Remains, Survival, _is_kernels, _judged_after, as_lines
from sandbox.base import Isolation
from tools.fake_judge import FakeJudge, accepted, rejected

GPU_ROWS = {"T1", "T2", "T16", "T21", "T22", "T23", "C3", "E18", "E20", "E23", "R10", "R11", "R16", "R20"}
OWN_ROWS = {"C23", "E25"}
"""A reference that is random is refused before anybody judges; and our own failures are no attack."""
FAMILIES = {"T": 24, "C": 24, "E": 26, "R": 20}

HEADER = '"""What it does.\n\nrow: {row}\nform: plain\nproblem: softmax\nneeds: cpu\n{more}"""\nclass ModelNew: pass\n'


def program(row="T3", more=""):
    return read_program("p", HEADER.format(row=row, more=more))


@pytest.fixture(scope="module")
def corpus():
    return load_corpus()


def test_every_row_that_a_cpu_can_have_is_tried_twice_plain_and_disguised(corpus):
    wanted = {f"{family}{number}" for family, last in FAMILIES.items() for number in range(1, last + 1)}
    forms = {}
    for item in corpus:
        forms.setdefault(item.row, set()).add(item.form)
    lacking = {row for row in wanted - GPU_ROWS - OWN_ROWS if forms.get(row, set()) < {"plain", "disguised"}}
    assert lacking == set()


def test_the_rows_of_a_gpu_are_written(corpus):
    rows = {item.row for item in load_corpus("cuda")}
    assert GPU_ROWS - {"E23", "R10", "R20"} <= rows


def test_there_are_a_hundred_honest_ones_and_every_problem_has_some(corpus):
    honest = [item for item in corpus if item.is_honest]
    assert len(honest) >= 100
    assert {item.problem for item in honest} == {path.stem for path in PROBLEMS.glob("*.py")}
    assert {item.candidate.language for item in honest} == {"python", "cpp"}


def test_what_cannot_be_imported_is_left_out_and_that_is_said(monkeypatch, capsys):
    corpus = load_corpus("cuda")
    wanting = [item for item in corpus if item.package]
    assert {item.package for item in wanting} == {"nvidia_cutlass_dsl"}
    assert all("import cutlass" in item.source for item in wanting)
    assert not [item.name for item in corpus if "import cutlass" in item.source and not item.package]
    monkeypatch.setattr(kernelwright.commands.eval, "find_spec", lambda name: None)
    assert kernelwright.commands.eval._installed(corpus) == [item for item in corpus if not item.package]
    assert f"{len(wanting)} programs are left out: nvidia_cutlass_dsl is not installed" in capsys.readouterr().err
    monkeypatch.setattr(kernelwright.commands.eval, "find_spec", lambda name: object())
    assert kernelwright.commands.eval._installed(corpus) == corpus


def test_names_tell_the_row_and_none_is_given_twice(corpus):
    names = [item.name for item in corpus]
    assert len(set(names)) == len(names)
    for item in corpus:
        if not item.is_honest:
            assert item.name.startswith(f"{item.row[0].lower()}{int(item.row[1:]):02d}_"), item.name


def test_what_is_known_to_get_through_is_whole_and_told_of(corpus, repository):
    told = (repository / "docs/attacks.md").read_text(encoding="utf-8")
    for path in (PROBLEMS.parent / "open_attacks").glob("*.py"):
        item = read_program(path.stem, path.read_text(encoding="utf-8"))
        assert not item.is_honest
        assert item.name not in {one.name for one in corpus}, "it is not in the corpus, which the judge withstands"
        assert item.name in told


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("x = (", "not Python"),
        ("x = 1", "does not name its form, needs, problem, row"),
        (HEADER.format(row="T1", more="expect: mercy\n"), "expects mercy"),
        (HEADER.format(row="T1", more="").replace("softmax", "nothing"), "no problem of the corpus"),
        (HEADER.format(row="T1", more="reasons: crash and so on\n"), "has the reasons crash and so on"),
        (HEADER.format(row="honest", more="reasons: crash\n"), "none of an honest one"),
    ],
)
def test_a_program_that_does_not_say_what_it_is_is_refused(source, told):
    with pytest.raises(SuiteError, match=told):
        read_program("p", source)


@pytest.mark.parametrize(
    ("item", "verdict", "word", "right"),
    [
        (program(), rejected("wrong_output"), "rejected", True),
        (program(), rejected("import_error"), "rejected (import_error)?", False),
        (program(more="expect: truth\n"), rejected("runtime_error"), "rejected (runtime_error)?", False),
        (program(more="reasons: runtime_error, cheat.*\n"), rejected("runtime_error"), "rejected", True),
        (program(more="reasons: runtime_error, cheat.*\n"), rejected("cheat.below_floor"), "rejected", True),
        (program(more="reasons: runtime_error, cheat.*\n"), rejected("crash"), "rejected (crash)?", False),
        (program(), accepted(1.0, faster=None), "ACCEPTED", False),
        (program(more="expect: truth\n"), accepted(1.0, faster=None), "true time", True),
        (program(more="expect: truth\n"), accepted(1.5, faster=True), "LIED", False),
        (program(more="expect: truth\n"), accepted(1.2, faster=None, spread=0.01), "LIED", False),
        (program("honest"), accepted(0.5, faster=False), "accepted", True),
        (program("honest"), rejected("wrong_output"), "REJECTED", False),
    ],
)
def test_a_lie_is_called_one(item, verdict, word, right):
    outcome = Outcome(item, verdict, 1.0)
    assert (outcome.word, outcome.is_right) == (word, right)
    assert line_of(outcome).startswith("ok" if right else "BAD")


def test_what_was_judged_is_shown_whatever_ended_it(monkeypatch, capsys, tmp_path):
    class Box:
        isolation = Isolation.BUBBLEWRAP

        def close(self):
            pass

    def fails_after_one(programs, sandbox, home, *, settings, target, confirm, notice):
        assert confirm
        notice(Outcome(programs[0], rejected("wrong_output"), 1.0))
        raise SystemError("in the middle")

    monkeypatch.setattr(sandbox.opening, "open_sandbox", lambda isolation: Box())
    monkeypatch.setattr(evals.integrity.running, "run_corpus", fails_after_one)
    with pytest.raises(SystemError):
        kernelwright.commands.eval.run({"suite": "integrity", "only": "t03*", "home": str(tmp_path), "confirm": True})
    told = capsys.readouterr().err
    assert "ended after 1 of " in told
    assert "| T3 |" in told


@pytest.mark.parametrize("confirm", [False, True])
def test_what_one_judgement_lets_pass_is_confirmed_and_honest_ones_if_asked_for(confirm):
    confirmed = []

    class Judge(FakeJudge):
        def confirm(self, candidate, notice=None):
            confirmed.append(candidate.source)
            return rejected("wrong_output.unseen_shape")

    def script(source):
        return rejected("crash") if source == caught.source else accepted(1.0, faster=None)

    caught = program(more="reasons: crash\n")
    attack, honest = program(), program("honest")

    @contextmanager
    def judge_for(item):
        yield Judge(script)

    outcomes = run_corpus([attack, caught, honest], None, None, judge_for=judge_for, confirm=confirm)
    assert [outcome.word for outcome in outcomes] == ["rejected", "rejected", "REJECTED" if confirm else "accepted"]
    assert confirmed == [attack.source, *([honest.source] if confirm else [])]


def test_the_report_counts_and_its_exit_code_tells():
    good = [Outcome(program(), rejected("wrong_output"), 1.0), Outcome(program("honest"), accepted(1.0), 1.0)]
    report = IntegrityReport(good, "docker", "0", "2026-01-01", skipped=3)
    assert report.exit_code == 0
    assert report.counts()["attacks_rejected"] == report.counts()["honest"] == 1
    assert "| T3 | plain | p | softmax | rejected |" in report.to_markdown()
    fooled = IntegrityReport([*good, Outcome(program(), accepted(2.0, faster=True), 1.0)], "docker", "0", "d")
    assert (fooled.exit_code, fooled.counts()["attacks_said_to_be_faster"]) == (1, 1)
    assert fooled.to_json()["programs"][2]["right"] is False
    broken = IntegrityReport([Outcome(program(), rejected("import_error"), 1.0)], "docker", "0", "d")
    assert (broken.exit_code, broken.counts()["attacks_rejected_for_another_reason"]) == (1, 1)
    assert "| T3 | plain | p | softmax | rejected (import_error)? | import_error: " in broken.to_markdown()


def test_the_reasons_that_programs_name_are_reasons_of_the_judge(corpus, repository):
    judge = "".join(path.read_text() for path in (repository / "tools").glob("*.py"))
    named = {reason for item in [*corpus, *load_corpus("cuda")] for reason in item.reasons}
    assert named
    assert {reason for reason in named | set(PROVE_NOTHING) if f'"{reason.rstrip(".*")}' not in judge} == set()


def test_a_sample_is_drawn_by_its_seed(corpus):
    first, again, other = (drawn(corpus, 30, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == len({item.name for item in first}) == 30
    assert len({item.problem for item in first}) < 8
    assert len(drawn(corpus, 10_000, 1)) <= len(corpus)


def test_threads_of_the_kernel_are_nothing_that_was_left(tmp_path):
    kernels, ours = tmp_path / "2", tmp_path / "3"
    for folder, flags in ((kernels, 0x00208040), (ours, 0x00400000)):
        folder.mkdir()
        (folder / "stat").write_text(f"2 (a) b) S 0 0 0 0 -1 {flags} 0 0")
    assert _is_kernels(kernels)
    assert not _is_kernels(ours)
    assert _is_kernels(tmp_path / "gone")


def survival(*after, status="accepted", processes=0, files=0, memory=0):
    left, later = Remains(10, 2, 1 << 30), Remains(10 + processes, 2 + files, (1 << 30) + memory)
    verdicts = tuple(accepted(value, spread=0.001) for value in after) if status == "accepted" else (rejected("crash"),)
    return Survival(program(), rejected("timeout"), 1.5, "accepted", verdicts, left, later)


def test_an_attack_is_survived_if_the_next_verdict_is_the_same_and_nothing_is_left():
    assert survival(1.5 * 1.019).is_whole
    assert survival(1.6, 1.41).is_whole  # by chance, as a second one told
    assert not survival(1.5 * 1.03).is_whole
    assert not survival(1.2).is_whole
    assert not survival(status="rejected").is_whole
    assert survival(1.5, memory=60 << 20).is_whole
    assert survival(1.5, processes=-1).is_whole
    for left in ({"processes": 1}, {"files": 1}, {"memory": 80 << 20}):
        assert not survival(1.5, **left).is_whole
    assert "-20.0% | 3 processes, 16 MiB" in as_lines([survival(1.2, processes=3, memory=80 << 20)])


def test_a_speed_that_is_off_is_measured_again_before_anybody_is_blamed():
    told = iter([1.6, 1.45, 9.0])
    judge = FakeJudge(lambda source: accepted(next(told)))
    assert [verdict.speedup for verdict in _judged_after(judge, program("honest"), 1.5)] == [1.6, 1.45]
    always = FakeJudge(lambda source: accepted(1.6))
    assert len(_judged_after(always, program("honest"), 1.5)) == MOST


def test_the_rows_of_survival_are_tried(corpus):
    assert {item.row for item in corpus} >= set(ROWS)
    now = Remains.now()
    assert now.processes > 0
    assert now.memory_bytes > 0
