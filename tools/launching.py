"""Starting workers: the mounts, the environment and the limits of each kind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.base import Job, Limits, Mount, Sandbox
from sandbox.devices import Device
from sandbox.errors import SandboxError
from sandbox.ownership import owner_tag
from tools.arena import Arena, roomy_folder
from tools.bytecode import compile_once
from tools.device.arena import DeviceArena
from tools.errors import JudgeUnavailable
from tools.harness.wire import BUILD, RUN
from tools.problem import JudgeSettings
from tools.worker import Worker, WorkerFailed

HARNESS_MOUNT = "/kernelwright/tools/harness"
HARNESS_SOURCE = Path(__file__).parent / "harness"
SESSION_WALL_S = 24 * 3600.0
TABLES_MOUNT = "/tables"
POOL_MOUNT = "/kernelwright/pool.so"
VERIFIER = "verifier"
HOPPER = 90
"""From here on, chips have instructions of their own, which the name asks for by an ``a``."""
MAX_THREADS = 4
"""Of a worker whose calls are made on a device: each has to be stopped and looked at, every window anew."""
STEADY = {
    # Bound threads: an unbound one may wake on its neighbour's core and wait there for the next tick.
    "OMP_PROC_BIND": "true",
    # malloc keeps what is freed. By default it gives large blocks back and gets them again, or not, as its own
    # history has it, and page faults then take longer than most operators (decision 008).
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
}
"""What every contender's environment has, so that calls differ in what is computed and in nothing else."""
UNBOUND = {"OMP_PROC_BIND": "false"}
"""What nobody times, or times elsewhere: importing torch binds a process to one processor otherwise, the first one for
all of them, and the compilers that it starts with it.
"""


