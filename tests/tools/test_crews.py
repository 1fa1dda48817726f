"""Which crew judges, and which is started ahead."""

import pytest

from tools.crews import Crews
from tools.errors import JudgeUnavailable


class FakeCrew:
    def __init__(self, before):
        self.before, self.closed = before, False

    def close(self):
        self.closed = True


@pytest.fixture
def crews():
    return Crews(FakeCrew)


def test_one_judges_and_is_started_when_it_is_wanted(crews):
    assert (crews.known, crews.started) == (None, ())
    assert crews.now() is crews.now() is crews.known
    assert crews.started == (crews.now(),)


def test_the_next_one_is_started_ahead_once_and_takes_the_place(crews):
    crews.look_ahead()
    assert crews.started == ()  # nobody described the problem yet
    first = crews.now()
    crews.look_ahead()
    crews.look_ahead()
    assert len(crews.started) == 2
    second = crews.replace()
    assert (second.before, first.closed, second.closed) == (first, True, False)
    assert (crews.now(), crews.started) == (second, (second,))


def test_one_that_cannot_be_started_ahead_fails_nobody_before_it_is_wanted():
    def make(before):
        if before is not None:
            raise JudgeUnavailable("no more processes")
        return FakeCrew(before)

    crews = Crews(make)
    first = crews.now()
    crews.look_ahead()
    assert (crews.now(), crews.started) == (first, (first,))
    with pytest.raises(JudgeUnavailable, match="no more processes"):
        crews.replace()


def test_without_one_ahead_a_new_one_takes_the_place(crews):
    first = crews.now()
    second = crews.replace()
    assert second.before is first
    assert crews.started == (second,)


def test_after_a_failure_none_of_them_is_used_again(crews):
    first = crews.now()
    crews.look_ahead()
    ahead = crews.started[1]
    crews.forget()
    assert (first.closed, ahead.closed, crews.started) == (True, True, ())
    assert crews.now() not in (first, ahead)


def test_another_one_may_work_beside_it_until_it_is_dismissed(crews):
    first = crews.now()
    other = crews.new(first)
    crews.dismiss(other)
    crews.dismiss(other)
    assert (crews.now(), first.closed, other.closed) == (first, False, True)


def test_closed_none_is_started_any_more(crews):
    first = crews.now()
    crews.look_ahead()
    crews.close()
    assert first.closed
    assert crews.started == ()
    with pytest.raises(JudgeUnavailable, match="the judge is closed"):
        crews.now()


def test_one_that_was_being_started_when_all_was_closed_is_dismissed():
    made = []

    def make(before):
        made.append(FakeCrew(before))
        crews.close()
        return made[-1]

    crews = Crews(make)
    with pytest.raises(JudgeUnavailable, match="the judge is closed"):
        crews.now()
    assert made[0].closed
