"""Where a device's memory is short: what is kept gives way, and nothing takes more of it at a time than it has to."""

import weakref
from functools import partial

import pytest

torch = pytest.importorskip("torch")

from tools.device.oracle import Need  # noqa: E402
from tools.harness import device_memory, values  # noqa: E402 - needs torch
from tools.harness.device_memory import CudaMemory, HostMemory  # noqa: E402
from tools.harness.faults import Fault, blamed_on  # noqa: E402
from tools.harness.guards import Guards  # noqa: E402
from tools.harness.reference import Reference  # noqa: E402
from tools.harness.values import distance  # noqa: E402
from tools.harness.verifier import Verifier  # noqa: E402

pytestmark = pytest.mark.torch


def full(*_):
    raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.fixture
def verifier():
    return Verifier(Reference(), HostMemory(), 1 << 20)


def test_what_can_be_made_again_is_given_up_for_a_second_try(verifier):
    kept = []

    def once(body):
        kept.append(len(verifier._shelf._made))
        return full() if len(kept) == 1 else {"answer": body["number"]}

    verifier._shelf.put("something", (b"", [torch.zeros(16)]))
    verifier._operations["memory_of_a_call"] = once
    assert verifier.answer("memory_of_a_call", {"number": 7})[0] == b'{"answer": 7}'
    assert kept == [1, 0]


def test_there_is_no_third_try_and_none_while_somebody_looks(verifier):
    calls = []
    verifier._operations |= {"memory_of_a_call": lambda body: calls.append("memory_of_a_call") or full(), "arm": full}
    with pytest.raises(torch.OutOfMemoryError):
        verifier.answer("memory_of_a_call", {})
    assert calls == ["memory_of_a_call", "memory_of_a_call"]
    verifier._shelf.put("something", (b"", [torch.zeros(16)]))
    with pytest.raises(torch.OutOfMemoryError):
        verifier.answer("arm", {})
    assert len(verifier._shelf._made) == 1


def test_an_oracle_is_not_given_up_for_want_of_memory(tmp_path):
    source = "import torch\nclass Model(torch.nn.Module):\n    def forward(self, x):\n        return x + 1\n"
    path = tmp_path / "problem.py"
    path.write_text(f"{source}\ndef get_inputs():\n    return [torch.rand(4)]\n")
    reference = Reference()
    reference.open(str(path), "problem", 0)
    reference._precise.forward = full
    with pytest.raises(torch.OutOfMemoryError):
        reference.run_precise([torch.rand(4)])
    with pytest.raises(torch.OutOfMemoryError), blamed_on("forward()"):
        full()
    with pytest.raises(Fault), blamed_on("forward()"):
        raise MemoryError


@pytest.mark.parametrize("stretch", [1, 7, 64, 1000])
def test_a_distance_is_the_same_by_stretches(monkeypatch, stretch):
    monkeypatch.setattr(values, "DEVICE_CHUNK", stretch)
    lot = torch.Generator().manual_seed(0)
    a = torch.randn(8, 8, dtype=torch.float64, generator=lot)
    b = a + torch.randn(8, 8, dtype=torch.float64, generator=lot) / 100
    a[0, 0], b[3, 3] = torch.nan, torch.inf
    fine = torch.isfinite(a) & torch.isfinite(b)
    gap, base = (b - a)[fine], a[fine]
    expected = [gap.abs().max(), gap.norm(), base.abs().max(), base.norm()]
    assert distance(a, b) == pytest.approx([float(item) for item in expected], rel=1e-12)
    assert distance(a.t(), b.t()) == pytest.approx([float(item) for item in expected], rel=1e-12)


def test_a_distance_of_nothing_is_nothing():
    empty, nan = torch.zeros(0), torch.full((3,), torch.nan)
    assert distance(empty, empty) == distance(nan, nan) == [0.0, 0.0, 0.0, 0.0]


def test_a_guarded_tensor_does_not_need_room_for_two():
    """The tensor that the guarded one stands for is gone before that is made."""
    asked, alive = [], []

    def ask():
        tensor = torch.zeros(1024)
        asked.append(weakref.ref(tensor))
        return tensor

    def make(*size, **options):
        alive.extend(one() for one in asked)
        return torch.zeros(*size, **options)

    found = Guards(7, torch.device("cpu"))._guarded(ask, make)
    assert (found.shape, alive) == ((1024,), [None])


def test_inputs_whose_answers_were_given_up_are_drawn_alone(verifier, tmp_path):
    source = "import torch\nclass Model(torch.nn.Module):\n    def forward(self, x):\n        return x + 1\n"
    path = tmp_path / "problem.py"
    path.write_text(f"{source}\ndef get_inputs():\n    return [torch.rand(4, 8)]\n")
    verifier.reference.open(str(path), "problem", 0)
    key = ["default", 5, None, None]
    verifier.answer("make", dict(zip(("case", "seed", "rows", "dress"), key, strict=True)))
    given, eager = (verifier._tensor(["made", *key, index]).clone() for index in (0, 1))
    verifier.answer("forget", {})
    answered, make = [], verifier.reference.make
    verifier.reference.make = lambda *about: answered.append(about) or make(*about)
    assert torch.equal(verifier._tensor(["made", *key, 0]), given)
    assert not answered
    assert torch.equal(verifier._tensor(["made", *key, 1]), eager)
    assert len(answered) == 1
    assert list(verifier._shelf._made) == [("made", *key)]
    moved = ["default", 5, None, "mixed"]
    verifier._tensor(["made", *moved, 0])
    assert len(answered) == 2


def test_what_cannot_be_recorded_for_want_of_memory_is_recorded_once_all_that_is_kept_was_given_back(monkeypatch):
    memory, said = CudaMemory(), []
    memory._side = ("stream", "pool")
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: said.append("settled"))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: said.append("given back"))

    def captured(run, stream, pool, *, fails):
        said.append("captured")
        if said.count("captured") <= fails:
            full()
        return run, []

    monkeypatch.setattr(device_memory, "_captured", partial(captured, fails=1))
    assert memory.recorded(said.clear) is not None
    assert said == ["captured", "settled", "given back", "captured"]
    said.clear()
    monkeypatch.setattr(device_memory, "_captured", partial(captured, fails=9))
    assert memory.recorded(said.clear) is None
    assert said.count("captured") == 2


@pytest.mark.parametrize(
    ("forward", "held"),
    [
        (
            "return torch.nn.functional.mse_loss(x, x + 1)",
            4 * 8 * 64,
        ),  # torch leaves its mean in the memory of the squares
        ("return x.sum()", 4),
        ("y = x + 1; return y, y[0], y.sum()", 4 * 8 * 64 + 4),
        ("return x[0], x * 2", 4 * 8 * 64),
    ],
)
def test_a_call_is_given_the_memory_that_its_answer_holds(tmp_path, forward, held):
    path = tmp_path / "problem.py"
    path.write_text(
        f"import torch\nclass Model(torch.nn.Module):\n    def forward(self, x):\n        {forward}\n"
        "def get_inputs():\n    return [torch.rand(8, 64)]\n"
    )
    reference = Reference()
    reference.open(str(path), "problem", 0)
    verifier = Verifier(reference, HostMemory(), 1 << 20)
    assert verifier._memory_of_a_call({"case": "default", "seed": 1}) == {"peak": 0, "held": held}
    need = Need(given=0, answered=4, held=held, peak=held, tensors=1)
    assert need.pool(100) - need.pool(1) >= 99 * held
