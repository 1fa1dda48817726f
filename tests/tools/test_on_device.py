"""The judge as it works on a device, with plain memory in the device's place: nothing here needs a GPU.

What only a GPU shows (time, idleness, faults) is in ``tests/gpu``.
"""

from contextlib import closing

import pytest

from sandbox.devices import Lease, host_device
from tests.tools.judged import PROBLEM, candidate, problem
from tools.baselines import EAGER
from tools.checking import check_contender, is_alive, require_window, tolerating
from tools.contender import Contender, Rejected, reject
from tools.device.arena import DeviceArena
from tools.device.bank import DeviceBytes
from tools.errors import JudgeUnavailable
from tools.inputs import Manners
from tools.judging import SandboxedJudge
from tools.problem import JudgeSettings
from tools.rooms import Room

pytestmark = pytest.mark.torch

HONEST = "return torch.softmax(x * self.weight, dim=-1)"
# One thread each: the verifier looks out without a pause beside whoever it looks at.
SETTINGS = JudgeSettings(
    threads=1, stage_timeout_s=30, memory_bytes=1500 << 20, blocks=4, compiled=False, close_call_s=0
)


@pytest.fixture(scope="module")
def judge(enclosed, tmp_path_factory):
    device = host_device(name="test-on-device")
    with closing(
        SandboxedJudge(problem(), enclosed, SETTINGS, tmp_path_factory.mktemp("judge"), device=device)
    ) as judge:
        judge.describe()
        yield judge


@pytest.fixture(scope="module")
def room(judge):
    room = Room(judge._launcher, judge._folder)
    yield room
    room.remove()


@pytest.fixture
def load(judge, room):
    opened = []

    def load(what) -> Contender:
        room.write(what.source)
        contender = Contender("candidate", room.start(building=False), reject)
        opened.append(contender)
        contender.load(room.path, judge._crews.now().constructor())
        return contender

    yield load
    for contender in opened:
        contender.close()


def spoil(crew, number: int, offset: int, size: int) -> None:
    """Turn over every bit of a stretch, as somebody might who goes on working."""
    values = [[offset, ["region", number, offset, size]]]
    crew.on_device.bank.ask("spoil", {"region": number, "values": values})


def refused(judge, contender: Contender, *reasons: str) -> Rejected:
    crew = judge._crews.now()
    with pytest.raises(Rejected) as caught:
        check_contender(contender, crew.draw("default", 3), crew.examiner(), Manners())
    assert caught.value.reason in reasons, (caught.value.reason, caught.value.detail, caught.value.log)
    return caught.value


def test_an_honest_candidate_is_accepted_and_a_wrong_one_is_not(judge, monkeypatch):
    monkeypatch.setattr("tools.trial.DEVICE_REPEATABILITY", 1.0)
    right = judge.judge(candidate(HONEST))
    assert right.status == "accepted", (right.reason, right.detail, right.log)
    assert right.error.worst <= right.error_bound.worst
    assert right.held_s > 0
    assert right.speedup_ci95[1] > 5 * right.speedup, "how far judgements differ is the device's own"
    wrong = judge.judge(candidate("return torch.softmax(x * self.weight, dim=-1) + 1e-4"))
    assert (wrong.status, wrong.reason) == ("rejected", "wrong_output")


def test_every_timed_call_is_compared_with_the_baselines(judge, monkeypatch):
    bank = judge._crews.now().on_device.bank
    asked, ask = [], bank.ask
    monkeypatch.setattr(bank, "ask", lambda op, body: asked.append((op, body)) or ask(op, body))
    assert judge.judge(candidate(HONEST)).status == "accepted"
    pairs = [call for op, body in asked if op == "alike" for call in body["calls"]]
    assert len(pairs) >= 64
    # Each beside what another contender answered, in a region of its own.
    assert all(mine[0][:1] == theirs[0][:1] == ["region"] and mine[0][1] != theirs[0][1] for mine, theirs in pairs)


def test_a_check_asks_for_no_more_calls_than_the_device_has_room_for(judge, load, monkeypatch):
    crew = judge._crews.now()
    monkeypatch.setattr(crew.on_device.bank, "calls", 2)
    asked, place = [], DeviceArena.place
    monkeypatch.setattr(
        DeviceArena, "place", lambda self, sets, **how: asked.append(len(sets)) or place(self, sets, **how)
    )
    check_contender(load(candidate(HONEST)), crew.draw("default", 3), crew.examiner(), Manners())
    assert max(asked) == 2


