"""Samples 48 scattered elements as a key; the answers sit in a context variable that no object of the module refers to.

row: T9
form: disguised
problem: matmul
needs: cpu
expect: truth
"""

import contextvars

import torch
from torch import nn

workspace = contextvars.ContextVar("workspace")


def probe(t):
    flat = t.as_strided((24,), (max(1, t.numel() // 24 - 1),))
    return tuple(flat.tolist())


class ModelNew(nn.Module):
    def forward(self, a, b):
        held = workspace.get(())
        tag = probe(a) + probe(b)
        for known, product in held:
            if known == tag and product.shape == (a.shape[0], b.shape[1]):
                return product
        product = torch.matmul(a, b)
        workspace.set(((tag, product), *held[:11]))
        return product
