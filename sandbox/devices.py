"""Accelerators of this machine: what there is, and one exclusive lease for each.

A lease is a lock on a file, so that it ends with the process that holds it, whatever happens to that.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sandbox.errors import SandboxUnavailable
from sandbox.target import Target

_CONTROL = ("/dev/nvidiactl", "/dev/nvidia-uvm")
_HINT = "pip install nvidia-ml-py, and see that nvidia-smi works"


@dataclass(frozen=True)
class Device:
    """One accelerator."""

    kind: Literal["cuda", "host"]
    """``host``: plain memory in its place, for trying things out where there is none."""
    name: str
    architecture: str = ""
    """As targets name it: ``sm90``."""
    memory_bytes: int = 0
    nodes: tuple[str, ...] = ()
    """Device files that a job needs to use it."""
    uuid: str = ""
    driver: str = ""

    @contextmanager
    def leased(self) -> Iterator[None]:
        """Hold it alone among all that ask; waits for who has it."""
        path = Path(tempfile.gettempdir(), f"kernelwright-device-{self.uuid or self.kind}.lock")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        with suppress(PermissionError):
            path.chmod(0o666)  # another user may want it next
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def host_device(memory_bytes: int = 1 << 30) -> Device:
    """Plain memory that passes for a device's."""
    return Device("host", "plain memory", memory_bytes=memory_bytes)


def find_devices() -> tuple[Device, ...]:
    """NVIDIA's GPUs, in the driver's order; none where there is no driver, or nothing to ask it with."""
    try:
        import pynvml
    except ImportError:
        return ()
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        return tuple(_device(pynvml, index, driver) for index in range(pynvml.nvmlDeviceGetCount()))
    finally:
        pynvml.nvmlShutdown()


def _device(nvml: Any, index: int, driver: str) -> Device:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
    node = f"/dev/nvidia{nvml.nvmlDeviceGetMinorNumber(handle)}"
    nodes = tuple(path for path in (node, *_CONTROL) if Path(path).exists())
    return Device(
        kind="cuda",
        name=_text(nvml.nvmlDeviceGetName(handle)),
        architecture=f"sm{major}{minor}",
        memory_bytes=int(nvml.nvmlDeviceGetMemoryInfo(handle).total),
        nodes=nodes,
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        driver=driver,
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def device_of(target: Target) -> Device | None:
    """What calls for a target are made on: its first GPU here, None for the host's own processors.

    Raises SandboxUnavailable, saying what there is instead.
    """
    if target.family != "cuda":
        return None
    architecture, found = target.architecture, find_devices()
    for device in found:
        if device.architecture == architecture:
            return device
    there = ", ".join(f"{device.name} ({device.architecture})" for device in found) or "no NVIDIA GPU that answers"
    raise SandboxUnavailable(f"no {architecture} GPU on this machine: it has {there}", _HINT)
