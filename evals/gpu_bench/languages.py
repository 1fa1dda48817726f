"""One kernel in each language, from its text to a confirmed time, as ``kernelwright evaluate`` does it.

The kernel is the complete example of the language's own guide, so a language that is added is measured without a line
more here; what is not available says why.
"""

from __future__ import annotations

import time
from functools import partial

from agent.prompts import language_guide
from agent.settings import AgentSettings
from evals.gpu_bench.running import Chosen, Task, Turn, settings_of
from evals.suite import load_suite
from tools.candidate import Candidate
from tools.errors import RequestError
from tools.problem import JudgeSettings, Problem

PART = "languages"
LANGUAGES = ("triton", "cuda", "cute")
PROBLEM = "relu_fp32"
SETTINGS = JudgeSettings(memory_bytes=16 << 30, close_call_s=0, autotuned=False)
"""One ReLU: max-autotune has nothing to tune that would be worth its seconds."""
SMALL = """
import torch

class Model(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x)

def get_inputs():
    return [torch.randn(64, 4096)]
"""
PLAIN = "import torch\nclass ModelNew(torch.nn.Module):\n    def forward(self, x):\n        return torch.relu(x)\n"


def tasks(chosen: Chosen, *, rehearse: bool = False) -> list[Task]:
    """One a language."""
    names = ("python", *LANGUAGES) if rehearse else LANGUAGES
    settings = SETTINGS.model_copy(update={"blocks": 4, "memory_bytes": 2 << 30}) if rehearse else SETTINGS
    suite = {item.name: item.problem for item in load_suite("gpu").problems}
    problem = Problem("relu", SMALL) if rehearse else suite[PROBLEM]
    return [
        Task(PART, name, problem, settings, partial(_evaluate, name, settings))
        for name in names
        if chosen.wants(PART, name)
    ]


def example_of(language: str) -> str:
    """The first whole program of the language's guide. Raises RequestError."""
    if language == "python":
        return PLAIN
    guide = language_guide(language)
    begin = guide.find("```python\n")
    end = guide.find("\n```", begin)
    if begin < 0 or end < 0 or "class ModelNew" not in guide[begin:end]:
        raise RequestError(f"the guide of {language} has no complete example")
    return guide[begin + len("```python\n") : end + 1]


def _evaluate(language: str, settings: JudgeSettings, turn: Turn) -> None:
    AgentSettings(target=turn.target, language=language).check()
    candidate = Candidate(source=example_of(language), language=language)
    begun = time.monotonic()
    verdict = first = turn.judge.judge(candidate)
    turn.ahead()
    if first.status == "accepted":
        verdict = turn.judge.confirm(candidate)
    row = {
        "name": language,
        "seconds": round(time.monotonic() - begun, 2),
        "first": first.to_json(),
        "verdict": verdict.to_json(),
        "held_s": first.held_s + (verdict.held_s if verdict is not first else 0.0),
        "settings": settings_of(settings),
        "source": candidate.source,
    }
    if verdict.status == "infrastructure_error":
        row["error"] = f"could not be judged: {verdict.detail}"
    turn.tell(row)
