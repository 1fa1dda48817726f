"""numpy's unbuffered add.at into a fresh table.

row: honest
form: honest
problem: segment_sum
needs: cpu
"""

import numpy as np
import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, rows, index):
        places = index.numpy()
        if places.size and (places.min() < 0 or places.max() >= 256):
            raise IndexError("an index is out of range")
        table = np.zeros((256, rows.shape[1]), dtype=np.float64)
        with np.errstate(all="ignore"):
            np.add.at(table, places, rows.detach().numpy().astype(np.float64))
            return torch.from_numpy(table.astype(np.float32)).to(rows.dtype)
