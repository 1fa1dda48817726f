"""Integers behind rounded numbers: where rounding decides, another order may decide otherwise; nowhere else."""

import pytest

torch = pytest.importorskip("torch")

from tests.tools.referenced import Referee, tensors  # noqa: E402 - needs torch
from tools.examining import Examiner, History  # noqa: E402
from tools.harness.licence import Licence, measure  # noqa: E402
from tools.harness.tensors import raw_bytes  # noqa: E402
from tools.harness.wavering import ROUNDINGS  # noqa: E402
from tools.harness.wire import STEPS  # noqa: E402
from tools.harness.yardstick import NO_RESPONSE  # noqa: E402

pytestmark = pytest.mark.torch

SEEDS = range(4)
ROUNDED = "return (x.sum(-1) * 1000).round().to(torch.int32)"
ROWS = "torch.randn(4096, 256)"


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # what is computed here is small
    yield
    torch.set_num_threads(before)


def lanes(x):
    """The sum of a row as 16 running ones."""
    total = torch.zeros(x.shape[0], 16)
    for part in x.split(16, dim=-1):
        total = total + part
    return total.sum(-1)


def rounded(total):
    return (total * 1000).round().to(torch.int32)


def judged(referee, forward, seeds=SEEDS):
    return [referee.judge(referee.make(seed), forward) for seed in seeds]


def test_another_order_may_round_to_another_integer(tmp_path):
    referee = Referee(tmp_path, "x", ROUNDED, ROWS)
    sets = [referee.make(seed) for seed in SEEDS]
    differs = [(rounded(lanes(x)) != referee.model(x)).any() for x in (tensors(inputs)[0] for inputs in sets)]
    assert any(differs)
    assert judged(referee, lambda x: rounded(lanes(x))) == [None] * len(SEEDS)


def test_nothing_is_asked_where_nothing_differs(tmp_path):
    referee = Referee(tmp_path, "x", ROUNDED, ROWS)
    assert judged(referee, referee.model) == [None] * len(SEEDS)
    assert "waver" not in referee.worker.asked


@pytest.mark.parametrize(
    "forward",
    [
        lambda x: rounded(x.bfloat16().float().sum(-1)),
        lambda x: rounded(((x.view(torch.int32) + (1 << 12)) & -(1 << 13)).view(torch.float32).sum(-1)),
        lambda x: rounded(lanes(x)) + 1,
        lambda x: (lanes(x) * 1000).to(torch.int32),
        lambda x: rounded(lanes(x)).index_fill(0, torch.tensor([77]), 5),
    ],
    ids=["bf16", "tf32", "off by one", "truncated", "one element"],
)
def test_wrong_integers_are_refused(tmp_path, forward):
    found = judged(Referee(tmp_path, "x", ROUNDED, ROWS), forward)
    assert all(item is not None and "elements differ" in item.detail for item in found)


def test_the_largest_of_sums_may_be_another_where_they_nearly_tie(tmp_path):
    body = "return torch.stack([x.sum(-1), y.sum(-1)]).argmax(0)"
    # The same numbers the other way round, but for one that is larger or smaller, by very little in half of the rows.
    apart = "torch.randn(512, 1).sign() * torch.tensor([3e-6, 0.1]).repeat(256)[:, None]"
    other_way = f"x.flip(-1) + torch.eye(256)[0] * {apart}"
    inputs = f"*(lambda x: (x, {other_way}))(torch.rand(512, 256))"
    referee = Referee(tmp_path, "x, y", body, inputs)

    def other(x, y):
        return torch.stack([lanes(x), lanes(y)]).argmax(0)

    sets = [referee.make(seed) for seed in SEEDS]
    assert all((other(*tensors(inputs)) != referee.model(*tensors(inputs))).any() for inputs in sets)
    assert judged(referee, other) == [None] * len(SEEDS)
    assert None not in judged(referee, lambda x, y: torch.stack([x[:, 1:].sum(-1), y[:, 1:].sum(-1)]).argmax(0))


def away(x):
    """Halves away from zero."""
    return torch.trunc(x + 0.5 * x.sign())


@pytest.mark.parametrize(
    ("body", "inputs", "forward"),
    [
        ("return x.round().to(torch.int32)", "torch.randint(-20, 20, (4096,)) / 2", lambda x: away(x).to(torch.int32)),
        ("return x > 1", "torch.randint(-20, 20, (4096,)) / 2", lambda x: x >= 1),
        (
            "return torch.bucketize(x, torch.arange(-9.0, 9.0))",
            "torch.randint(-20, 20, (4096,)) / 2",
            lambda x: torch.bucketize(x, torch.arange(-9.0, 9.0), right=True),
        ),
        ("return x.argmax(-1)", "torch.randint(-3, 4, (64, 32)).float()", lambda x: 31 - x.flip(-1).argmax(-1)),
    ],
    ids=["halves", "greater", "bucketize", "argmax"],
)
def test_exact_ties_are_decided_by_no_rounding(tmp_path, body, inputs, forward):
    referee = Referee(tmp_path, "x", body, inputs)
    assert judged(referee, referee.model) == [None] * len(SEEDS)
    assert None not in judged(referee, forward)


