"""Caps, rate limits and outages, on a clock of the test's own."""

from __future__ import annotations

import threading

import pytest

from agent.activity import Activity
from agent.errors import ModelOut, ModelUnavailable, OutOfBudget, RunInterrupted
from agent.models.gate import Gate
from agent.models.outages import DEFAULT_LIMIT_S, LONGEST_PAUSE_S, Outages
from agent.models.pacing import Pacer
from agent.models.purse import Amount, Purse
from agent.models.waiting import Clock


class Time:
    """A clock that moves only when somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now, self.sleep)


def stay() -> None:
    """Nobody asks to leave."""


# Caps


def test_what_does_not_fit_is_not_begun():
    purse = Purse(max_tokens=100, tokens=40)
    with purse.reserved(Amount(60, None), stay) as reservation:
        reservation.settle(Amount(20, None))
    with pytest.raises(OutOfBudget, match="may take 41 tokens, and 40 are left of --max-tokens 100") as caught:
        purse.reserved(Amount(41, None), stay).__enter__()
    assert caught.value.cap == "max_tokens"
    with purse.reserved(Amount(40, None), stay):
        pass


def test_dollars_are_capped_and_an_unknown_price_never_fits():
    purse = Purse(max_cost=1.0, cost_usd=0.5)
    with pytest.raises(OutOfBudget, match=r"may cost \$0\.6000, and \$0\.5000 are left of --max-cost 1") as caught:
        purse.reserved(Amount(1, 0.6), stay).__enter__()
    assert caught.value.cap == "max_cost"
    with pytest.raises(OutOfBudget, match="price is unknown"):
        purse.reserved(Amount(1, None), stay).__enter__()


def test_a_call_that_was_refused_costs_nothing():
    purse = Purse(max_tokens=100)

    def fail() -> None:
        with purse.reserved(Amount(100, None), stay):
            raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            fail()


def test_parallel_calls_cannot_spend_the_same_money():
    """Eight threads, room for the worst case of one at a time: never two inside, and the cap holds."""
    purse, lock = Purse(max_tokens=100), threading.Lock()
    inside, most, done = 0, 0, []

    def work() -> None:
        nonlocal inside, most
        while True:
            try:
                with purse.reserved(Amount(51, None), stay) as reservation:
                    with lock:
                        inside += 1
                        most = max(most, inside)
                    reservation.settle(Amount(10, None))
                    done.append(10)
                    with lock:
                        inside -= 1
            except OutOfBudget:
                return

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert sum(done) == 50, "after 50 the worst case of 51 does not fit, and nobody waits for ever"


def test_a_wait_for_room_can_be_left():
    purse = Purse(max_tokens=100)

    def leave() -> None:
        raise RunInterrupted("a test")

    with purse.reserved(Amount(80, None), stay), pytest.raises(RunInterrupted):
        purse.reserved(Amount(80, None), leave).__enter__()


def test_a_prompts_estimate_is_never_below_what_a_server_once_counted():
    gate = Gate()
    assert gate.prompt_tokens(1000, 2) >= 500
    gate.learn(1000, 2, 900)
    assert gate.prompt_tokens(1000, 2) >= 900
    gate.learn(1000, 2, 10)
    assert gate.prompt_tokens(1000, 2) >= 900


# Rate limits


def most_in_a_minute(times: list[float]) -> int:
    return max(sum(at <= other < at + 60 for other in times) for at in times)


def test_requests_keep_to_their_rate():
    time = Time()
    pacer = Pacer(time.clock, requests_per_minute=3)
    times = [pacer.admit(10, stay).at for _ in range(10)]
    assert most_in_a_minute(times) == 3
    assert times[3] == pytest.approx(times[0] + 60)


def test_tokens_keep_to_their_rate_as_they_were_in_truth():
    time = Time()
    pacer = Pacer(time.clock, tokens_per_minute=100)
    first = pacer.admit(90, stay)
    pacer.correct(first, 20)
    assert pacer.admit(80, stay).at == first.at
    assert pacer.admit(1, stay).at == pytest.approx(first.at + 60)


def test_a_request_beyond_the_limit_goes_alone_and_goes():
    time = Time()
    pacer = Pacer(time.clock, tokens_per_minute=100)
    begun = pacer.admit(1000, stay).at
    assert pacer.admit(1, stay).at == pytest.approx(begun + 60)


def test_what_a_server_asks_for_holds_for_every_slot():
    time = Time()
    pacer = Pacer(time.clock)
    pacer.hold(7.0)
    assert pacer.admit(1, stay).at == pytest.approx(1007.0)
    assert max(time.slept) <= 0.5, "a wait can be left soon"


# Outages


class Told:
    """What an Outages emits, and whether the run's clock stands."""

    def __init__(self, names=("a",), answered=("a",), limit_s=None):
        self.events: list[tuple[str, dict]] = []
        self.time, self.held, self.holds = Time(), False, 0
        self.activity = Activity(self.hold, self.release)
        self.outages = Outages(
            names,
            self.time.clock,
            lambda kind, **data: self.events.append((kind, data)),
            limit_s=limit_s,
            answered=frozenset(answered),
            activity=self.activity,
        )

    def hold(self):
        self.holds += not self.held
        self.held = True

    def release(self):
        self.held = False

    def kinds(self):
        return [kind for kind, _ in self.events]


