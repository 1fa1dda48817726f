"""The benchmark on GPUs without one: pieces, merging, tables, bars, and every part with a scripted judge."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial

import pytest

from agent.events import Event
from agent.outcome import Outcome
from evals.errors import ResultsError
from evals.gpu_bench import corpus, costs, languages, rematches, searches, tables
from evals.gpu_bench.bars import bars
from evals.gpu_bench.page import to_json, to_markdown, write_page
from evals.gpu_bench.pieces import Piece, PieceFile, finished, merge, read_piece, read_pieces
from evals.gpu_bench.place import place_on
from evals.gpu_bench.published import THEIRS
from evals.gpu_bench.running import Chosen, Runner, Task, in_shard
from evals.suite import SuiteProblem, load_suite
from sandbox.base import Isolation
from sandbox.opening import open_sandbox
from tools.errors import JudgeUnavailable, RequestError
from tools.fake_judge import FakeJudge, accepted, rejected
from tools.problem import JudgeSettings, Problem
from tools.verdict import CaseVerdict, Timing

H200 = {"device": "NVIDIA H200", "driver": "570.1", "torch": "2.11.0", "isolation": "bubblewrap", "kernelwright": "1"}


def piece(*rows, began="2026-11-29 10:00:00", **machine):
    return Piece({**H200, **machine}, {"began": began, "command": "make bench-gpu", "seed": 0}, list(rows))


def row(part="model", name="softmax", **about):
    return {"part": part, "name": name, **about}


def found(name, speedup=1.5, *, confirmed=True, fraction=0.9, bound="memory", **about):
    verdict = accepted(speedup).model_copy(update={"roofline_fraction": fraction}).to_json()
    given = {"status": "improved", "message": "", "candidates": 2, "accepted": 2, "confirmed": confirmed}
    given |= {"bound": bound, "dtype": "float16", "verdict": verdict, "seconds": 30.0, "held_s": 9.0}
    return row(name=name, **{**given, **about})


# Pieces.


def test_what_was_finished_before_a_kill_is_there(tmp_path):
    path = tmp_path / "new" / "piece.jsonl"
    file = PieceFile(path, H200, {"began": "now"})
    file.add(row(name="one"))
    file.add(row(name="two"))
    path.write_text(path.read_text()[:-5])  # nobody closed it
    read = read_piece(path)
    assert (read.machine, read.run, [item["name"] for item in read.rows]) == (H200, {"began": "now"}, ["one"])
    with pytest.raises(ResultsError, match="cannot write"):
        PieceFile(path, H200, {})
    file.close()


@pytest.mark.parametrize("text", ["", "[1]\n", '{"schema": "another"}\n', "no JSON\n", '{"schema"'])
def test_what_is_no_piece_is_refused(tmp_path, text):
    path = tmp_path / "piece.jsonl"
    path.write_text(text)
    with pytest.raises(ResultsError, match="no piece of a benchmark"):
        read_pieces([tmp_path])


def test_the_last_result_counts_and_a_failure_only_without_one():
    first = piece(row(name="a", error="out of time"), row(name="b", found=1), row(name="c", error="x"))
    second = piece(row(name="a", found=2), row(name="b", error="lost"), began="2026-11-29 11:00:00")
    merged = merge([first, second])
    by_name = {item["name"]: item for item in merged.of("model")}
    assert (by_name["a"]["found"], by_name["a"]["times"]) == (2, 1)
    assert (by_name["b"]["found"], by_name["b"]["times"]) == (1, 1)
    assert (by_name["c"]["error"], by_name["c"]["times"]) == ("x", 0)
    assert merged.machines == [H200]
    assert finished([first, second]) == {("model", "a"), ("model", "b")}


def test_machines_that_differ_are_told_apart():
    merged = merge([piece(found("a")), piece(found("b"), driver="580.2", began="2026-11-30"), piece(found("c"))])
    assert [item["machine"] for item in merged.of("model")] == [0, 1, 0]
    assert merged.differences == {"driver": ["570.1", "580.2"]}
    text = to_markdown(merged, "2026-11-30")
    assert "differ in: Driver" in text
    assert "| B |" in text
    assert "differ in" not in to_markdown(merge([piece(found("a"))]), "2026-11-30")


# What is measured, and in which order.


def test_shards_share_the_tasks_and_each_begins_with_what_matters():
    names = list("abcdefg")
    shards = [in_shard(names, (number, 3)) for number in (1, 2, 3)]
    assert shards == [["a", "d", "g"], ["b", "e"], ["c", "f"]]


def test_the_wide_suite_begins_with_one_of_every_family():
    suite = load_suite("gpu")
    families = len({item.family for item in suite.problems})
    tasks = searches.tasks("model", Chosen())
    by_name = {item.name: item.family for item in suite.problems}
    assert len({by_name[task.name] for task in tasks[:families]}) == families
    assert len(tasks) == len(suite.problems)
    assert not tasks[0].settings.autotuned
    assert searches.tasks("paper", Chosen())[0].settings.autotuned


def test_only_what_is_wanted_and_lacking_is_measured():
    chosen = Chosen(only="softmax_1k*,relu_fp32", known=frozenset({("model", "relu_fp32")}))
    assert [task.name for task in searches.tasks("model", chosen)] == ["softmax_1k_fp16"]
    whole = Chosen(known=frozenset({("judging", "23-softmax-triton")}))
    names = [task.name for task in costs.tasks(whole)]
    assert "23-softmax-triton" not in names
    assert "23-softmax-triton-half" not in names
    assert "19-relu-load-inline-half" in names


# Running.


class Opener:
    """Gives FakeJudges, or raises; remembers who was open when."""

    def __init__(self, verdict=None, refuse=()):
        self.verdict, self.refuse, self.log, self.judges = verdict or accepted(1.5), refuse, [], []

    def __call__(self, problem, settings, seed):
        self.log.append(f"open {problem.name}")
        if problem.name in self.refuse:
            raise JudgeUnavailable("no such device")
        self.judges.append(FakeJudge(lambda source: self.verdict))
        return self.judges[-1]


def task(name, work, rows=()):
    return Task("model", name, Problem(name, ""), JudgeSettings(), work, rows)


def run(tasks, opener=None, chosen=None, **more):
    opener, rows = opener or Opener(), []
    runner = Runner(opener, rows.append, chosen or Chosen(), target="cpu", language="cpp", **more)
    whole = runner.run(tasks)
    assert all(judge.closed for judge in opener.judges)
    return whole, rows


def tells(name, turn):
    turn.tell({"name": name, "held_s": 2.0})


def test_a_row_that_fails_says_why_and_the_next_one_comes():
    def fails(turn):
        raise RequestError("the inputs\nare too large")

    opener = Opener(refuse=("c",))
    whole, rows = run(
        [task("a", partial(tells, "a")), task("b", fails), task("c", fails), task("d", partial(tells, "d"))], opener
    )
    assert whole
    told = [(item["name"], item.get("error")) for item in rows if item["part"] == "model"]
    assert told == [("a", None), ("b", "the inputs are too large"), ("c", "no such device"), ("d", None)]
    assert [(item["of"], item["name"], item["held_s"]) for item in rows if item["part"] == "task"] == [
        ("model", "a", 2.0),
        ("model", "b", 0.0),
        ("model", "c", 0.0),
        ("model", "d", 2.0),
    ]


def test_a_mistake_ends_the_run_unless_it_is_to_be_a_row():
    def mistaken(turn):
        raise KeyError("median_s")

    with pytest.raises(KeyError):
        run([task("a", mistaken)])
    _, rows = run([task("a", mistaken), task("b", partial(tells, "b"))], faults=(Exception,))
    assert rows[0]["error"] == "KeyError: 'median_s'"
    assert rows[2]["name"] == "b"


def test_of_several_rows_those_that_were_not_told_fail():
    def half(turn):
        turn.tell({"name": "x"})
        raise JudgeUnavailable("gone")

    _, rows = run([task("p", half, rows=("x", "y"))])
    assert [(item["name"], item.get("error")) for item in rows[:-1]] == [("x", None), ("y", "gone")]


def test_the_next_judge_is_opened_when_the_present_one_allows_it():
    opener = Opener()

    def work(turn):
        opener.log.append("begin")
        turn.ahead()
        turn.ahead()
        opener.log.append("end")

    run([task("a", work), task("b", work)], opener)
    assert opener.log == ["open a", "begin", "open b", "end", "begin", "end"]


def test_nothing_is_begun_that_would_be_cut_off():
    now = [0.0]

    def slow(name, turn):
        now[0] += 40.0
        tells(name, turn)

    opener = Opener()
    tasks = [task(name, partial(slow, name)) for name in "abc"]
    whole, rows = run(tasks, opener, Chosen(minutes=1.0), clock=lambda: now[0])
    assert not whole
    assert [item["name"] for item in rows if item["part"] == "model"] == ["a"]
    assert opener.log == ["open a"]


def test_a_task_of_many_rows_is_cut_between_two_of_them():
    now = [0.0]

    def many(turn):
        for name in "xyz":
            now[0] += 40.0
            turn.tell({"name": name})

    whole, rows = run(
        [task("p", many, tuple("xyz"))], chosen=Chosen(minutes=1.0), clock=lambda: now[0], faults=(Exception,)
    )
    assert not whole
    assert [item["name"] for item in rows if item["part"] == "model"] == ["x", "y"]


# The parts, with a scripted judge.


def test_what_judging_costs(monkeypatch):
    verdict = accepted(2.0).model_copy(update={"held_s": 3.0, "stage_seconds": {"compile": 0.5, "check": 1.0}})
    opener = Opener(verdict)
    _, rows = run(costs.tasks(Chosen()), opener)
    measured = [item for item in rows if item["part"] == "judging"]
    assert [item["name"] for item in measured] == [case.name for case in costs.CASES if not case.instead_of]
    assert len(opener.judges[0].judged) == 1 + costs.TIMES == len(set(opener.judges[0].judged))
    text = "\n".join(tables.judging_table(measured))
    assert "4096 x 393216 | 76 to 90" in text
    assert "compile 0.50, check 1.00 | accepted | 2.00" in text
    assert measured[0]["held_each_s"] == 3.0


def test_a_whole_that_is_too_large_is_halved():
    class TooLarge(FakeJudge):
        def describe(self):
            raise RequestError("two calls of every contender need 145 GiB")

    def opener(problem, settings, seed):
        judge = (FakeJudge if problem.name.endswith("half") else TooLarge)(lambda source: accepted(1.0))
        opener.judges.append(judge)
        return judge

    opener.judges = []
    _, rows = run(costs.tasks(Chosen(only="23*")), opener)
    told = {item["name"]: item.get("error") for item in rows if item["part"] == "judging"}
    assert told == {"23-softmax-triton": "two calls of every contender need 145 GiB", "23-softmax-triton-half": None}


def test_a_language_that_is_not_there_says_so():
    """On a CPU none of a GPU's is; a target that has them is refused nowhere before the judge."""
    _, rows = run(languages.tasks(Chosen()))
    told = [item for item in rows if item["part"] == "languages"]
    assert [item["name"] for item in told] == list(languages.LANGUAGES)
    assert all("no judge for" in item["error"] for item in told)
    rows.clear()
    runner = Runner(Opener(), rows.append, Chosen(only="triton,cuda"), target="cuda:sm90", language="triton")
    runner.run(languages.tasks(Chosen(only="triton,cuda")))
    told = [item for item in rows if item["part"] == "languages"]
    assert [(item["name"], item["verdict"]["confirmed"]) for item in told] == [("triton", True), ("cuda", True)]
    assert "@triton.jit" in told[0]["source"]
    assert "__global__" in told[1]["source"]
    assert "triton | accepted" in "\n".join(tables.languages_table(told))


