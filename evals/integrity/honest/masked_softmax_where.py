"""torch.where instead of masked_fill, and the operator's out= variant into a fresh tensor.

row: honest
form: honest
problem: masked_softmax
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, scores, mask):
        play = torch.where(mask, scores.new_tensor(float("-inf")), scores)
        return torch.softmax(play, dim=-1, out=torch.empty_like(play))
