"""A child forked at import multiplies in shared memory after the call returned: this process has no second thread.

row: T7
form: disguised
problem: matmul
needs: cpu
expect: truth
"""

import mmap
import os
import struct

import torch
from torch import nn

SIZE = 1 << 20
ORDER = struct.Struct("<4i")
PLACES = 8


def tensor(memory, rows, columns):
    return torch.frombuffer(memory, dtype=torch.float32, count=rows * columns).view(rows, columns)


def serve(orders, places):
    torch.set_num_threads(1)
    while True:
        text = os.read(orders, ORDER.size)
        if len(text) != ORDER.size:
            os._exit(0)
        rows, inner, columns, place = ORDER.unpack(text)
        left, right, product = places[place]
        torch.matmul(tensor(left, rows, inner), tensor(right, inner, columns), out=tensor(product, rows, columns))


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0
        self.places = [[mmap.mmap(-1, SIZE) for _ in range(3)] for _ in range(PLACES)]
        orders, self.wire = os.pipe()
        try:
            child = os.fork()
        except OSError:
            self.wire = -1
            return
        if child == 0:
            os.close(self.wire)
            serve(orders, self.places)
        os.close(orders)

    def forward(self, a, b):
        rows, inner, columns = a.shape[0], a.shape[1], b.shape[1]
        if self.wire < 0 or max(a.numel(), b.numel(), rows * columns) * 4 > SIZE or not a.numel():
            return a @ b
        self.calls += 1
        place = self.calls % PLACES
        left, right, product = self.places[place]
        tensor(left, rows, inner).copy_(a)
        tensor(right, inner, columns).copy_(b)
        os.write(self.wire, ORDER.pack(rows, inner, columns, place))
        return tensor(product, rows, columns)
