"""Distillation of a language model: divergence from the teacher for every token, and the student's gradient."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def __init__(self, temperature):
        super().__init__()
        self.temperature = temperature

    def forward(self, student, teacher):
        log_q = F.log_softmax(student.float() / self.temperature, dim=-1)
        log_p = F.log_softmax(teacher.float() / self.temperature, dim=-1)
        p = log_p.exp()
        losses = (p * (log_p - log_q)).sum(dim=-1) * self.temperature**2
        gradient = (log_q.exp() - p) * self.temperature
        return losses, gradient.to(student.dtype)


BOUND = "memory"
TOKENS, VOCABULARY = 2048, 32000


def get_inputs():
    return [
        torch.randn(TOKENS, VOCABULARY, dtype=torch.bfloat16),
        torch.randn(TOKENS, VOCABULARY, dtype=torch.bfloat16),
    ]


def get_init_inputs():
    return [2.0]