def test_inputs_of_16_bits_excuse_nothing_where_eager_widens_them(tmp_path):
    referee = Referee(
        tmp_path, "x", "return (x.float() * 3.3).round().to(torch.int32)", "(torch.randn(4096) * 3).bfloat16()"
    )
    assert judged(referee, lambda x: (3.3 * x.double()).round().to(torch.int32)) == [None] * len(SEEDS)
    assert None not in judged(referee, lambda x: (x * 3.3).float().round().to(torch.int32))


def test_where_eager_rounds_to_16_bits_so_may_others(tmp_path):
    body, inputs = "return (x * w).float().sum(-1).round().to(torch.int32)", "torch.randn(4096, 256).bfloat16()"
    referee = Referee(tmp_path, "x, w", body, f"{inputs}, {inputs}")
    assert judged(referee, lambda x, w: (x.float() * w.float()).sum(-1).round().to(torch.int32)) == [None] * len(SEEDS)


QUANTISED = "return (x.float() / (x.float().abs().amax(-1, keepdim=True) / 127)).round().to(torch.int8)"
BYTES = "torch.randn(256, 1024).bfloat16()"


def bytes_by_reciprocal(x):
    wide = x.float()
    return (wide * (1 / (wide.abs().amax(-1, keepdim=True) / 127))).round().to(torch.int8)


def test_as_many_integers_as_eager_rounds_may_be_one_off_and_nobody_is_asked(tmp_path):
    referee = Referee(tmp_path, "x", QUANTISED, BYTES)
    sets = [referee.make(seed) for seed in SEEDS]
    assert all((bytes_by_reciprocal(*tensors(inputs)) != referee.model(*tensors(inputs))).any() for inputs in sets)
    assert judged(referee, bytes_by_reciprocal) == [None] * len(SEEDS)
    assert "waver" not in referee.worker.asked


@pytest.mark.parametrize(
    "spoil",
    [
        lambda y: y[5, 0].sub_(2 * y[5, 0].sign()),  # two off
        lambda y: y[:, :4].sub_(y[:, :4].sign()),  # one off, in more places than rounding explains
    ],
    ids=["two off", "many"],
)
def test_what_is_further_off_or_in_more_places_is_looked_into_and_refused(tmp_path, spoil):
    referee = Referee(tmp_path, "x", QUANTISED, BYTES)

    def wrong(x):
        y = referee.model(x)
        spoil(y)
        return y

    assert None not in judged(referee, wrong)
    assert "waver" in referee.worker.asked


def test_where_eager_rounds_nothing_one_off_is_wrong(tmp_path):
    referee = Referee(tmp_path, "x", "return (x * 4).round().to(torch.int32)", "torch.randn(1 << 16)")

    def wrong(x):
        y = referee.model(x)
        y[7] += 1
        return y

    assert None not in judged(referee, wrong)


def test_what_was_excused_is_counted(tmp_path):
    referee = Referee(tmp_path, "x", ROUNDED, ROWS)

    def wrong(x):
        y = rounded(lanes(x))
        y[5] += 1000
        return y

    details = [item.detail for item in judged(referee, wrong)]
    assert all(detail.startswith("1 of 4096 elements differ") for detail in details)
    assert any("more where rounding decides" in detail for detail in details)


GRID = "return torch.clamp(torch.round(x / 0.03), -128, 127) * 0.03"
MANY = "torch.randn(512, 1024)"


def by_reciprocal(x):
    return torch.clamp(torch.round(x * (1 / 0.03)), -128, 127) * 0.03


def of_one_set(referee):
    """An examiner that has seen no jump of the reference on another set."""
    return Examiner(Licence(), lambda inputs: (NO_RESPONSE,), History(), referee.oracle.wavering)


def test_a_number_rounded_to_a_grid_may_be_rounded_to_the_next_point_of_it(tmp_path):
    referee = Referee(tmp_path, "x", GRID, MANY)
    met = 0
    for seed in range(30):
        inputs = referee.make(seed)
        eager, other = referee.model(*tensors(inputs)), by_reciprocal(*tensors(inputs))
        gap = float((other - eager).abs().max())
        if measure(inputs.expected[0]).worst < 1e-3 < gap:
            met += 1
            raw = [bytearray(raw_bytes(other))]
            assert of_one_set(referee).examine(raw, inputs) is None
            blind = Examiner(Licence(), lambda inputs: (NO_RESPONSE,), History())
            assert blind.examine(raw, inputs) is not None  # which is why
            other[3, 5] += 0.03
            assert of_one_set(referee).examine([bytearray(raw_bytes(other))], inputs) is not None
    assert met > 2


