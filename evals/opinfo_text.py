"""The problem file of one operator, with words in angle brackets to be replaced; the samples are taken when it runs."""

from __future__ import annotations

from typing import Final

TEXT: Final = '''\
# <SPELLED>: what is called is <FUNCTION>, in <DTYPE>.
#
# A case is one sample of torch's own tests of it (OpInfo). forward() gets the sample's input, its other arguments as a
# list, its keyword arguments as a dict. Samples that could not be judged are left out: their numbers are missing.
import collections
import importlib.util
import itertools
import random
import sys
import types
import unittest

import numpy
import torch
from torch.utils._pytree import tree_leaves, tree_map

if "expecttest" not in sys.modules and importlib.util.find_spec("expecttest") is None:
    # torch's tests import it; samples need nothing of it
    sys.modules["expecttest"] = types.ModuleType("expecttest")
    sys.modules["expecttest"].TestCase = unittest.TestCase
from torch.testing._internal import common_methods_invocations as invocations

# The tests set a seed around operators that draw. Here they are called as they are; random ones are found out below.
invocations.wrapper_set_seed = lambda function, *args, **kwargs: function(*args, **kwargs)

NAME, VARIANT, DTYPE, MOST = <NAME>, <VARIANT>, <DTYPE>, <MOST>
FOUND = [one for one in invocations.op_db if (one.name, one.variant_test_name) == (NAME, VARIANT)]
if not FOUND:
    raise LookupError(f"torch {torch.__version__} has no samples of <SPELLED>")
operator = FOUND[0].op


class Model(torch.nn.Module):
    def forward(self, input, args, kwargs):
        return operator(input, *args, **kwargs)


def samples(device):
    given = FOUND[0].sample_inputs_func(FOUND[0], str(device), DTYPE, False)
    return [[one.input, list(one.args), dict(one.kwargs)] for one in given]


def get_cases():
    drawn = samples(torch.empty(0).device)
    return {f"sample {number} of {len(drawn)}": drawn[number] for number in KEPT}


def get_inputs():
    return next(iter(get_cases().values()))


def get_init_inputs():
    return []


def unlike(value):
    """Why a value cannot be given to a candidate, or compared; empty if it can."""
    if isinstance(value, torch.Tensor):
        if type(value) is not torch.Tensor or value.layout is not torch.strided or value.is_quantized:
            return "tensors that are not plain and strided"
        return "tensors of unusual dtypes" if str(value.dtype).removeprefix("torch.") not in USUAL else ""
    plain = value is None or type(value) in (bool, int, float, str, torch.Size) or isinstance(value, torch.dtype)
    return "" if plain else f"a value of type {type(value).__name__}"


USUAL = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128".split()


def form(value):
    return [(one.shape, one.stride()) if isinstance(one, torch.Tensor) else one for one in tree_leaves(value)]


def equal(one, other):
    pairs = list(zip(tree_leaves(one), tree_leaves(other), strict=True))
    tensors = [torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in pairs if isinstance(a, torch.Tensor)]
    return all(tensors) and all(a == b for a, b in pairs if not isinstance(a, torch.Tensor))


SEEDED = []


def asked(sample, seed):
    """The answer to a copy, and the copy. Whether the call sets a seed of its own is put into SEEDED."""
    set_seed = torch.manual_seed
    set_seed(seed)
    copy = tree_map(lambda one: one.detach().clone() if isinstance(one, torch.Tensor) else one, sample)
    torch.manual_seed = SEEDED.append
    try:
        with torch.no_grad():
            return operator(copy[0], *copy[1], **copy[2]), copy
    finally:
        torch.manual_seed = set_seed


def trouble(sample, *others):
    """Why a sample cannot be a case, by what it is in several draws; empty if it can."""
    reasons = [why for why in map(unlike, tree_leaves(sample)) if why]
    tensors = [one for one in tree_leaves(sample) if isinstance(one, torch.Tensor)]
    if reasons or not any(one.numel() for one in tensors):
        return reasons[0] if reasons else "no inputs but empty ones"
    if any(form(sample) != form(other) for other in others):
        return "shapes or numbers that are drawn too"
    SEEDED.clear()
    try:
        answer, copy = asked(sample, 1)
        again, _ = asked(sample, 2)
        answers = [answer, *(asked(other, 1)[0] for other in others)]
    except Exception as error:
        return f"it raises {type(error).__name__}: {' '.join(str(error).split())[:100]}"
    if SEEDED:
        return "its answers are random"  # and the same in torch's tests only because those set a seed
    leaves = tree_leaves(answer)
    reasons = [why for why in map(unlike, leaves) if why]
    outputs = [one for one in leaves if isinstance(one, torch.Tensor)]
    if reasons or not 0 < len(leaves) <= 32 or any(isinstance(one, (str, torch.dtype)) for one in leaves):
        return f"its answers hold {reasons[0]}" if reasons else "its answers are no tensors and numbers"
    if not outputs:
        return "its answers are no tensors"
    if not all(one.numel() and one.dim() <= 8 and torch.isfinite(one).any() for one in outputs):
        return "its answers are empty, or NaN and infinity throughout"
    if not equal(sample, copy):
        return "it writes to its input"
    places = {one.untyped_storage().data_ptr() for one in tree_leaves(copy) if isinstance(one, torch.Tensor)}
    if any(one.untyped_storage().data_ptr() in places for one in outputs if one.numel()):
        return "it gives views of its input and computes nothing"
    if form(answer) != form(again) or not equal(answer, again):
        return "its answers are random"
    shapes = [[getattr(leaf, "shape", ()) for leaf in tree_leaves(one)] for one in answers]
    if any(one != shapes[0] for one in shapes):
        return "the shapes of its answers depend on values"
    if any(equal(one, other) for one, other in itertools.combinations(answers, 2)):
        return "its answer is the same for different values"
    return ""


def kept():
    """Numbers of the samples that can be judged, at most MOST of all sizes; the same in every process."""
    with torch.random.fork_rng(devices=[]):
        drawn = []
        for seed in range(8):
            torch.manual_seed(seed)
            random.seed(seed)
            numpy.random.seed(seed)
            drawn.append(samples("cpu"))
    whys = [trouble(*pair) for pair in zip(*drawn)]
    fine = [number for number, why in enumerate(whys) if not why]
    if not fine:
        told = "; ".join(f"{why} ({count})" for why, count in collections.Counter(whys).most_common(3))
        raise ValueError(f"none of the {len(whys)} samples of <SPELLED> can be judged: {told or 'there are none'}")
    sizes = [sum(one.numel() for one in tree_leaves(sample) if isinstance(one, torch.Tensor)) for sample in drawn[0]]
    order = sorted(fine, key=lambda number: (sizes[number], number))
    steps = [step * (len(order) - 1) / max(MOST - 1, 1) for step in range(MOST)]
    return sorted({order[round(step)] for step in steps} if MOST > 1 else {order[-1]})


KEPT = kept()
'''
