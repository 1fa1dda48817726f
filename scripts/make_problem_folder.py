"""Make a folder in KernelBench's layout with N small problems of many kinds, to try evaluations on.

    python scripts/make_problem_folder.py DIR [N]

The problems are ours: no text is copied. The same N gives the same files.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

POINTWISE = {
    "Cubic": "0.5 * x + 0.25 * x * x * x",
    "Swish": "x * torch.sigmoid(x)",
    "SoftClip": "torch.tanh(x) * 2.0",
    "LogCosh": "torch.log(torch.cosh(x))",
    "Gate": "torch.relu(x) * torch.sigmoid(x + 1.0)",
}
ROWWISE = {
    "RowSoftmax": "torch.softmax(x, dim=-1)",
    "RowCentre": "x - x.mean(dim=-1, keepdim=True)",
    "RowUnit": "x / x.norm(dim=-1, keepdim=True)",
    "RowScan": "torch.cumsum(x, dim=-1)",
    "RowEnergy": "(x * x).sum(dim=-1)",
    "RowPeak": "x.amax(dim=-1)",
    "RowLogSum": "torch.logsumexp(x, dim=-1)",
    "RowSpread": "x.var(dim=-1)",
}
LINEAR = {
    "Affine": "self.linear(x)",
    "AffineRelu": "torch.relu(self.linear(x))",
    "AffineSoftmax": "torch.softmax(self.linear(x), dim=-1)",
}
SIZES = ((32, 128), (48, 96), (64, 160), (24, 320), (80, 72))

PLAIN = """import torch


class Model(torch.nn.Module):
    def forward(self, x):
        return {expression}


def get_inputs():
    return [torch.randn({rows}, {columns})]


def get_init_inputs():
    return []
"""
WITH_WEIGHTS = """import torch


class Model(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)

    def forward(self, x):
        return {expression}


def get_inputs():
    return [torch.randn({rows}, {columns})]


def get_init_inputs():
    return [{columns}]
"""


def problems() -> Iterator[tuple[str, str, str]]:
    """Level, name and text, without end: every operator at one size, then at the next."""
    for turn in count():
        rows, columns = SIZES[turn % len(SIZES)]
        rows += 8 * (turn // len(SIZES))
        for level, operators in ((1, {**POINTWISE, **ROWWISE}), (2, LINEAR)):
            form = PLAIN if level == 1 else WITH_WEIGHTS
            for name, expression in operators.items():
                text = form.format(expression=expression, rows=rows, columns=columns)
                yield f"level{level}", f"{name}_{rows}x{columns}", text


def make(folder: Path, number: int) -> None:
    """Write ``number`` problems below ``folder``; each level is numbered from 1."""
    written = {"level1": 0, "level2": 0}
    for level, name, text in islice(problems(), number):
        written[level] += 1
        (folder / level).mkdir(parents=True, exist_ok=True)
        (folder / level / f"{written[level]}_{name}.py").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: make_problem_folder.py DIR [N]")
    make(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100)