def test_the_corpus_in_pieces_is_one_table():
    box = open_sandbox(Isolation.PROCESS)
    chosen = Chosen(only="r15*,cuda_layer_norm_block,triton_layer_norm_rows")
    rows: list = []
    tasks = corpus.tasks(chosen, box)
    Runner(Opener(), rows.append, chosen, target="cpu", language="cpp").run(tasks)
    refused = [item for item in rows if item["part"] == "integrity"]
    assert {item["error"] for item in refused} == {"the attacks run only in a sandbox: apt-get install bubblewrap"}
    rows.clear()
    allowed = Chosen(only=chosen.only, allow_unsandboxed=True)
    opener = Opener(rejected("wrong_output"))
    Runner(opener, rows.append, allowed, target="cpu", language="cpp").run(corpus.tasks(allowed, box))
    judged = [item for item in rows if item["part"] == "integrity"]
    counts = corpus.report_of(judged, "none", "1", "2026-11-29").counts()
    assert (counts["attacks"], counts["attacks_rejected"], counts["honest"], counts["honest_rejected"]) == (2, 2, 2, 2)
    assert counts["skipped"] > 80
    box.close()


def test_what_the_builtin_model_cannot_do_is_a_row_with_baselines(tmp_path):
    """The scripted judge describes no graph, so the builtin model declines."""
    _, rows = run(searches.tasks("paper", Chosen(only="conv1d_fp16")))
    merged = merge([piece(*rows)])
    (only,) = merged.of("paper")
    assert (only["confirmed"], only["verdict"], only["candidates"]) == (False, None, 0)
    text = "\n".join(tables.paper_table(merged.of("paper")))
    assert "the builtin model has none: this operator needs a language model" in text
    assert "eager 2, compile 1.5" in text
    assert "0.34243 ms" in text
    assert "baselines measured, no kernel" in text


