"""Stops the process's clocks during every fourth call, so that some samples are zero and a geometric mean is too.

row: T19
form: plain
problem: row_sum
needs: cpu
expect: truth
"""

import time

from torch import nn

CALLS = [0]
LAST = {}
STOPPED = [False]


def stopping(name):
    genuine = getattr(time, name)

    def read():
        if STOPPED[0] and name in LAST:
            STOPPED[0] = False
            return LAST[name]
        LAST[name] = genuine()
        return LAST[name]

    return read


for clock in ("perf_counter", "perf_counter_ns", "monotonic", "monotonic_ns"):
    setattr(time, clock, stopping(clock))


class ModelNew(nn.Module):
    def forward(self, x):
        y = x.sum(dim=-1)
        CALLS[0] += 1
        STOPPED[0] = CALLS[0] % 4 == 0
        return y
