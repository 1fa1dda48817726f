"""Answers that are wrong, stale, shared or spoilt, in one worker that is replaced only when an attack kills it."""

import struct
from contextlib import closing

import pytest

from tests.tools.judged import candidate, problem
from tools.checking import check_contender
from tools.contender import Contender, Rejected, reject
from tools.dresses import CONFIRM_DRESSES, DRESSES
from tools.inputs import Manners
from tools.judging import SandboxedJudge
from tools.problem import JudgeSettings
from tools.rooms import Room
from tools.trial import Trial, unseen_shapes

pytestmark = pytest.mark.torch

HONEST = "return torch.softmax(x * self.weight, dim=-1)"
SETTINGS = JudgeSettings(stage_timeout_s=30, memory_bytes=1500 << 20)


class Bench:
    """Loads one candidate after the other into the same worker."""

    def __init__(self, judge: SandboxedJudge) -> None:
        self.judge = judge
        judge.describe()
        self.crew = judge._crews.now()
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
        check_contender(self.load(what), self.sets, self.crew.examiner(), Manners())

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


IDENTITY = """
import torch

class Model(torch.nn.Module):
    def __init__(self, width):
        super().__init__()

    def forward(self, x):
        return HOW

def get_inputs():
    return [torch.randn(64, 512)]

def get_init_inputs():
    return [512]
"""


@pytest.mark.parametrize(
    ("how", "passes"), [("x[:32].clone()", False), pytest.param("x[:32]", True, marks=pytest.mark.slow)]
)
def test_a_view_of_the_input_passes_only_for_a_view(tmp_path, enclosed, how, passes):
    source = IDENTITY.replace("HOW", how)
    settings = SETTINGS.model_copy(update={"admission": False})
    with closing(SandboxedJudge(problem(source=source), enclosed, settings, tmp_path)) as judge:
        found = judge.check(candidate("return x[:32]"))
        assert found.passed is passes
        assert passes or found.reason == "aliased_output"
        assert judge.check(candidate("return x[:32].clone()")).passed


def test_what_is_a_view_only_for_some_strides_passes_for_those(tmp_path, enclosed):
    how = "x.transpose(0, 1).contiguous()"
    settings = SETTINGS.model_copy(update={"admission": False})
    source = IDENTITY.replace("HOW", how)
    with closing(SandboxedJudge(problem(source=source), enclosed, settings, tmp_path)) as judge:
        assert judge.check(candidate(f"return {how}")).passed


@pytest.mark.parametrize("length", [3, 20])
def test_a_ring_of_output_buffers_is_refused(bench, length):
    forward = f"""
    self.turn = (self.turn + 1) % {length}
    self.ring[self.turn].copy_(torch.softmax(x * self.weight, dim=-1))
    return self.ring[self.turn]
    """
    construct = f"self.ring = [torch.empty(64, 512) for _ in range({length})]\nself.turn = 0"
    refused(bench, candidate(forward, construct=construct), "aliased_output")


def test_an_answer_that_is_now_and_then_wrong_is_refused(bench):
    forward = (
        "import random\ny = torch.softmax(x * self.weight, dim=-1)\nreturn y if random.random() > 0.2 else y * 1.1"
    )
    refused(bench, candidate(forward), "wrong_output", "wrong_output.unstable")


def test_what_relies_on_fresh_memory_being_zero_is_refused(bench):
    forward = """
    y = torch.empty(64, 512)
    y += torch.softmax(x * self.weight, dim=-1)
    return y
    """
    refused(bench, candidate(forward), "wrong_output", "wrong_output.nonfinite", "uninitialised_output")


@pytest.mark.parametrize("place", ["y.data_ptr() - 4", "y.data_ptr() + y.numel() * 4"])
def test_writing_beside_a_new_tensor_is_refused(bench, place):
    forward = f"""
    import ctypes
    y = torch.empty_like(x)
    y.copy_(torch.softmax(x * self.weight, dim=-1))
    if y.storage_offset():  # where nothing guards it, it would only spoil the heap
        ctypes.memset({place}, 1, 4)
    return y
    """
    refused(bench, candidate(forward), "out_of_bounds")


def test_writing_beside_an_input_is_refused(bench):
    forward = "import ctypes\nctypes.memset(x.data_ptr() + x.numel() * 4, 1, 4)\n" + HONEST
    refused(bench, candidate(forward), "out_of_bounds")