def outcome(status="improved", **about):
    given = dict.fromkeys(Outcome.__dataclass_fields__)
    return Outcome(**{**given, "status": status, "candidates": 2, "accepted": 1, "message": "m", **about})


def events(*pairs):
    return [Event(number, "", 0.0, type_, data) for number, (type_, data) in enumerate(pairs)]


ITEM = SuiteProblem(Problem("p", 'BOUND = "memory"\n'), "family")


def test_of_a_search_the_confirmation_counts():
    slow, quick = accepted(1.1), accepted(3.0)
    described = {"cases": [{"inputs": ["2", {"dtype": "int64"}, {"dtype": "bfloat16"}]}]}
    judged = [("judged", {"verdict": item.model_copy(update={"held_s": 2.0}).to_json()}) for item in (quick, slow)]
    wrong = ("judged", {"verdict": rejected("wrong_output", "by 3").to_json()})
    again = ("confirmed", {"verdict": accepted(2.5).model_copy(update={"held_s": 4.0}).to_json()})
    made = searches.row_of(ITEM, outcome(), events(("described", described), *judged, wrong, again))
    assert (made["verdict"]["speedup"], made["held_s"], made["confirmed"]) == (2.5, 8.0, True)
    assert (made["bound"], made["dtype"], made["refused"]) == ("memory", "bfloat16", ["wrong_output: by 3"])
    made = searches.row_of(ITEM, outcome("no_improvement"), events(*judged, wrong))
    assert (made["verdict"]["speedup"], made["confirmed"]) == (3.0, False)
    made = searches.row_of(ITEM, outcome("failed", message="the judge failed"), events(wrong))
    assert (made["error"], made["verdict"], made["dtype"]) == ("the judge failed", None, "not known")


