"""One temporary for everything: masked copy, then shift, exponential and division in place.

row: honest
form: honest
problem: masked_softmax
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, scores, mask):
        work = scores.masked_fill(mask, float("-inf"))
        work.sub_(work.amax(dim=-1, keepdim=True))
        work.exp_()
        return work.div_(work.sum(dim=-1, keepdim=True))
