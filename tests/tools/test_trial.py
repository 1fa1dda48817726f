"""A trial without processes: what it keeps, whose failure counts in a further sitting, that nothing stays open."""

import weakref
from types import SimpleNamespace

import pytest

from tools import auditing
from tools.contender import Rejected
from tools.errors import JudgeUnavailable
from tools.reserving import calls_of_a_window, reserve
from tools.trial import Trial

CASES = [SimpleNamespace(best=name, verdict=SimpleNamespace(name=name)) for name in ("eager", "torch.compile")]


class Opened:
    def __init__(self):
        self.closed = False

    def close(self):
        self.closed = True


class Crew:
    """Its eager cannot be started again."""

    def __init__(self):
        self.opened = []

    def examiner(self):
        return None

    def draw(self, case, count):
        return [None] * count

    def understudy(self, name):
        if name == "eager":
            raise JudgeUnavailable("no memory")
        self.opened.append(Opened())
        return self.opened[-1]


def trial(crew):
    return Trial(crew, None, 2, 4, 1.0, 0, lambda text: None, 1 << 30)


def test_what_was_opened_is_closed_when_another_cannot_be_and_no_candidate_ran_meanwhile():
    crew, opened = Crew(), []
    with pytest.raises(JudgeUnavailable):
        trial(crew).again(lambda: opened.append("candidate"), CASES)
    assert not opened  # it might take what the others are about to need
    assert [item.closed for item in crew.opened] == [True]


@pytest.mark.parametrize(("reason", "tries"), [("timeout", 2), ("out_of_memory", 2), ("crash", 1), ("wrong_output", 1)])
def test_what_may_be_the_machines_doing_is_tried_once_more_and_only_once(reason, tries):
    tried = []

    def fails():
        tried.append(reason)
        raise Rejected(reason, "in a fresh process")

    crew = Crew()
    mine = trial(crew)
    with pytest.raises(Rejected):
        mine.again(fails, CASES[1:])
    assert len(tried) == tries
    assert [item.closed for item in crew.opened] == [True] * tries
    with pytest.raises(Rejected):
        mine.again(fails, CASES[1:])
    assert len(tried) == tries + 1


def test_only_one_set_is_kept_while_time_is_measured(monkeypatch):
    class Set:
        """Large inputs."""

    alive, drawn = [], []

    class Large(Crew):
        cases = ("a", "b")

        def draw(self, case, count):
            sets = [Set() for _ in range(count)]
            drawn.extend(weakref.ref(item) for item in sets)
            return sets

        def baselines(self, notice):
            return {}

        def best_guess(self, case):
            return "eager"

    crew = Large()
    tried = trial(crew)
    monkeypatch.setattr(tried, "check", lambda case, sets: None)
    monkeypatch.setattr(tried, "_time", lambda case, form, *about: alive.append([it() for it in drawn].count(None)))
    tried.run({"a": crew.draw("a", 5)})
    assert alive == [4, 6]  # gone: all but one of five, then those and one of two


class Reserving:
    def __init__(self):
        self.asked = 0

    def reserve(self, size_bytes):
        self.asked = size_bytes


@pytest.mark.parametrize("output_mib", [1, 8, 64, 300])
def test_a_window_has_no_more_calls_than_memory_is_reserved_for(output_mib):
    form = SimpleNamespace(input_bytes=8 << 20, output_bytes=output_mib << 20)
    memory_bytes = 8 << 30
    calls = calls_of_a_window(form, memory_bytes)
    reserving = Reserving()
    reserve([reserving], form, calls, memory_bytes)
    assert calls >= 2
    if calls > 2:
        assert reserving.asked >= form.input_bytes + (2 * calls + 8) * form.output_bytes


class Timed:
    """Answers one call after so many seconds, of which its own work took all but ``waits``."""

    def __init__(self, name, call_s, waits_s, answer=b"right"):
        self.name, self.call_s, self.waits, self.answer = name, call_s, iter(waits_s), answer

    def lay(self, sets, *, recorded=False):
        assert len(sets) == 1

    def go(self):
        return SimpleNamespace(claimed_s=self.call_s, window_s=self.call_s + next(self.waits))

    def outputs(self, form, *, lasting=True):
        return [bytearray(self.answer)]


class Alike:
    """An examiner that wants the same bytes."""

    def resembles(self, mine, theirs, form):
        return mine == theirs

    def require(self, outputs, inputs):
        raise Rejected("wrong_output", "not even near")


def looking(candidate, baseline):
    drawn = SimpleNamespace(seed=1, inputs=())
    oracle = SimpleNamespace(draw=lambda case, count: [drawn] * count, make=lambda case, seed: drawn)
    crew = SimpleNamespace(oracle=oracle, examiner=Alike, flush=lambda: None, on_device=None)
    its = Trial(crew, candidate, 2, 4, 1.0, 0, lambda text: None, 1 << 30)
    return its._quick_look(SimpleNamespace(case="default"), baseline)


def test_what_a_window_takes_besides_is_seen_with_a_baseline_at_the_same_time():
    """Seen once, while others imported torch, it was milliseconds: the candidate then seemed to take no time."""
    candidate, baseline = Timed("candidate", 3e-3, [2e-4, 1e-4, 3e-4]), Timed("eager", 5e-3, [4e-4, 1e-4, 5e-3])
    assert looking(candidate, baseline) == pytest.approx(3e-3)


def test_who_answers_a_single_call_quickly_and_wrongly_is_found_out():
    with pytest.raises(Rejected, match="in a timed call"):
        looking(Timed("candidate", 1e-6, [1e-4] * 3, b"empty"), Timed("eager", 5e-3, [1e-4] * 3))


@pytest.mark.parametrize("whose", [0, 1])
def test_a_call_that_could_not_be_recorded_is_made_again_with_neither_recorded(monkeypatch, whose):
    """Else what its host takes to ask for it is told as its own: an honest kernel of 0.14 ms as 0.36 (H200)."""
    asked = []

    def compared(*about, recorded):
        asked.append(recorded)
        pair = [SimpleNamespace(recorded=recorded) for _ in range(2)]
        pair[whose].recorded = recorded and len(asked) < 2
        return tuple(pair)

    monkeypatch.setattr(auditing, "compared_alone", compared)
    plan = SimpleNamespace(blocks=6, windows=1, warm_up=2, calls=4)
    monkeypatch.setattr(auditing.Audit, "_made", lambda self: iter(()))
    audit = auditing.Audit(None, None, None, None, plan, None, None, recorded=True)
    audit.alone()
    assert asked == [True]
    assert not any(call.recorded for call in audit.alone())
    assert asked == [True, True, False]
    assert not audit.recorded
    audit.alone()
    assert asked == [True, True, False, False]
