from agent.events import EVENT_TYPES
from kernelwright import run_view
from kernelwright.closing import closing_table, run_table
from kernelwright.live import LiveWatcher, PlainWatcher
from kernelwright.run_view import RunView


def told(story):
    view = RunView()
    return view, [line for event in story if (line := view.apply(event))]


def test_the_lines_of_a_run(story):
    _, lines = told(story)
    assert lines == [
        "run 20260101-000000-abcdef: softmax on cpu, model builtin",
        "reference: aten.softmax; a CPU, 2 threads",
        "baselines: torch.compile 9.00 ms, eager 12.0 ms",
        "memory: 1 related attempts, 0 of them to be judged here first",
        "aaaaaaaa rejected: wrong_output: off by 3e-2: two passes",
        "abababab accepted, 1.85x [1.80, 1.90], faster: one pass",
        "best so far: abababab, 1.85x [1.80, 1.90]",
        "confirmed: 1.80x [1.75, 1.85]",
    ]


def test_the_state_after_it(story):
    view, _ = told(story)
    assert (view.judged, view.tokens, view.status, view.best) == (2, 1200, "improved", "ab" * 8)
    assert view.rows["ab" * 8].lesson == "near the roofline"
    assert view.outcome["run_dir"] == "/runs/x"


def test_the_status_line_counts_down(story):
    view = RunView()
    for event in story[:9]:
        view.apply(event)
    assert view.summary() == "timing 4/12 | 0/12 judged | best - | 1,200 tokens | 1:03 left"
    assert view.summary(elapsed_s=80.0).endswith("0:00 left")


def test_a_candidate_judged_again_after_a_resume_counts_once(story):
    view, _ = told([*story[:11], *story[:11]])
    assert view.judged == 2


def test_events_of_another_version_do_no_harm():
    view = RunView()
    event = type("E", (), {"type": "juggled", "data": {"x": 1}, "elapsed_s": 1.0})()
    assert view.apply(event) is None
    for name in ("run_started", "described", "baselines_measured", "recalled", "proposed", "champion"):
        view.apply(type("E", (), {"type": name, "data": {}, "elapsed_s": 1.0})())


def test_a_suite_s_next_run_begins_afresh(story):
    watcher = PlainWatcher()
    for event in story:
        watcher(event)
    watcher(type(story[0])("run_started", {**story[0].data, "run_id": "another"}))
    assert (watcher.view.judged, watcher.view.best, watcher.view.run_id) == (0, None, "another")


def test_a_resumed_run_goes_on_from_its_log(story):
    watcher = PlainWatcher(told(story[:11])[0])
    watcher(type(story[0])("resumed", {"run_id": story[0].data["run_id"]}, 30.0))
    assert watcher.view.judged == 2


def test_only_types_that_exist_are_handled():
    assert set(run_view._HANDLERS) <= EVENT_TYPES


def test_a_line_is_one_line_whatever_a_model_wrote(story, capsys):
    watcher = PlainWatcher()
    story[10].data["strategy"] = "one\npass \x1b[31mred\x07\r\n"
    for event in story:
        watcher(event)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 8
    assert "\x1b" not in "".join(lines)
    assert lines[5].startswith("[  25.0s] abababab accepted")
    assert lines[5].endswith(": one pass [31mred")


def test_the_live_view_keeps_its_lines_and_leaves_no_markup(story):
    import io

    from rich.console import Console

    screen = io.StringIO()
    watcher = LiveWatcher(Console(file=screen, width=60, force_terminal=True, color_system=None))
    story[10].data["strategy"] = "[red]one pass[/red] [/nonsense]"
    for event in story[:11]:
        watcher(event)
    assert "[red]one pass[/red] [/nonsense]" in screen.getvalue()
    still = Console(file=io.StringIO(), width=60)
    watcher.view.doing = "a very long thing that is being done [/now] and goes on and on and on"
    (segments,) = still.render_lines(watcher.__rich__(), pad=False)  # as rich.live renders it
    line = "".join(segment.text for segment in segments)
    assert "a very long thing that is being done [/now]" in line
    assert len(line) <= 60


def test_the_closing_table_says_it_all(story):
    text = closing_table(told(story)[0].outcome)
    for part in (
        "faster", "eager", "12.0 ms", "torch.compile", "9.00 ms", "5.00 ms", "1.80x [1.75, 1.85]",
        "confirmed in fresh processes", "isolation bubblewrap", "2.0e-07 worst", "eager: 3.0e-07", "62%",
        "2 candidates judged, 1 accepted", "1,200 tokens", "max_candidates", "/runs/x/best.py",
    ):  # fmt: skip
        assert part in text


