"""Answers that are wrong, stale, shared or spoilt, in one worker that is replaced only when an attack kills it."""

from contextlib import closing

import pytest

from tests.tools.judged import candidate, problem
from tools.checking import check_contender
from tools.compiling import Room
from tools.contender import Contender, Rejected, reject
from tools.judging import SandboxedJudge
from tools.problem import JudgeSettings
from tools.trial import unseen_shapes

pytestmark = pytest.mark.torch

HONEST = "return torch.softmax(x * self.weight, dim=-1)"
SETTINGS = JudgeSettings(stage_timeout_s=30, memory_bytes=1500 << 20)


class Bench:
    """Loads one candidate after the other into the same worker."""

    def __init__(self, judge: SandboxedJudge) -> None:
        self.judge = judge
        judge.describe()
        self.crew = judge._crew()
        self.sets = self.crew.draw("default", 3)
        self.room = Room(judge._launcher, judge._folder)
        self.worker = None

    def load(self, what) -> Contender:
        if self.worker is None or not self.worker.alive:
            self.worker = self.room.start(building=False)
        self.room.write(what.source)
        contender = Contender("candidate", self.worker, reject)
        contender.load(self.room.path, self.crew.constructor())
        return contender

    def check(self, what) -> None:
        check_contender(self.load(what), self.sets, self.crew.examiner(), may_mutate=False)

    def close(self) -> None:
        if self.worker is not None:
            self.worker.close()
        self.room.remove()


@pytest.fixture(scope="module")
def bench(enclosed, tmp_path_factory):
    with closing(SandboxedJudge(problem(), enclosed, SETTINGS, tmp_path_factory.mktemp("judge"))) as judge:
        bench = Bench(judge)
        yield bench
        bench.close()


def refused(bench: Bench, what, *reasons: str) -> Rejected:
    with pytest.raises(Rejected) as caught:
        bench.check(what)
    assert caught.value.reason in reasons, (caught.value.reason, caught.value.detail, caught.value.log)
    assert "\n" not in caught.value.detail
    return caught.value


@pytest.mark.parametrize(
    "forward",
    [
        HONEST,
        "z = x * self.weight\ne = torch.exp(z - z.amax(-1, keepdim=True))\nreturn e / e.flip(-1).sum(-1, keepdim=True)",
        "return torch.softmax(x.double() * self.weight.double(), dim=-1).float()",
        "return torch.softmax(x.t().contiguous().t() * self.weight, dim=-1)",
    ],
    ids=["same", "order", "double", "strides"],
)
def test_honest_answers_pass(bench, forward):
    bench.check(candidate(forward))


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        ("return torch.softmax(x, dim=-1)", "wrong_output"),
        ("return torch.zeros_like(x)", "wrong_output"),
        ("y = torch.softmax(x * self.weight, dim=-1)\ny[-1] = 0\nreturn y", "wrong_output"),
        ("return torch.softmax(x * self.weight, dim=-1) * float('nan')", "wrong_output.nonfinite"),
        ("return torch.softmax(x.bfloat16() * self.weight.bfloat16(), dim=-1).float()", "wrong_output"),
        ("return torch.softmax(x.half() * self.weight.half(), dim=-1).float()", "wrong_output"),
        ("return torch.softmax(x.mul_(self.weight), dim=-1)", "input_mutation"),
        ("raise ValueError('two\\nlines')", "runtime_error"),
        ("return torch.softmax(x * self.weight, dim=-1).as_subclass(Odd)", "wrong_output.type"),
        ("return 'text'", "wrong_output.type"),
        ("return torch.softmax(x * self.weight, dim=-1)[:1]", "wrong_output.shape"),
        ("return torch.softmax(x * self.weight, dim=-1).double()", "wrong_output.dtype"),
        ("return [torch.softmax(x * self.weight, dim=-1)]", "wrong_output.structure"),
        ("return None", "wrong_output.structure"),
    ],
)
def test_wrong_answers_are_refused(bench, forward, reason):
    refused(bench, candidate(forward, before="class Odd(torch.Tensor): pass"), reason)


def test_a_static_output_buffer_is_refused(bench):
    forward = "self.out.copy_(torch.softmax(x * self.weight, dim=-1))\nreturn self.out"
    refused(bench, candidate(forward, construct="self.out = torch.empty(64, 512)"), "aliased_output")


@pytest.mark.parametrize("key", ["x.data_ptr()", "x.shape", "(x.data_ptr(), x._version)", "id(self)"])
def test_remembered_answers_are_refused(bench, key):
    forward = f"""
    if {key} not in self.known:
        self.known[{key}] = torch.softmax(x * self.weight, dim=-1)
    return self.known[{key}].clone()
    """
    refused(bench, candidate(forward, construct="self.known = {}"), "cheat.output_reuse")


def test_the_parameters_are_the_references_whatever_the_constructor_drew(bench):
    bench.check(candidate(HONEST, construct="torch.manual_seed(99)\nself.weight.data.normal_()"))


def test_a_file_without_the_class_is_refused(bench):
    refused(bench, candidate(HONEST).model_copy(update={"source": "import torch"}), "no_model_new")


@pytest.mark.parametrize(
    ("forward", "reasons"),
    [
        ("import os\nos._exit(0)", ("crash",)),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", ("crash",)),
        ("hoard = [torch.ones(1 << 26) for _ in range(64)]\nreturn hoard[0]", ("out_of_memory", "crash")),
        (
            "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'KWREC001' + bytes(4096))\n"
            "    except OSError: pass\n" + HONEST,
            ("cheat.forged_record",),
        ),
    ],
    ids=["exit", "segv", "hoard", "forged"],
)
def test_the_death_or_the_lies_of_a_worker_are_the_candidates(bench, forward, reasons):
    refused(bench, candidate(forward), *reasons)


def test_a_record_forged_to_the_letter_still_has_to_carry_the_right_answer(bench):
    attack = """
    import sys
    wire = sys.modules["tools.harness.wire"]
    main = sys.modules["__main__"]
    y = torch.zeros(64, 512)
    def go(self, body):
        self.subject._arena.publish([y] * len(self.subject._ready))
        return wire.Record(self.seq, 0, elapsed_ns=100_000), []
    def form(self, body):
        leaves = (wire.Leaf("float32", (64, 512)),)
        return wire.Record(self.seq, 0, structure=wire.structure_digest("T"), leaves=leaves), []
    main.Harness.do_go, main.Harness.do_form = go, form
    """
    try:
        refused(bench, candidate(HONEST, before=attack), "wrong_output")
    finally:
        bench.worker.close()


def test_a_loop_without_end_is_ended(bench):
    bench.load(candidate(HONEST))
    bench.worker._timeout_s = 1.0
    refused(bench, candidate("while True: pass"), "timeout")
    assert not bench.worker.alive


def test_prints_do_not_disturb_the_answer(bench):
    noisy = "import os\nfor _ in range(2000): print('x' * 1000)\nos.write(1, b'y' * 9000)\n" + HONEST
    bench.check(candidate(noisy))


def test_other_shapes_are_answered_refused_or_wrong(bench):
    def other(forward: str) -> bool | None:
        return unseen_shapes(bench.crew, bench.load(candidate(forward)), lambda text: None)

    assert other(HONEST) is False
    assert other("assert len(x) == 64\n" + HONEST) is True
    with pytest.raises(Rejected) as caught:
        other("y = torch.softmax(x * self.weight, dim=-1)\nreturn y if len(x) == 64 else y * 1.01")
    assert caught.value.reason == "wrong_output.unseen_shape"