def test_an_outage_is_waited_for_longer_and_longer_and_told():
    told = Told()
    at = []
    for _ in range(8):
        told.outages.failed("a", ModelOut("gone"), stay)
        at.append(told.time.now)
    gaps = [later - earlier for earlier, later in zip([1000.0, *at], at, strict=False)]
    assert gaps == pytest.approx([15, 30, 60, 120, 240, 480, LONGEST_PAUSE_S, LONGEST_PAUSE_S])
    told.outages.answered("a")
    assert told.kinds() == ["model_paused", *["notice"] * 7, "model_resumed"]
    assert told.events[0][1] == {"model": "a", "reason": "gone", "retry_in_s": 15.0}
    assert told.events[-1][1]["seconds"] == pytest.approx(sum(gaps))


def test_the_limit_ends_it_after_a_last_try_at_the_limit():
    told = Told()
    tries = 0

    def go_on_for_ever():
        nonlocal tries
        while True:
            tries += 1
            told.outages.failed("a", ModelOut("gone"), stay)

    with pytest.raises(ModelUnavailable, match=r"gone .given up after 14400 s"):
        go_on_for_ever()
    assert told.time.now == pytest.approx(1000 + DEFAULT_LIMIT_S)
    assert 20 < tries < 40


def test_a_run_whose_models_never_answered_does_not_wait_unless_told_to():
    told = Told(answered=())
    with pytest.raises(ModelUnavailable, match=r"^gone$"):
        told.outages.failed("a", ModelOut("gone"), stay)
    assert (told.time.slept, told.events) == ([], [])
    patient = Told(answered=(), limit_s=100.0)
    patient.outages.failed("a", ModelOut("gone"), stay)
    assert patient.kinds() == ["model_paused"]


def test_what_the_server_asks_for_is_waited_within_the_limit_only():
    told = Told()
    told.outages.failed("a", ModelOut("quota", retry_after_s=3600.0), stay)
    assert told.time.now == pytest.approx(1000 + 3600)
    with pytest.raises(ModelUnavailable):
        told.outages.failed("a", ModelOut("quota", retry_after_s=4 * 3600.0), stay)
    assert told.time.now == pytest.approx(1000 + 3600), "no use in waiting"


def test_others_take_over_and_nobody_waits():
    told = Told(names=("a", "b"), answered=("b",))
    with pytest.raises(ModelOut):
        told.outages.failed("a", ModelOut("gone"), stay)
    assert (told.outages.is_up("a"), told.outages.is_up("b"), told.time.slept) == (False, True, [])
    with pytest.raises(ModelOut):
        told.outages.before("a", stay)
    told.time.now += 15
    assert told.outages.is_up("a"), "it is tried again"


def test_with_all_of_them_out_the_run_waits():
    told = Told(names=("a", "b"), answered=("b",))
    with pytest.raises(ModelOut):
        told.outages.failed("a", ModelOut("gone"), stay)
    told.outages.failed("b", ModelOut("gone too"), stay)
    assert told.time.now == pytest.approx(1015)
    assert told.holds == 1


def test_a_model_that_is_dropped_is_not_asked_again():
    told = Told(names=("a", "b"))
    told.outages.drop("a", "the key was revoked")
    told.outages.drop("a", "again")
    assert told.outages.usable() == ["b"]
    assert told.events == [("model_paused", {"model": "a", "reason": "the key was revoked", "retry_in_s": None})]
    told.time.now += 1e6
    assert not told.outages.is_up("a")


def test_time_stands_still_only_while_nobody_works():
    told = Told()
    seen = []

    def leave():
        seen.append(told.held)

    with told.activity.working():
        with told.activity.working():
            told.outages.failed("a", ModelOut("gone"), leave)
            assert not any(seen)
        seen.clear()
        told.outages.failed("a", ModelOut("gone"), leave)
        assert all(seen)
        assert not told.held


def test_a_pause_can_be_left_at_once():
    told = Told()

    def leave():
        if told.time.now > 1001:
            raise RunInterrupted("SIGINT")

    with pytest.raises(RunInterrupted):
        told.outages.failed("a", ModelOut("gone"), leave)
    assert told.time.now < 1002
    assert not told.held