class Launcher:
    """Starts workers with the mounts, the environment and the limits of their kind."""

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        threads: int,
        memory_bytes: int,
        timeout_s: float,
        device: Device | None = None,
        pool: Path | None = None,
    ) -> None:
        """``device``: what calls are made on, None for the host itself; ``pool``: the library that ``build_pool`` made
        for it.
        """
        self.sandbox = sandbox
        self.timeout_s = timeout_s
        self.device = device
        self._pool = Mount(pool, POOL_MOUNT) if pool is not None else None
        self._tables: Path | None = None
        self.threads = threads
        self.limits = Limits(
            wall_s=SESSION_WALL_S, memory_bytes=memory_bytes, processes=256 + 8 * threads, scratch_bytes=2 << 30
        )

    def inside(self, mount: Mount) -> str:
        """Path of a mount as a job sees it."""
        return self.sandbox.path_inside(mount)

    def start(
        self,
        kind: str,
        name: str,
        mounts: Sequence[Mount] = (),
        env: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        *,
        on_device: bool = True,
        **settings: Any,
    ) -> Worker:
        """Start one and return at once, while it still imports torch. Raises JudgeUnavailable.

        ``on_device``: whether it gets to see the device, if there is one; ``settings``: more of what it is told first.
        """
        harness = Mount(HARNESS_SOURCE, HARNESS_MOUNT)
        device = self.device if on_device else None
        try:
            arena = DeviceArena(self.inside, self._tables_mount()) if device else Arena()
        except OSError as error:
            raise JudgeUnavailable(f"no shared memory for the {name} process: {error.strerror}") from error
        program = f"{self.inside(harness)}/kernel_harness.py"
        job = Job(
            argv=(*self.sandbox.python, program, kind),
            mounts=(harness, arena.mount, *self._device_mounts(arena, kind), *mounts),
            env={**self._environment(kind, device), **({} if on_device else UNBOUND), **(env or {})},
            limits=self.limits,
            devices=device.nodes if device else (),
        )
        try:
            worker = Worker(
                self.sandbox.start(job), name, timeout_s or self.timeout_s, arena, trusted=kind != "candidate"
            )
        except (SandboxError, OSError) as error:
            arena.close()
            raise JudgeUnavailable(f"the {name} process could not be started: {error}") from error
        try:
            known = {"threads": self.threads, "arena": self.inside(arena.mount), **settings}
            if kind == "candidate" and self.device is not None:
                known["warm"] = RUN if on_device else BUILD
            worker.greet({**known, "device": device.kind} if device else known)
        except WorkerFailed as error:
            raise JudgeUnavailable(f"the {name} process ended at once: {error.detail}") from error
        return worker

    def surroundings(self) -> dict[str, str]:
        """The environment of a job on the device that is no worker: nobody reads its memory, so it has no pool."""
        return self._environment(VERIFIER, self.device)

    def _environment(self, kind: str, device: Device | None) -> dict[str, str]:
        threads = str(self.threads)
        steady = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, **STEADY}
        return {**steady, **self._device_environment(kind, device)}

    def _device_mounts(self, arena: Arena, kind: str) -> tuple[Mount, ...]:
        if not isinstance(arena, DeviceArena):
            return ()
        if kind == VERIFIER:
            return (arena.door.mount, self._tables_mount())
        return (arena.door.mount, *([self._pool] if self._pool is not None else []))

    def _tables_mount(self) -> Mount:
        """Where contenders' tables of outputs are made, and the verifier finds them."""
        if self._tables is None:
            self._tables = Path(tempfile.mkdtemp(prefix=f"kernelwright-{owner_tag()}-tables-", dir=roomy_folder()))
            self._tables.chmod(0o755)
        return Mount(self._tables, TABLES_MOUNT)

    def close(self) -> None:
        """Remove what workers shared; idempotent. They have ended."""
        if self._tables is not None:
            shutil.rmtree(self._tables, ignore_errors=True)

    def _device_environment(self, kind: str, device: Device | None) -> dict[str, str]:
        """What compilers and their caches find, with or without the device itself: folders of the worker's own."""
        # All that are bound would be bound to the same processor, and the verifier looks out without a pause.
        env = dict(UNBOUND) if device is not None else {}
        if self.device is None or self.device.kind != "cuda":
            return env
        number = self.device.architecture.removeprefix("sm")
        env |= {"KERNELWRIGHT_CUDA_ARCH": f"sm_{number}", "TORCH_CUDA_ARCH_LIST": f"{number[:-1]}.{number[-1]}"}
        # What the DSL would call the device if it saw it; what it compiled is found by this name.
        env["CUTE_DSL_ARCH"] = f"sm_{number}a" if int(number) >= HOPPER else f"sm_{number}"
        if device is not None:
            if kind == VERIFIER:
                env["CUDA_DEVICE_MAX_CONNECTIONS"] = "32"  # who looks at the device is in nobody's way
            env |= {"CUDA_CACHE_PATH": "/tmp/cuda", "TRITON_CACHE_DIR": "/tmp/triton"}  # noqa: S108 - its own
            if self._pool is not None and kind != VERIFIER:
                env["LD_PRELOAD"] = self.inside(self._pool)
        return env


def launcher_for(sandbox: Sandbox, settings: JudgeSettings, device: Device | None, folder: Path) -> Launcher:
    """A launcher as a judge's settings want it; ``folder`` is for what has to be built. Raises JudgeUnavailable."""
    if sandbox.python[0] == sys.executable:
        compile_once()
    return Launcher(
        sandbox,
        threads=settings.threads or min(len(os.sched_getaffinity(0)), MAX_THREADS if device else sys.maxsize),
        memory_bytes=settings.memory_bytes,
        timeout_s=settings.stage_timeout_s,
        device=device,
        pool=build_pool(folder) if device is not None and device.kind == "cuda" else None,
    )


def build_pool(folder: Path) -> Path:
    """Compile ``pool.c`` into ``folder``. Raises JudgeUnavailable."""
    library = folder / "pool.so"
    command = ["cc", "-O2", "-shared", "-fPIC", str(HARNESS_SOURCE / "pool.c"), "-o", str(library), "-ldl", "-lpthread"]
    try:
        built = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise JudgeUnavailable(f"a C compiler is needed to judge on a GPU: {error}; apt-get install gcc") from error
    if built.returncode:
        raise JudgeUnavailable(f"cc could not build pool.c: {built.stderr.strip().splitlines()[-1:]}")
    return library