@pytest.mark.parametrize(
    ("forward", "construct", "reason"),
    [
        ("return torch.softmax(x * self.weight, dim=0)", "", "wrong_output"),
        ("return torch.softmax((x * self.weight).bfloat16(), dim=-1).float()", "", "wrong_output"),
        ("return torch.softmax(x.mul_(self.weight), dim=-1)", "", "input_mutation"),
        ("return torch.softmax(x * self.weight, dim=-1).double()", "", "wrong_output.dtype"),
        ("return torch.softmax(x * self.weight, dim=-1)[:-1]", "", "wrong_output.shape"),
        ("return [torch.softmax(x * self.weight, dim=-1)]", "", "wrong_output.structure"),
        (
            "self.kept = torch.softmax(x * self.weight, dim=-1) if self.kept is None else self.kept\nreturn self.kept",
            "self.kept = None",
            "cheat.output_reuse",
        ),
        (
            "y = torch.empty_like(x)\ny[:-1] = torch.softmax(x * self.weight, dim=-1)[:-1]\nreturn y",
            "",
            "uninitialised_output",
        ),
    ],
)
def test_what_is_wrong_is_refused(judge, load, forward, construct, reason):
    # What was in memory before may be anything, NaN too.
    refused(judge, load(candidate(forward, construct=construct)), reason, "wrong_output", "wrong_output.nonfinite")


def test_an_answer_that_is_not_where_it_is_said_to_be_is_refused(judge, load):
    """The table may name any address; only the contender's own pool is looked at."""
    crew = judge._crews.now()
    contender = load(candidate(HONEST))
    form = crew.draw("default", 1)[0]
    contender.run([form])
    contender._addresses = [1 << 40]
    with pytest.raises(Rejected, match="not in its memory"):
        contender.outputs(form)


def test_guards_inputs_and_outputs_are_looked_at_on_the_device(judge, load):
    crew = judge._crews.now()
    before = """
    import ctypes
    def past(x):
        ctypes.memset(x.data_ptr() + x.numel() * 4, 1, 64)
    """
    contender = load(candidate(f"past(x)\n{HONEST}", before=before))
    with pytest.raises(Rejected) as caught:
        require_window(contender, crew.draw("default", 2), crew.examiner(), Manners())
    assert caught.value.reason == "out_of_bounds"


def test_what_is_left_for_later_is_not_seen_as_an_answer(judge, load):
    """A thread that goes on after the harness has said where the answer lies changes what was already read."""
    crew = judge._crews.now()
    contender = load(candidate(HONEST))
    form = crew.draw("default", 1)[0]
    contender.run([form])
    arena = contender._arena()
    assert arena.trouble() is None
    _, number, offset, size = contender.outputs(form)[0].ref
    spoil(crew, number, offset, size)
    assert arena.trouble()[0] == "cheat.late_work"


def test_memory_that_is_prepared_between_windows_is_seen(judge, load):
    crew = judge._crews.now()
    contender = load(candidate(HONEST))
    sets = crew.draw("default", 2)
    contender.run(sets)
    contender.run(sets)  # nobody minds a contender that rests
    arena = contender._arena()
    spoil(crew, arena._pool.number, 0, arena._pool.size)
    with pytest.raises(Rejected) as caught:
        contender.run(sets)
    assert caught.value.reason == "cheat.off_the_clock"


class Gaps:
    """A bank whose device is somebody else's for so long, one number a window."""

    def __init__(self, bank, gaps_s):
        self.bank, self.gaps_s, self.asked = bank, list(gaps_s), []

    def __getattr__(self, name):
        return getattr(self.bank, name)

    def ask(self, op, body):
        found = self.bank.ask(op, body)
        self.asked.append(op)
        return {**found, "gap_s": self.gaps_s.pop(0)} if op == "arm" and self.gaps_s else found


@pytest.mark.parametrize("seen", [2e-3, None])
def test_inputs_are_put_there_again_where_the_device_was_not_idle_all_the_while(judge, load, seen):
    crew = judge._crews.now()
    contender = load(candidate(HONEST))
    arena = contender._arena()
    arena._bank = bank = Gaps(crew.on_device.bank, [seen, 1e-7])
    contender.run(crew.draw("default", 1))
    assert bank.asked[:5] == ["fill", "arm", "fill", "flush", "arm"]
    assert arena.gaps_s == [1e-7]
    assert "at most 0.1 us; 1 times" in contender.note()


