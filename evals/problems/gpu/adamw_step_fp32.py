"""One step of AdamW on a flat buffer, as a function: new weights and both new moments."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, rate, beta1, beta2, eps, decay, step):
        super().__init__()
        self.rate, self.beta1, self.beta2, self.eps, self.decay = rate, beta1, beta2, eps, decay
        self.correction1, self.correction2 = 1 - beta1**step, 1 - beta2**step

    def forward(self, weights, gradient, first, second):
        first = self.beta1 * first + (1 - self.beta1) * gradient
        second = self.beta2 * second + (1 - self.beta2) * gradient * gradient
        spread = (second / self.correction2).sqrt() + self.eps
        weights = weights * (1 - self.rate * self.decay) - self.rate * (first / self.correction1) / spread
        return weights, first, second


BOUND = "memory"
SIZE = 33_554_432


def get_inputs():
    return [torch.randn(SIZE), torch.randn(SIZE), torch.randn(SIZE), torch.rand(SIZE)]


def get_init_inputs():
    return [1e-2, 0.9, 0.95, 1e-8, 0.1, 100]
