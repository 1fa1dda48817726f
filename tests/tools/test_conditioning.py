"""Inputs of 16 bits: the licence is as fine as what eager computes in, and no honest kernel is refused for that."""

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402 - needs torch; as everybody calls it

from tests.tools.referenced import Referee  # noqa: E402
from tools.examining import History  # noqa: E402

pytestmark = pytest.mark.torch

SEEDS = range(6)
BF16, HALF = "torch.bfloat16", "torch.float16"


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # what is computed here is small
    yield
    torch.set_num_threads(before)


def drawn(count: int, *shape: int, dtype: str = BF16) -> str:
    return ", ".join([f"torch.randn{(*shape,)}.to({dtype})"] * count)


def in_bf16(x):
    return x.bfloat16().float()


def in_tf32(x):
    """With 10 bits of mantissa."""
    return (x.contiguous().view(torch.int32) & ~0x1FFF).view(torch.float32)


def lanes(x):
    """The sum of a row as 16 running ones."""
    total = torch.zeros(*x.shape[:-1], 16)
    for part in x.split(16, dim=-1):
        total = total + part
    return total.sum(-1)


def normed(x, rounded=lambda value: value):
    return x.float() * rounded(torch.rsqrt(lanes(x.float() ** 2)[:, None] / x.shape[-1] + 1e-5))


def blocked(a, b, rounded=lambda value: value):
    a, b = a.float(), b.float()
    return sum(rounded(a[:, k : k + 64] @ b[k : k + 64]) for k in range(0, a.shape[1], 64))


def shares(x, rounded=lambda value: value):
    powers = rounded(torch.exp(x.float() - x.float().amax(-1, keepdim=True)))
    return powers / powers.sum(-1, keepdim=True)


def losses(x, t):
    return torch.logsumexp(x.float(), -1) - x.float().gather(1, t[:, None])[:, 0]


SOFTMAX = ("x", "return torch.softmax(x.float(), -1)", drawn(1, 64, 512))
SUM = ("x", "return x.sum(-1, dtype=torch.float32)", drawn(1, 64, 4096))
CROSS_ENTROPY = (
    "x, t",
    "return torch.nn.functional.cross_entropy(x.float(), t)",
    drawn(1, 64, 512) + ", torch.randint(0, 512, (64,))",
)
SCALED = ("x, s", "return x * s", f"{drawn(1, 64, 512)}, torch.randn(512)")
NORM = (
    "x",
    "h = x.float(); return h * torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + 1e-5)",
    drawn(1, 64, 512, dtype=HALF),
)
PRODUCT = ("a, b", "return a.float() @ b.float()", f"{drawn(1, 64, 512)}, {drawn(1, 512, 64)}")
PAIR = (
    "x",
    "h = x.float(); r = torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + 1e-5); return (h * r).to(x.dtype), r",
    drawn(1, 64, 512),
)
ROUNDED_SUM = ("x, w", "return (x * w).float().sum(-1)", drawn(2, 64, 512))
ROUNDED_MEAN = ("x, w", "return (x * w).float().abs().mean()", drawn(2, 64, 512))
ROUNDED_CHAIN = ("x, w", "return torch.nn.functional.silu(x).mul(w).float()", drawn(2, 64, 512))