def test_who_needs_that_time_and_again_is_refused(judge, load):
    crew = judge._crews.now()
    contender = load(candidate(HONEST))
    sets = crew.draw("default", 1)
    contender._arena()._bank = Gaps(crew.on_device.bank, [2e-3] * 100)
    with pytest.raises(Rejected) as caught:
        contender.run(sets)
    assert caught.value.reason == "cheat.device_busy"


@pytest.mark.parametrize(("ask", "busy"), [("check", 1), ("judge", 2)])
def test_whoever_found_the_device_busy_is_tried_once_more_in_another_process(judge, monkeypatch, ask, busy):
    """It may have been somebody else who had the device: three of 39 honest kernels were refused for it on an H200."""
    seen, trouble = [], DeviceArena.trouble

    def troubled(arena):
        if arena not in seen:
            seen.append(arena)
        return ("cheat.device_busy", "busy") if len(seen) <= busy else trouble(arena)

    monkeypatch.setattr(DeviceArena, "trouble", troubled)
    assert getattr(judge, ask)(candidate(HONEST)).reason == (None if busy == 1 else "cheat.device_busy")
    assert len(seen) == 2


def test_that_nobody_could_look_is_not_held_against_it(judge, load):
    crew = judge._crews.now()
    contender = load(candidate(HONEST))
    contender._arena()._bank = Gaps(crew.on_device.bank, [None] * 100)
    with pytest.raises(JudgeUnavailable, match="nobody could look"):
        contender.run(crew.draw("default", 1))


def test_what_lies_at_the_same_place_later_is_another_answer(judge, load):
    crew = judge._crews.now()
    contender = load(candidate(HONEST))
    first, second = crew.draw("default", 2)
    contender.run([first])
    (before,) = contender.outputs(first)
    contender.run([second])
    (after,) = contender.outputs(second)
    assert before.ref == after.ref
    assert before != after


def test_two_flipped_signs_do_not_cancel(judge):
    """They change the top bits of two words, which wrapping products of whole words forget."""
    import torch

    from tools.harness.device_memory import HostMemory
    from tools.harness.reference import Reference
    from tools.harness.verifier import Verifier

    verifier = Verifier(Reference(), HostMemory(), 1 << 20)
    plain = torch.arange(1, 65, dtype=torch.float32)
    seen = {verifier._digest_of(plain.view(torch.uint8))}
    for places in ([1, 3], [0, 2], [0, 1], [1, 3, 5, 7], [63, 61]):
        flipped = plain.clone()
        flipped[places] *= -1
        seen.add(verifier._digest_of(flipped.view(torch.uint8)))
    assert len(seen) == 6


def test_the_first_word_of_where_outputs_lie_counts(judge, load, monkeypatch):
    crew = judge._crews.now()
    contender = load(candidate(HONEST))
    form = crew.draw("default", 1)[0]
    contender.lay([form])
    arena = contender._arena()
    assert arena.arm() is None
    arena.watch(20.0)
    arena.write_table([4096])
    seen = arena.seen()
    assert (seen.addresses, seen.early) == ([4096], False)
    monkeypatch.setattr(arena, "seen", lambda: type(arena).seen(arena)._replace(addresses=[4096]))
    contender.run([form])  # the table says the truth by now
    with pytest.raises(Rejected, match="not in its memory"):
        contender.outputs(form)


def test_who_says_something_before_it_is_let_go_is_refused(judge, load):
    crew = judge._crews.now()
    contender = load(candidate(HONEST))
    contender.lay(crew.draw("default", 1))
    contender._arena().write_table([4096])
    with pytest.raises(Rejected, match="before it was let go") as caught:
        contender.go()
    assert caught.value.reason == "cheat.forged_record"


@pytest.mark.parametrize(("forward", "reason"), [("import os\nos._exit(3)", "crash"), ("while True: pass", "timeout")])
def test_a_candidate_that_ends_or_hangs_in_a_window_leaves_the_verifier_free(judge, load, monkeypatch, forward, reason):
    crew = judge._crews.now()
    contender = load(candidate(forward))
    monkeypatch.setattr(contender._worker, "timeout_s", 2.0)
    with pytest.raises(Rejected) as caught:
        contender.run(crew.draw("default", 1))
    assert caught.value.reason == reason
    honest = load(candidate(HONEST))
    form = crew.draw("default", 1)[0]
    honest.run([form])
    crew.examiner().require(honest.outputs(form), form)


