"""A C++ candidate that leaves numbers open, from a scripted model to best.py: nothing is put in place of anything."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from agent.events import read_events
from agent.run import optimize
from agent.settings import AgentSettings
from sandbox.errors import SandboxUnavailable
from sandbox.opening import open_sandbox
from tools.languages.cpp import LOADER
from tools.parameters import parameters_of
from tools.problem import Problem

pytestmark = [
    pytest.mark.torch,
    pytest.mark.slow,
    pytest.mark.timeout(1200),  # others' work makes it slow, and nothing else
    pytest.mark.skipif(shutil.which("g++") is None or importlib.util.find_spec("torch") is None, reason="needs both"),
]

PROBLEM = """
import torch


class Model(torch.nn.Module):
    def forward(self, x):
        return torch.nn.functional.silu(x) * 0.5 + x.abs()


def get_inputs():
    return [torch.randn(256, 1024)]


def get_init_inputs():
    return []
"""
# REPEAT makes it slow by default, by far more than others' work does; 3 is wrong, and 5 does not build.
SOURCE = f'''import torch
import torch.nn as nn
{LOADER}
SOURCE = r"""
#include <cmath>
#include <cstdint>
#define REPEAT 24  // tune: 1, 3, 5, 24
static_assert(REPEAT != 5, "no");
extern "C" void f(const float *x, float *y, int64_t n) {{
#pragma omp parallel for
  for (int64_t b = 0; b < n; b += 1024) {{
    int64_t end = b + 1024 < n ? b + 1024 : n;
    for (int r = 0; r < REPEAT; ++r) {{
      for (int64_t i = b; i < end; ++i) {{
        float v = x[i];
        y[i] = v / (1.0f + std::exp(-v)) * 0.5f + std::fabs(v) + (REPEAT == 3 ? 0.1f : 0.0f);
      }}
      asm volatile("" ::: "memory");
    }}
  }}
}}
"""
library = load_library(SOURCE)


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        pointer = ctypes.c_void_p
        library.f(pointer(x.data_ptr()), pointer(y.data_ptr()), ctypes.c_int64(x.numel()))
        return y
'''


def test_the_numbers_of_a_cpp_candidate_are_chosen_by_measuring(tmp_path: Path) -> None:
    try:
        open_sandbox(None).close()
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    calls = [("write_candidate", {"source": SOURCE}), ("compile_candidate", {}), ("submit", {"strategy": "one pass"})]
    replies = [{"tool_calls": [{"name": name, "args": args}]} for name, args in calls]
    decline = [{"tool_calls": [{"name": "decline", "args": {"reason": "out of ideas"}}]}]
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"proposals": [{"round": 0, "slot": 0, "replies": replies}, {"replies": decline}]}))
    settings = AgentSettings(
        model=f"scripted:{script}", language="cpp", slots=1, max_candidates=2, memory=False, home=tmp_path / "home",
        close_call_s=0, blocks=6, allow_unsandboxed=True,
        # One thread waits for no other one that has lost its processor; and time is never short.
        threads=1, max_seconds=36_000, stage_timeout_s=600,
    )  # fmt: skip
    outcome = optimize(Problem("silu_abs", PROBLEM), settings)
    events = read_events(Path(outcome.run_dir) / "events.jsonl")
    tried = {data["values"]["REPEAT"]: data for data in (e.data for e in events if e.type == "setting_tried")}
    assert {value: data["reason"] for value, data in tried.items()} == {
        24: None, 1: None, 3: "wrong_output", 5: "compile_error",
    }  # fmt: skip
    assert tried[1]["speedup"] > 2 * tried[24]["speedup"]
    first, winner = (e.data for e in events if e.type == "judged")
    assert winner["parent"] == first["candidate"]
    assert winner["verdict"]["status"] == "accepted"
    assert winner["verdict"]["speedup"] > 2 * first["verdict"]["speedup"]
    store = Path(outcome.run_dir) / "artifacts" / winner["source_artifact"][:2] / winner["source_artifact"][2:]
    assert "#define REPEAT 1  // tuned over 1, 3, 5, 24\n" in store.read_text()
    assert parameters_of(store.read_text()) == ()