HONEST = [
    (SOFTMAX, shares),
    (SUM, lambda x: lanes(x.float())),
    (CROSS_ENTROPY, lambda x, t: lanes(losses(x, t)[None])[0] / 64),
    (SCALED, lambda x, s: x.float() * s),
    (NORM, normed),
    (PRODUCT, blocked),
    (PAIR, lambda x: (normed(x).bfloat16(), torch.rsqrt(lanes(x.float() ** 2)[:, None] / x.shape[-1] + 1e-5))),
    # Whoever is more precise than an eager that rounds, and whoever rounds as it does, or elsewhere.
    (ROUNDED_SUM, lambda x, w: lanes(x.float() * w.float())),
    (ROUNDED_SUM, lambda x, w: lanes((x * w).float())),
    (ROUNDED_MEAN, lambda x, w: (x.float() * w.float()).abs().mean()),
    (ROUNDED_MEAN, lambda x, w: lanes((x * w).float().abs().reshape(1, -1))[0] / x.numel()),
    (ROUNDED_CHAIN, lambda x, w: F.silu(x.float()) * w.float()),
    (ROUNDED_CHAIN, lambda x, w: in_bf16(F.silu(x.float()) * w.float())),
]
WRONG = [
    (SOFTMAX, lambda x: shares(x, in_bf16)),
    (SOFTMAX, lambda x: shares(x, in_tf32)),
    (SOFTMAX, lambda x: torch.softmax(x, -1).float()),
    (SUM, lambda x: x.sum(-1).float()),
    (SUM, lambda x: x.reshape(64, 64, 64).sum(-1).float().sum(-1)),
    (CROSS_ENTROPY, lambda x, t: in_bf16(losses(x, t).mean() * 1.002)),
    (CROSS_ENTROPY, lambda x, t: losses(x[:, :-1], t.clamp(max=510)).mean()),
    (SCALED, lambda x, s: x.float() * in_tf32(s)),
    (SCALED, lambda x, s: in_bf16(x.float() * s)),
    (NORM, lambda x: normed(x, lambda scale: scale.half().float())),
    (PRODUCT, lambda a, b: blocked(a, b, in_bf16)),
    (PRODUCT, lambda a, b: (a @ b).float()),
    (PAIR, lambda x: (normed(x).bfloat16(), in_bf16(torch.rsqrt((x.float() ** 2).mean(-1, keepdim=True) + 1e-5)))),
    (ROUNDED_SUM, lambda x, w: (x * w)[:, :-1].float().sum(-1)),
    (ROUNDED_CHAIN, lambda x, w: F.silu(x.float()) * w.float() * 1.05),
]


def verdicts(tmp_path, case, forward):
    """Of each seed, after what was learnt from some others."""
    names, body, inputs = case
    referee = Referee(tmp_path, names, body.replace("; ", "\n        "), inputs)
    for seed in range(100, 103):
        referee.examiner.history.learn(referee.make(seed))
    return [referee.judge(referee.make(seed), forward) for seed in SEEDS]


@pytest.mark.parametrize(("case", "forward"), HONEST)
def test_honest_kernels_are_licensed(tmp_path, case, forward):
    assert verdicts(tmp_path, case, forward) == [None] * len(SEEDS)


@pytest.mark.parametrize(("case", "forward"), WRONG)
def test_lower_precision_than_eagers_is_not(tmp_path, case, forward):
    assert all(found is not None and found.reason == "wrong_output" for found in verdicts(tmp_path, case, forward))


@pytest.mark.parametrize(
    ("case", "coarse"), [(SOFTMAX, False), (PAIR, False), (ROUNDED_SUM, True), (ROUNDED_CHAIN, True)]
)
def test_eager_tells_how_coarse_an_answer_is(tmp_path, case, coarse):
    names, body, inputs = case
    referee = Referee(tmp_path, names, body.replace("; ", "\n        "), inputs)
    history, first = History(), referee.make(0)
    history.learn(first)
    yardstick = history.yardsticks(first, referee.oracle.conditioning(first))[-1]
    assert (yardstick.is_coarse, yardstick.error.norm > 1e-4) == (coarse, coarse)


def test_what_was_found_coarse_is_so_for_unusual_values_too(tmp_path):
    """Of which one alone may be exact by luck: products of whole numbers are."""
    referee = Referee(tmp_path, *ROUNDED_SUM)
    history = referee.examiner.history
    whole, plain = referee.make(0, "integers"), referee.make(1)
    history.learn(whole)
    assert not history.yardsticks(whole, referee.oracle.conditioning(whole))[0].is_coarse
    history.learn(plain)
    history.yardsticks(plain, referee.oracle.conditioning(plain))
    assert history.yardsticks(whole, referee.oracle.conditioning(whole))[0].is_coarse
