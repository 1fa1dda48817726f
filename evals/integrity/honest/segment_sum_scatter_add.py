"""scatter_add with the index spread over the columns.

row: honest
form: honest
problem: segment_sum
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, rows, index):
        spread = index.to(torch.int64).unsqueeze(1).expand(rows.shape)
        return torch.zeros(256, rows.shape[1], dtype=rows.dtype).scatter_add_(0, spread, rows)
