"""What the judge is tried on: a small problem, and candidates made of a forward()'s body."""

from textwrap import dedent, indent

from tools.candidate import Candidate
from tools.problem import Problem

PROBLEM = """
import torch

class Model(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(width))

    def forward(self, x):
        return torch.softmax(x * self.weight, dim=-1)

def get_inputs():
    return [torch.randn(ROWS, 512)]

def get_init_inputs():
    return [512]
"""


def problem(rows: int = 64, source: str = PROBLEM) -> Problem:
    return Problem(name="scaled_softmax", source=source.replace("ROWS", str(rows)))


def candidate(forward: str, before: str = "", construct: str = "") -> Candidate:
    """A ModelNew for ``PROBLEM`` with this body of forward(); ``weight`` and ``torch`` are at hand."""
    source = "\n".join(
        [
            "import torch",
            dedent(before),
            "class ModelNew(torch.nn.Module):",
            "    def __init__(self, width):",
            "        super().__init__()",
            "        self.weight = torch.nn.Parameter(torch.randn(width))",
            indent(dedent(construct), " " * 8),
            "    def forward(self, x):",
            indent(dedent(forward), " " * 8),
        ]
    )
    return Candidate(source=source, language="python")
