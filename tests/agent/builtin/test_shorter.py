"""Which functions are replaced by quicker ones."""

import pytest

from agent.builtin.expr import Exprs
from agent.builtin.index import Index
from agent.builtin.shorter import shortened, softplus_of

make = Exprs()
x, other = (make.cast(make.index(Index((), number)), "f32") for number in (3, 4))


def const(value):
    return make.const(value, "f32")


def call(op, *args):
    return make.call(op, "b8" if op == "gt" else "f32", *args)


def torchs(argument, threshold, soft):
    return make.where(call("gt", argument, const(threshold)), argument, soft)


LOG1P = call("log1p", call("exp", x))


@pytest.mark.parametrize(
    "expr",
    [
        LOG1P,
        call("log", call("add", const(1), call("exp", x))),
        call("log", call("add", call("exp", x), const(1))),
        torchs(x, 20, LOG1P),
    ],
    ids=["log1p", "spelled_out", "other_way_round", "torch"],
)
def test_a_softplus_is_seen_in_each_spelling(expr):
    assert softplus_of(expr) is x


@pytest.mark.parametrize(
    "expr",
    [
        call("log", call("add", const(2), call("exp", x))),
        call("log1p", x),
        torchs(x, 5, LOG1P),
        torchs(other, 20, LOG1P),
        make.where(call("gt", other, const(20)), x, LOG1P),
        call("exp", x),
    ],
    ids=["log_of_two_plus", "log1p_only", "linear_too_early", "other_argument", "other_condition", "exp"],
)
def test_what_only_looks_like_one_is_left_alone(expr):
    assert softplus_of(expr) is None


def test_mish_needs_one_exponential():
    mish = call("mul", x, call("tanh", torchs(x, 20, LOG1P)))
    assert shortened(mish, make, {}, softplus=True) is call("mul", x, call("tanh_softplus", x))
    assert shortened(mish, make, {}, softplus=False) is mish
    assert shortened(call("tanh", x), make, {}, softplus=True) is call("tanh", x)
    assert shortened(call("tanh", x), make, {}, stand_ins={"tanh": "tanh_fast"}) is call("tanh_fast", x)
