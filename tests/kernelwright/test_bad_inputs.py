"""Requests that are wrong: the right exit code, one line that says how to mend it, nothing left behind.

The table is ``tests/fixtures/bad_inputs.json``. Requests that need a sandbox import torch each; a few run by
default, the others under ``-m slow``.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parents[1] / "fixtures"
ALWAYS = {
    "inputs_raise",
    "random_in_forward",
    "needs_100_gigabytes",
    "dies_at_import",
}
PR_SET_CHILD_SUBREAPER = 36


def requests():
    for request in json.loads((FIXTURES / "bad_inputs.json").read_text(encoding="utf-8"))["requests"]:
        marks = []
        if request["cost"] != "cheap":
            marks.append(pytest.mark.torch)
            if request["name"] not in ALWAYS:
                marks.append(pytest.mark.slow)
        yield pytest.param(request, id=request["name"], marks=marks)


def write_file(request, folder: Path) -> None:
    spec = request.get("file")
    if spec is None:
        return
    path = folder / spec.get("name", f"{request['name']}.py")
    if "base64" in spec:
        path.write_bytes(base64.b64decode(spec["base64"]))
    else:
        path.write_text(spec["text"] * spec.get("times", 1), encoding="utf-8")


def children() -> set[int]:
    """Direct children of this process, adopted orphans included. Dead ones are reaped, as the init that would have
    adopted them does.
    """
    found = set()
    for task in Path("/proc/self/task").iterdir():
        found |= set(map(int, (task / "children").read_text().split()))
    dead = {pid for pid in found if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"}
    for pid in dead:
        os.waitpid(pid, 0)
    return found - dead


@pytest.fixture
def adopting():
    """Orphans of what a test starts become this process's children, so that they can be seen."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    before = children()
    yield lambda: children() - before
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def describe(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("request_", list(requests()))
def test_a_bad_request(request_, repository, tmp_path, adopting):
    folder, home = tmp_path / "folder", tmp_path / "home"
    folder.mkdir()
    write_file(request_, folder)
    before = describe(folder)
    words = [word.format(problems=FIXTURES / "bad_problems", tmp=folder) for word in request_["arguments"]]
    done = subprocess.run(
        [sys.executable, "-m", "kernelwright", *words],
        cwd=repository,
        env={**os.environ, "KERNELWRIGHT_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode in request_["exit_codes"], said
    assert "Traceback" not in said
    assert re.search(request_["message"], said), said
    assert adopting() == set()
    assert describe(folder) == before
    if done.returncode == 2:
        errors = [line for line in done.stderr.splitlines() if line.startswith("kernelwright: ")]
        assert len(errors) == 1
        assert re.search(request_["message"], errors[0]), errors
        assert done.stdout == ""
        assert list(home.glob("runs/*")) == []
        assert list(home.glob("index/*")) == []


def test_the_table_is_long_enough():
    assert len(list(requests())) >= 20
