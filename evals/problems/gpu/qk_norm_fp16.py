"""RMSNorm of every head's queries: many short rows of 128, as Qwen 3 and OLMo 2 normalise them."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, head_dim):
        super().__init__()
        self.norm = nn.RMSNorm(head_dim, eps=1e-6, dtype=torch.float16)

    def forward(self, q):
        return self.norm(q)


BOUND = "memory"
BATCH, LENGTH, HEADS, HEAD_DIM = 8, 4096, 32, 128


def get_inputs():
    return [torch.randn(BATCH, LENGTH, HEADS, HEAD_DIM, dtype=torch.float16)]


def get_init_inputs():
    return [HEAD_DIM]