def test_nothing_at_all_is_an_answer_to_nothing(judge, load):
    crew = judge._crews.now()
    contender = load(candidate(HONEST))
    nothing = crew.make("default", 0)
    contender.run([nothing])
    crew.examiner().require(contender.outputs(nothing), nothing)


def test_buffers_that_a_call_updates_are_put_back_before_anybody_looks(enclosed, tmp_path):
    source = """
import torch

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(64)

    def forward(self, x):
        return self.norm(x)

def get_inputs():
    return [torch.randn(256, 64)]
"""
    honest = source.replace("class Model(", "class ModelNew(")
    from tools.candidate import Candidate

    device = host_device(name="test-buffers")
    with closing(SandboxedJudge(problem(source=source), enclosed, SETTINGS, tmp_path, device=device)) as judge:
        verdict = judge.judge(Candidate(source=honest, language="python"))
    assert verdict.status == "accepted", (verdict.reason, verdict.detail)


def test_names_of_tensors_are_equal_as_their_contents_are(judge):
    oracle = judge._crews.now().on_device
    first, second = (oracle.make("default") for _ in range(2))
    again = oracle.make("default", seed=first.seed)
    assert isinstance(first.inputs[0], DeviceBytes)
    assert first.inputs == again.inputs
    assert first.inputs != second.inputs
    assert first.expected[0].eager == again.expected[0].eager
    assert first.expected[0].eager != second.expected[0].eager
    assert len(first.inputs[0]) == 64 * 512 * 4
    assert oracle.bank.read(first.inputs[0].ref, 16) == first.inputs[0].beginning(1 << 20)[:16]


def test_whoever_runs_on_a_device_may_not_have_more_of_it_than_its_pool(judge, load):
    """Pools are made when a worker is given its memory, and given back with it."""
    bank = judge._crews.now().on_device.bank
    before = len(bank._regions)
    contender = load(candidate(HONEST))
    assert len(bank._regions) == before + 2  # a pool, and inputs of its own
    contender.close()
    assert len(bank._regions) == before


def test_a_problem_too_large_for_the_device_is_refused(enclosed, tmp_path):
    from tools.errors import RequestError

    device = host_device(48 << 20, name="test-small-device")
    large = problem(source=PROBLEM.replace("ROWS, 512", "8192, 512"))
    with (
        closing(SandboxedJudge(large, enclosed, SETTINGS, tmp_path, device=device)) as judge,
        pytest.raises(RequestError, match="make its inputs smaller"),
    ):
        judge.describe()


def test_a_judge_that_is_prepared_does_not_hold_the_device_yet(enclosed, tmp_path):
    """Its processes start while another judge still measures there; only a description waits for that one."""
    device = host_device(name="test-prepared")
    with closing(SandboxedJudge(problem(), enclosed, SETTINGS, tmp_path, device=device)) as judge:
        other = Lease(device)
        other.take()
        judge.prepare()
        judge.prepare()
        other.give_back()
        assert judge.describe().cases


def test_a_baseline_is_called_like_a_candidate(judge):
    crew = judge._crews.now()
    assert list(crew.recipes) == [EAGER]
    crew.baselines()
    understudy = crew.understudy(EAGER)
    try:
        form = crew.draw("default", 1)[0]
        call = understudy.run([form])
        # A window ends when its outputs are seen; what stopping takes comes later, however many threads there are.
        assert call.looking_s == 0
        crew.examiner().require(understudy.outputs(form), form)
    finally:
        understudy.close()


def test_a_fault_that_ends_everything_is_no_refusal():
    """Of a GPU: the error is told by every later call too."""
    refusals = []
    with tolerating("rows of zeros", lambda: refusals.append("no"), lambda: True):
        raise Rejected("runtime_error", "I do not take these")
    assert refusals == ["no"]
    with (
        pytest.raises(Rejected, match="with rows of zeros: an error of the device") as caught,
        tolerating("rows of zeros", lambda: refusals.append("no"), lambda: False),
    ):
        raise Rejected("runtime_error", "misaligned address")
    assert caught.value.reason == "device_fault"
    assert refusals == ["no"]


def test_whoever_does_not_answer_any_more_is_not_alive(judge, load):
    contender = load(candidate(HONEST))
    assert is_alive(contender)
    contender.close()
    assert not is_alive(contender)
