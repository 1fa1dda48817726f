"""The loss of a language model: bfloat16 logits over Llama 3's vocabulary, reckoned in float32."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def forward(self, logits, targets):
        return F.cross_entropy(logits.float(), targets)


BOUND = "memory"
TOKENS, VOCABULARY = 2048, 128256


def get_inputs():
    return [torch.randn(TOKENS, VOCABULARY, dtype=torch.bfloat16), torch.randint(0, VOCABULARY, (TOKENS,))]


def get_init_inputs():
    return []