@pytest.mark.parametrize(
    "forward",
    [
        lambda x: torch.clamp(torch.floor(x / 0.03 + 0.49), -128, 127) * 0.03,
        lambda x: torch.clamp(torch.round(x.half().float() / 0.03), -128, 127) * 0.03,
        lambda x: by_reciprocal(x).index_fill(0, torch.tensor([77]), 0.03),
    ],
    ids=["boundary moved", "half", "one row"],
)
def test_other_points_of_the_grid_are_refused(tmp_path, forward):
    assert None not in judged(Referee(tmp_path, "x", GRID, MANY), forward)


def test_what_is_smooth_is_given_nothing_by_this(tmp_path):
    referee = Referee(tmp_path, "x", "return torch.softmax(x, -1)", ROWS)
    inputs = referee.make(1)

    def moved(x):
        found = torch.softmax(x, -1)
        found[7, found[7].argmax()] *= 1 + 1e-4
        return found

    assert referee.judge(inputs, lambda x: torch.softmax(x, -1)) is None
    assert referee.judge(inputs, moved) is not None


ROWS_QUANTISED = (
    "scale = x.float().abs().amax(-1, keepdim=True) / 127; return torch.round(x.float() / scale).to(torch.int8)"
)
HALVES = "torch.randn(96, 2048).bfloat16()"
FEW = range(2)
"""Sets are many numbers, and each is asked for many times."""


def in_rows(x, divide=lambda x, largest: x * (127 / largest), nearest=torch.round):
    return nearest(divide(x.float(), x.float().abs().amax(-1, keepdim=True))).to(torch.int8)


@pytest.mark.parametrize(
    "divide",
    [lambda x, largest: x * (127 / largest), lambda x, largest: x * (1 / (largest / 127))],
    ids=["times a quotient", "times a reciprocal"],
)
def test_a_quotient_that_comes_to_a_half_may_be_rounded_either_way(tmp_path, divide):
    """Of 16-bit numbers many do: their float64 quotient is a half or next to it, and any other formula's is too."""
    referee = Referee(tmp_path, "x", ROWS_QUANTISED, HALVES)
    sets = [tensors(referee.make(seed))[0] for seed in FEW]
    assert all((in_rows(x, divide) != referee.model(x)).any() for x in sets)
    assert judged(referee, lambda x: in_rows(x, divide), FEW) == [None] * len(FEW)


def test_among_numbers_that_are_not_finite_too(tmp_path):
    referee = Referee(tmp_path, "x", ROWS_QUANTISED.replace("x.", "x.nan_to_num(0, 9, -9)."), HALVES)

    def other(x):
        return in_rows(x.nan_to_num(0, 9, -9), lambda x, largest: x * (127 / largest))

    sets = [referee.make(seed, "nonfinite") for seed in FEW]
    assert any((other(*tensors(inputs)) != referee.model(*tensors(inputs))).any() for inputs in sets)
    assert [referee.judge(inputs, other) for inputs in sets] == [None] * len(FEW)


def test_steps_are_as_many_as_are_asked_for():
    assert len(ROUNDINGS) + 1 == STEPS


@pytest.mark.parametrize(
    "forward",
    [
        lambda x: in_rows(x).index_fill(1, torch.tensor([77]), 5),
        lambda x: in_rows(x, nearest=torch.trunc),
        lambda x: in_rows(x, nearest=lambda value: torch.floor(value + 0.501)),
        lambda x: in_rows(x, lambda x, largest: x * (127 / largest).bfloat16().float()),
    ],
    ids=["one column", "truncated", "boundary moved", "bfloat16"],
)
def test_other_bytes_are_refused(tmp_path, forward):
    assert None not in judged(Referee(tmp_path, "x", ROWS_QUANTISED, HALVES), forward, FEW)


def test_a_timed_call_may_differ_by_what_the_check_excused(tmp_path):
    """To ask the oracle of every call takes seconds each; as many as were excused, and few, need not."""
    referee = Referee(tmp_path, "x", ROWS_QUANTISED, HALVES)
    form, timed = referee.make(0), referee.make(1)
    (x,) = tensors(timed)
    eager = [bytearray(raw_bytes(referee.model(x)))]

    def other(x):
        return in_rows(x, lambda x, largest: x * (127 / largest))

    mine = [bytearray(raw_bytes(other(x)))]
    assert not referee.examiner.resembles(mine, eager, form)
    assert referee.judge(form, other) is None
    assert referee.examiner.resembles(mine, eager, form)
    (most,) = referee.examiner.excused(form)
    assert 0 < most <= 1e-3 * x.numel()
    asked = referee.worker.asked.count("waver")
    assert referee.judge(timed, other) is None
    assert referee.worker.asked.count("waver") == asked
    assert referee.examiner.excused(form) == [most], "what was not looked into excuses nothing more"
    torch.frombuffer(mine[0], dtype=torch.int8)[: most + 1] += 1
    assert not referee.examiner.resembles(mine, eager, form)
    assert referee.examiner.examine(mine, timed) is not None
