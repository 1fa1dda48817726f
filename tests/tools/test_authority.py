"""Who decides touches nothing of the candidate's: by what it opens, imports, runs and is linked to, not by promise."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.torch, pytest.mark.bubblewrap, pytest.mark.slow]  # a whole judgement under strace

SCRIPT = Path(__file__).with_name("authority_script.py")
CANDIDATE = """
import os, pickle, torch
build = os.environ["KERNELWRIGHT_BUILD_DIR"]
for name in ("result.json", "verdict.pkl", "conftest.py", "sitecustomize.py", "libtorch.so", "candidate.py"):
    if os.access(build, os.W_OK):
        with open(os.path.join(build, name), "wb") as file:
            file.write(pickle.dumps({"status": "accepted"}))

class ModelNew(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(width))

    def forward(self, x):
        return torch.softmax(x * self.weight, dim=-1)
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authority")
    source = folder / "candidate.py"
    source.write_text(CANDIDATE)
    strace = shutil.which("strace")
    prefix = [strace, "-ff", "-e", "trace=openat,open,execve", "-o", str(folder / "trace")] if strace else []
    env = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])}
    argv = [*prefix, sys.executable, str(SCRIPT), str(source), str(folder / "work")]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    data = json.loads(done.stdout)
    data["traces"] = {
        thread: (folder / f"trace.{thread}").read_text()
        for thread in data["threads"]
        if (folder / f"trace.{thread}").exists()
    }
    return data


def test_the_judgement_was_a_whole_one(report):
    assert (report["status"], report["reason"]) == ("accepted", None), report["detail"]


def test_nothing_of_the_candidates_is_imported_or_executed(report):
    modules = set(report["modules"])
    assert not modules & {"torch", "candidate", "problem", "pickle5", "dill", "cloudpickle"}
    assert "tools.harness.subject" not in modules
    assert "tools.harness.kernel_harness" not in modules
    executed = {what for event, what in report["seen"] if event == "exec"}
    assert not [what for what in executed if what.endswith("/source/candidate.py") or report["build"] in what]


def test_nothing_is_unpickled(report):
    assert [what for event, what in report["seen"] if event.startswith("pickle")] == []


def test_nothing_that_a_candidate_can_write_is_opened_by_name(report):
    opened = {what for event, what in report["seen"] if event in ("open", "os.listdir", "os.scandir", "ctypes.dlopen")}
    assert opened, "the hook saw nothing: the test shows nothing"
    # The build folder itself is opened while it is empty, to be handed over; nothing in it ever is.
    assert not [what for what in opened if what.startswith(report["build"] + "/")]
    # The arena is opened once, when it is made and nobody else knows of it, and from then on by descriptor.
    arenas = [what for event, what in report["seen"] if event == "open" and "-arena-" in what]
    assert len(arenas) == len(set(arenas)) > 0


def test_no_descriptor_leads_to_what_a_candidate_can_write_but_the_arena_and_pipes(report):
    mine = [link for link in report["links"] if report["build"] in link]
    assert mine == []
    assert any("-arena-" in link for link in report["links"])


def test_descriptors_are_given_back(report):
    before, after = report["descriptors"]
    assert after <= before + 4  # the sandbox itself is still open


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace; .ci/run installs it")
def test_the_system_calls_say_the_same(report):
    assert report["traces"], "strace followed no thread of the controller"
    whole = "\n".join(report["traces"].values())
    paths = re.findall(r'open(?:at)?\([^"]*"([^"]*)"', whole)
    assert [path for path in paths if path.startswith("/proc/")], "holding opens /proc: the trace is not complete"
    assert [path for path in paths if path.startswith(report["build"] + "/")] == []
    assert [path for path in paths if "libtorch" in path] == []
    # Only the main interpreter itself; what it starts runs in processes of its own.
    assert whole.count("execve(") <= 1