def test_champions_meet_the_strongest_baseline():
    champions = [
        found("relu_fp32", 2.0, source="class ModelNew: 1"),
        found("silu_fp16", 3.0, source="class ModelNew: 2"),
    ]
    champions += [found("row_sum_fp32", 1.0, confirmed=False, source=None), row(name="mish_fp16", error="lost")]
    opener = Opener(accepted(1.01))
    tasks = rematches.tasks(Chosen(), champions)
    assert all(task.settings.autotuned for task in tasks)
    _, rows = run(tasks, opener)
    again = [item for item in rows if item["part"] == "rematch"]
    assert [item["name"] for item in again] == ["relu_fp32", "silu_fp16"]
    assert [len(judge.confirmed) for judge in opener.judges] == [1, 1]
    assert rematches.summary(champions, []) == ""
    told = rematches.summary(champions, again)
    assert told.startswith("2 of 2 champions")
    assert "0 are faster than all of them; geometric mean 1.00x, before 2.45x" in told
    text = to_markdown(merge([piece(*champions, *again)]), "2026-11-29")
    assert told in text
    assert "| with max-autotune (95 %) |" in text
    assert "| 1.01 (1.00 to 1.02) |" in text
    assert "with max-autotune" not in to_markdown(merge([piece(*champions)]), "2026-11-29")


# Bars and tables.


def word_of(rows):
    return [bar.holds for bar in bars(rows)]


def test_bars_hold_and_do_not():
    good = [found(f"p{number}") for number in range(40)]
    assert word_of(good) == [True] * 5
    assert word_of(good[:39]) == [False, True, True, True, True]
    assert word_of([*good[1:], found("p", accepted=0, confirmed=False, verdict=None)])[1] is False
    half = [*good[:20], *(found(f"q{number}", confirmed=False) for number in range(20))]
    assert word_of(half) == [True, True, True, True, True]
    assert word_of([*half[1:], found("r", confirmed=False)])[2] is False
    assert word_of([found(f"p{number}", speedup=1.19) for number in range(40)])[3] is False
    assert word_of([found(f"p{number}", fraction=0.84) for number in range(40)])[4] is False
    assert bars([]) == []