def test_the_closing_table_without_a_champion():
    outcome = {"status": "no_improvement", "candidates": 0, "accepted": 0, "best": None, "run_dir": "/r",
               "message": "operator convolution needs a language model"}  # fmt: skip
    text = closing_table(outcome)
    assert "no improvement" in text
    assert "needs a language model" in text
    assert "kernel " not in text


def test_an_interrupted_run_says_how_to_go_on():
    assert "kernelwright resume r-1" in closing_table({"status": "interrupted", "run_id": "r-1", "best": None})


def test_the_table_of_candidates_marks_the_best(story):
    text = run_table(told(story)[0])
    assert "* abababab" in text
    assert "  aaaaaaaa" in text


def test_the_closing_table_names_what_limits():
    from tests.kernelwright.conftest import verdict

    def told_of(bound, **more):
        best = verdict(1.8, **more)
        best["cases"][0]["bound"] = bound
        return closing_table({"status": "improved", "best": best})

    assert "62% of the memory bandwidth" in told_of("memory")
    assert "62% of the arithmetic peak, nothing is left to win" in told_of("compute", at_floor=True)
    assert "62% of the roofline" in told_of(None)


def test_a_pause_is_told_and_the_countdown_stands_still(story):
    import io

    from rich.console import Console

    event = type(story[0])
    watcher = LiveWatcher(Console(file=io.StringIO(), width=60))
    for one in story[:5]:
        watcher(one)
    paused = {"model": "builtin", "reason": "gone", "retry_in_s": 15.0}
    assert watcher.view.apply(event("model_paused", paused)) == "paused: builtin: gone; trying again in 15 s"
    watcher._seen -= 1000.0
    assert "paused: waiting for builtin" in str(watcher.__rich__())
    assert str(watcher.view.summary()) in str(watcher.__rich__())
    line = watcher.view.apply(event("model_resumed", {"model": "builtin", "seconds": 3700.0}))
    assert line == "builtin answers again after 61:40"
    assert "paused" not in watcher.view.summary()


def test_one_model_of_two_that_is_out_is_no_pause(story):
    event = type(story[0])
    view = RunView()
    view.apply(event("run_started", {**story[0].data, "model": "openai:a,openai:b"}))
    line = view.apply(event("model_paused", {"model": "openai:a", "reason": "revoked", "retry_in_s": None}))
    assert line == "paused: openai:a: revoked; it is left out from now on"
    assert not view.is_waiting


def test_the_closing_table_tells_models_apart_and_unknown_costs():
    row = {"proposals": 3, "accepted": 1, "best": 1.5, "tokens": 1200, "cost_usd": None, "share": 0.75}
    rows = [{"model": "openai:a", **row}, {"model": "openai:b", **row, "cost_usd": 0.0123, "share": 0.25, "best": None}]
    outcome = {"status": "no_improvement", "best": None, "tokens": 2400, "cost_usd": None, "models": rows}
    text = closing_table(outcome)
    assert "openai:a" in text
    assert "3 proposals (75%), 1 accepted, best 1.50x, 1,200 tokens, cost unknown" in text
    assert "best -, 1,200 tokens, $0.0123" in text
    assert "2,400 tokens, cost unknown" in text
    assert "openai:a" not in closing_table({**outcome, "models": rows[:1]})


def test_a_run_that_lost_its_model_says_how_to_go_on():
    outcome = {"status": "improved", "best": None, "run_id": "r-1", "stop_reason": "model_unavailable"}
    assert "kernelwright resume r-1" in closing_table(outcome)


def test_what_was_asked_of_a_run_is_told_and_a_held_run_s_time_stands_still(story):
    event, view = type(story[0]), RunView()
    view.apply(event("run_started", {"run_id": "r", "settings": {"max_candidates": 12, "max_seconds": 60}}))

    def asked(kind, **what):
        return view.apply(event("steered", {"request": "1", "kind": kind, "refused": None, **what}))

    assert asked("hint", text="try\nshared memory") == "asked: hint: try shared memory"
    assert asked("target", speedup=2.0) == "asked: stop at 2x"
    assert asked("limit", limit="max_candidates", value=20.0) == "asked: max candidates 20"
    assert (view.hints, view.target_speedup, view.max_candidates) == (["try\nshared memory"], 2.0, 20)
    assert asked("pause") == "asked: pause"
    assert not view.is_waiting, "it still does what it was doing"
    view.apply(event("held"))
    assert view.is_waiting
    assert "held: waiting to be told to go on" in view.summary()
    asked("go_on")
    assert not view.is_waiting
    line = view.apply(event("steered", {"request": "2", "kind": "dance", "refused": "no such kind"}))
    assert line == "asked: dance; not done: no such kind"
