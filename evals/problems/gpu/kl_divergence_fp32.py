"""Divergence of the policy from its reference model, as a penalty in training by preference."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def forward(self, policy, reference):
        return F.kl_div(
            F.log_softmax(policy, dim=-1), F.log_softmax(reference, dim=-1), reduction="batchmean", log_target=True
        )


BOUND = "memory"
TOKENS, VOCABULARY = 2048, 32768


def get_inputs():
    return [torch.randn(TOKENS, VOCABULARY), torch.randn(TOKENS, VOCABULARY)]


def get_init_inputs():
    return []
