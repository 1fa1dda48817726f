import threading

import pytest

from tools.exclusion import Machine


def test_work_runs_side_by_side():
    machine, meeting = Machine(), threading.Barrier(2, timeout=10)

    def work():
        with machine.shared():
            meeting.wait()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not meeting.broken


def test_a_measurement_has_the_machine_alone_and_gets_its_turn():
    machine = Machine()
    events: list[str] = []
    inside, may_end, asked = threading.Event(), threading.Event(), threading.Event()

    def early():
        with machine.shared():
            inside.set()
            may_end.wait(10)
            events.append("early work")

    def measure():
        asked.set()
        with machine.alone():
            events.append("measurement")

    def late():
        with machine.shared():
            events.append("late work")

    threads = [threading.Thread(target=early), threading.Thread(target=measure), threading.Thread(target=late)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    assert asked.wait(10)
    while not machine._waiting:
        pass
    threads[2].start()
    may_end.set()
    for thread in threads:
        thread.join(10)
    assert events == ["early work", "measurement", "late work"]


def test_who_holds_it_alone_is_told_for_how_long(monkeypatch):
    now = iter([10.0, 12.5, 20.0, 21.0])
    monkeypatch.setattr("tools.exclusion.time.monotonic", lambda: next(now))
    machine, about = Machine(), {"target": "cpu"}
    with machine.alone(about):
        assert "held_s" not in about
    with pytest.raises(ValueError, match="wrong"), machine.alone(about):
        raise ValueError("wrong")
    assert about == {"target": "cpu", "held_s": 3.5}


def test_it_is_given_back_after_an_error():
    machine = Machine()
    for hold in (machine.alone, machine.shared):
        try:
            with hold():
                raise ValueError
        except ValueError:
            pass
    with machine.alone():
        pass
