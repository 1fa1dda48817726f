"""Where things are judged: one GPU, or plain memory in its place; and what has to be known of the machine."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.folder import package_version
from evals.errors import EvalError
from sandbox.base import Job, Limits, Sandbox
from sandbox.devices import Device, find_devices, host_device
from tools.judging import SandboxedJudge
from tools.problem import JudgeSettings, Problem

REHEARSAL_BYTES = 2 << 30
# Of files alone: importing torch would take seconds of a GPU's time.
VERSIONS = """
import importlib.metadata, importlib.util, json, os, pathlib, platform, re, shutil, subprocess
found = {"python": platform.python_version()}
for name in ("torch", "triton", "nvidia-cutlass-dsl"):
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        found[name] = None
spec = importlib.util.find_spec("torch")
text = pathlib.Path(spec.submodule_search_locations[0], "version.py").read_text() if spec else ""
cuda = re.search(r"^cuda\\b[^=]*= *['\\"]([\\d.]+)", text, re.MULTILINE)
found["cuda"] = cuda.group(1) if cuda else None
nvcc = shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
said = subprocess.run([nvcc, "--version"], capture_output=True, text=True).stdout if os.path.exists(nvcc) else ""
release = re.search(r"release [\\d.]+, V([\\d.]+)", said)
found["nvcc"] = release.group(1) if release else None
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Place:
    """A device, the sandbox that candidates run in, and a folder."""

    sandbox: Sandbox
    device: Device
    target: str
    """As verdicts name it."""
    language: str
    """What the builtin model writes."""
    folder: Path

    @property
    def is_rehearsal(self) -> bool:
        """Whether there is no GPU, and no number means anything."""
        return self.device.kind != "cuda"

    def open(self, problem: Problem, settings: JudgeSettings, seed: int) -> SandboxedJudge:
        """A judge whose first processes have been started. Raises JudgeUnavailable."""
        cache = self.folder / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        judge = SandboxedJudge(
            problem,
            self.sandbox,
            settings,
            self.folder / "work",
            cache_dir=cache,
            language=self.language,
            target=self.target,
            seed=seed,
            device=self.device,
        )
        try:
            judge.prepare()
        except BaseException:
            judge.close()
            raise
        return judge

    def facts(self) -> dict[str, Any]:
        """Device, driver and versions, those inside the sandbox. Raises EvalError, SandboxError."""
        job = Job(argv=(*self.sandbox.python, "-c", VERSIONS), limits=Limits(wall_s=60.0))
        done = self.sandbox.run(job)
        if not done.ok:
            raise EvalError(f"the sandbox's Python does not tell its versions: {done.stderr.decode()[-300:].strip()}")
        return {
            "device": self.device.name,
            "architecture": self.device.architecture,
            "driver": self.device.driver,
            "device_gib": round(self.device.memory_bytes / 2**30, 1),
            **json.loads(done.stdout),
            "processors": len(os.sched_getaffinity(0)),
            "system": f"{platform.system()} {platform.machine()}",
            "isolation": str(self.sandbox.isolation),
            "kernelwright": package_version(),
            "rehearsal": self.is_rehearsal,
        }


def place_on(sandbox: Sandbox, folder: Path, *, rehearse: bool) -> Place:
    """The first GPU here, or plain memory for a rehearsal. Raises EvalError."""
    if rehearse:
        return Place(sandbox, host_device(REHEARSAL_BYTES, "bench-gpu"), "cpu", "cpp", folder)
    devices = find_devices()
    if not devices:
        raise EvalError("no NVIDIA GPU answers here: try it out with --rehearse")
    return Place(sandbox, devices[0], f"cuda:{devices[0].architecture}", "triton", folder)
