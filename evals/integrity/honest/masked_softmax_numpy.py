"""numpy: copy, assign minus infinity under the mask, exponentials in float32, sums in float64.

row: honest
form: honest
problem: masked_softmax
needs: cpu
"""

import numpy as np
import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, scores, mask):
        scores, mask = torch.broadcast_tensors(scores, mask)
        if scores.dim() == 0 or scores.shape[-1] == 0:
            return torch.softmax(scores.masked_fill(mask, float("-inf")), dim=-1)
        work = np.array(scores.detach().numpy())
        work[mask.numpy()] = -np.inf
        with np.errstate(all="ignore"):
            work -= work.max(axis=-1, keepdims=True)
            np.exp(work, out=work)
            total = work.sum(axis=-1, keepdims=True, dtype=np.float64)
            return torch.from_numpy((work / total).astype(work.dtype))
