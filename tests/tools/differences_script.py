"""Run by test_alike in a process of its own, with TRITON_INTERPRET=1: the kernel beside what torch reckons."""

import json
import sys

import torch

from tools.harness.differences import FLOATS, differences, parts_on_device, totals


def main() -> None:
    torch.manual_seed(3)
    found = []
    for name, dtype in FLOATS.items():
        for size, spoilt in ((1, None), (8192, None), (20_000, None), (20_000, float("nan")), (9000, float("inf"))):
            x = torch.randn(size).to(dtype)
            y = (x.float() + 1e-2 * torch.randn(size)).to(dtype)
            if spoilt is not None:
                x[size - 1] = spoilt
            raws = [item.view(torch.uint8) for item in (x, y)]
            found.append([totals(parts_on_device(x, y)).tolist(), differences(*raws, name).tolist()])
    json.dump(found, sys.stdout)


main()
