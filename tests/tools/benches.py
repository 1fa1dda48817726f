"""A workbench with its tools, called as a model calls them, for tests of several subjects."""

from __future__ import annotations

from memory.experience import Experience
from memory.store import Recalled
from tools.artifacts import ArtifactStore
from tools.candidate import Candidate
from tools.fake_judge import FakeJudge, accepted, describe_softmax, rejected
from tools.problem import Problem
from tools.toolbox import make_tools, run_tool
from tools.workbench import Workbench

SOURCE = "import torch\n\n\nclass ModelNew(torch.nn.Module):\n    def forward(self, x):\n        return x\n"
OTHER = SOURCE.replace("return x", "return x + 0")
ID = Candidate(source=SOURCE, language="cpp").id


def verdicts(source):
    if "BROKEN" in source:
        log = "\n".join(f"kernel.cpp:{number}: error: no" for number in range(1, 4001))
        return rejected("compile_error").model_copy(update={"log": log})
    if "WRONG" in source:
        return rejected("wrong_output", "off by 3e-2 of the scale").model_copy(update={"log": "max 3e-2"})
    return accepted(1.5)


class Memory:
    """A store with one experience."""

    def __init__(self, error=None):
        self.error = error

    def search(self, text, limit=10):
        if self.error:
            raise self.error
        if text == "nothing":
            return []
        experience = Experience(
            id="e", created_at="2026-01-01T00:00:00Z", run_id="r", problem="soft\nmax", operator_signature="o",
            shape_signature="s", operators=("aten.softmax.int",), target="cpu", hardware="h", language="cpp",
            precision="native", evidence="measured", model="builtin", status="accepted", speedup=2.5, source=OTHER,
            strategy="one pass", lesson="bound by memory",
        )  # fmt: skip
        return [Recalled(experience=experience, score=0.5, why="similar operator")]


class Bench:
    """Tools on a workbench, called as a model's calls are."""

    def __init__(self, tmp_path, **overrides):
        self.store = ArtifactStore(tmp_path)
        values = {
            "judge": FakeJudge(verdicts),
            "problem": Problem("softmax", "class Model: ..."),
            "description": describe_softmax(),
            "store": self.store,
            "baselines": {"torch.compile": 2e-3, "eager": 1e-3},
            "language": "cpp",
            "rules": "- be quick",
            **overrides,
        }
        self.bench = Workbench(**values)
        self.tools = make_tools(self.bench)

    def __call__(self, name, /, **arguments):
        return run_tool(self.tools, {"name": name, "args": arguments, "id": "c1", "type": "tool_call"})

    def good(self, name, /, **arguments):
        answer = self(name, **arguments)
        assert answer.status == "success", answer.text
        return answer.text

    def bad(self, name, /, **arguments):
        answer = self(name, **arguments)
        assert answer.status == "error"
        assert answer.tool_call_id == "c1"
        return answer.text