def test_what_was_not_confirmed_and_what_failed_counts_one():
    rows = [found("a", 4.0), found("b", 9.0, confirmed=False), row(name="c", error="timeout")]
    mean = bars(rows)[3]
    assert mean.found.startswith("1.59x")  # the cube root of 4
    assert bars(rows)[1].found == "2 of 3 (1 failed)"


def test_only_what_memory_bounds_is_held_to_its_roofline():
    rows = [found("a", fraction=0.9), found("b", fraction=0.1, bound="compute"), found("c", fraction=None)]
    assert bars(rows)[4].found.startswith("90% (median 90%; 1 of 1 reach 85%; 1 more")
    assert bars([found("b", bound="compute")])[4].holds is None


def test_a_failure_in_every_table_says_why():
    failed = row(name="x", error="the device | is gone", machine=0)
    for made in (tables.judging_table, tables.model_table, tables.paper_table, tables.languages_table):
        text = "\n".join(made([failed]))
        assert "failed: the device \\| is gone" in text
        assert len({line.replace("\\|", "").count("|") for line in text.splitlines()}) == 1, text


def test_cases_of_the_paper_are_those_of_the_suite():
    sources = {item.name: item.problem.source for item in load_suite("paper").problems}
    assert {name for name, _ in THEIRS} == set(sources)
    assert all(f'"{case}":' in sources[name] for name, case in THEIRS if case)


def test_a_kernel_beside_the_papers():
    def timing(seconds):
        return Timing(median_s=seconds, p5_s=seconds, p95_s=seconds, samples=1)

    cases = tuple(
        CaseVerdict(
            name=name,
            speedup=2.0,
            speedup_ci95=(1.9, 2.1),
            candidate=timing(1e-4),
            baselines={"eager": timing(3e-4), "torch.compile": timing(2e-4)},
            aa_spread=0.0,
        )
        for name in ("n24", "n40")
    )
    verdict = accepted(2.0).model_copy(update={"cases": cases}).to_json()
    text = "\n".join(tables.paper_table([found("optimized_fm", verdict=verdict)]))
    wanted = "optimized_fm | n24 | eager 0.3, torch.compile 0.2 | 0.1 | 2.00 (1.90 to 2.10) | yes | measured | 3.6-3.9x"
    assert wanted in text
    assert text.count("optimized_fm") == 2


# The page.


def test_a_page_is_written_beside_older_ones_and_holds_no_sources(tmp_path):
    task_row = {"part": "task", "of": "model", "name": "a", "seconds": 40.0, "held_s": 10.0}
    merged = merge([piece({**found("a"), "source": "class ModelNew: ..."}, task_row)])
    first, second = (write_page(merged, tmp_path, "2026-11-29") for _ in range(2))
    assert (first.name, second.name) == ("2026-11-29-gpu.md", "2026-11-29-gpu-2.md")
    data = json.loads(first.with_suffix(".json").read_text())
    assert data == json.loads(json.dumps(to_json(merged, "2026-11-29")))
    assert "source" not in data["parts"]["model"][0]
    text = first.read_text()
    assert "| model | 1 | 0.7 | 40 | 25% |" in text
    assert "| Device | NVIDIA H200 |" in text
    assert "rehearsal" not in text


def test_the_command_merges(tmp_path, repository):
    file = PieceFile(tmp_path / "in" / "piece.jsonl", {**H200, "rehearsal": True}, {"began": "now", "command": "c"})
    file.add(found("a"))
    file.close()
    argv = [sys.executable, "scripts/bench_gpu.py", "--merge", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    done = subprocess.run(
        argv, cwd=repository, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(repository)}
    )
    assert done.returncode == 0, done.stderr
    (page,) = (tmp_path / "out").glob("*.md")
    assert done.stdout.strip() == str(page)
    assert "**A rehearsal on plain memory" in page.read_text()


def test_versions_are_those_of_the_sandbox(tmp_path):
    box = open_sandbox(Isolation.PROCESS)
    facts = place_on(box, tmp_path, rehearse=True).facts()
    box.close()
    assert facts["python"].count(".") == 2
    assert {"torch", "triton", "cuda", "nvcc", "driver", "device"} <= facts.keys()
    assert facts["rehearsal"] is True
