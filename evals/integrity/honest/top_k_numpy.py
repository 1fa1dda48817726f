"""numpy's argpartition on negated values, then a stable sort of the eight it finds; rows with NaN are left to torch.

row: honest
form: honest
problem: top_k
needs: cpu
"""

import numpy as np
import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dim() == 0 or x.shape[-1] < 9 or bool(torch.isnan(x).any()):
            values, positions = torch.topk(x, 8, dim=-1)
            return values, positions
        turned = -x.detach().numpy()
        found = np.sort(np.argpartition(turned, 7, axis=-1)[..., :8], axis=-1)
        order = np.argsort(np.take_along_axis(turned, found, axis=-1), axis=-1, kind="stable")
        positions = torch.from_numpy(np.take_along_axis(found, order, axis=-1))
        return torch.gather(x, -1, positions), positions