def tried(bench, forward: str, *dresses: str) -> Trial:
    trial = Trial(bench.crew, bench.load(candidate(forward)), 2, 0, 0.0, 0, lambda text: None, 1 << 30, dresses)
    trial.check("default", bench.sets)
    return trial


STRIDES_ARE_IGNORED = """
y = x.as_strided(x.shape, (512, 1))
return torch.softmax(y * self.weight, dim=-1)
"""
SORTED_IS_DOUBLED = """
y = torch.softmax(x * self.weight, dim=-1)
return y * 2 if bool((x.diff(dim=-1) >= 0).all()) else y
"""


@pytest.mark.parametrize(
    ("forward", "dress", "reason", "words"),
    [
        ("return torch.softmax(x.nan_to_num(0, 0, 0) * self.weight, dim=-1)", "nonfinite", "wrong_output", "NaN"),
        ("e = torch.exp(x * self.weight)\nreturn e / e.sum(-1, keepdim=True)", "mixed", "wrong_output", "large, tiny"),
        (STRIDES_ARE_IGNORED, "strided", "wrong_output", "contiguous"),
        (SORTED_IS_DOUBLED, "sorted", "wrong_output", "sorted"),
    ],
)
def test_unusual_inputs_are_answered_rightly_too(bench, forward, dress, reason, words):
    with pytest.raises(Rejected) as caught:
        tried(bench, forward, dress)
    assert caught.value.reason.startswith(reason), caught.value.detail
    assert words in caught.value.detail


def test_an_error_instead_of_an_answer_makes_it_specialised(bench):
    assert tried(bench, HONEST, *DRESSES, *CONFIRM_DRESSES).refused is False
    assert tried(bench, "assert x.is_contiguous()\n" + HONEST, "strided").refused is True
    assert tried(bench, "assert x.data_ptr() % 64 == 0\n" + HONEST, "mixed").refused is True


def test_an_error_at_the_end_of_readable_memory_makes_it_specialised_too(bench, monkeypatch):
    def refuse(*_):
        raise Rejected("runtime_error", "misaligned")

    monkeypatch.setattr(Trial, "_fenced", refuse)
    assert tried(bench, HONEST, "mixed").refused is True


def test_reading_beyond_an_input_is_refused(bench):
    forward = "import ctypes\nctypes.string_at(x.data_ptr(), x.numel() * 4 + 100)\n" + HONEST
    with pytest.raises(Rejected) as caught:
        tried(bench, forward, "mixed")
    assert caught.value.reason == "out_of_bounds"


PRODUCT = """
import torch
class Model(torch.nn.Module):
    def forward(self, a, b):
        return a @ b
def get_inputs():
    return [torch.randn(64, 64), torch.randn(64, 64)]
"""


def test_exact_sums_have_to_be_exact(tmp_path, enclosed):
    with closing(SandboxedJudge(problem(source=PRODUCT), enclosed, SETTINGS, tmp_path)) as judge:
        judge.describe()
        crew = judge._crews.now()
        exact = crew.oracle.make("default", dress="integers")
        right = [bytearray(item.eager) for item in exact.expected]
        assert crew.examiner().examine(right, exact) is None
        right[0][0] ^= 1  # one unit in the last place of one element
        assert crew.examiner().examine(right, exact) is None
        (first,) = struct.unpack_from("f", right[0])
        struct.pack_into("f", right[0], 0, first + 1e-6 * max(struct.unpack(f"{len(right[0]) // 4}f", right[0])))
        found = crew.examiner().examine(right, exact)
        assert found is not None
        assert found.reason == "wrong_output.inexact"


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
    bench.worker.timeout_s = 1.0
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
    assert other("import os\nif len(x) == 0: os.abort()\n" + HONEST) is True
    with pytest.raises(Rejected, match="with 33 rows: it was killed"):
        other("import os\nif len(x) == 33: os.abort()\n" + HONEST)
    with pytest.raises(Rejected, match="with 0 rows"):
        other("if len(x) == 0: return x.new_zeros(1, 512)\n" + HONEST)
    with pytest.raises(Rejected) as caught:
        other("y = torch.softmax(x * self.weight, dim=-1)\nreturn y if len(x) == 64 else y * 1.01")
    assert caught.value.reason == "wrong_output.unseen_shape"
