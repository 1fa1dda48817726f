"""Accelerators of this machine: what there is, and one exclusive lease for each (``sandbox.leases``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sandbox.errors import SandboxUnavailable
from sandbox.leases import FileLease, Patience
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


class Lease:
    """One device, held alone among all that ask for it on this machine; nothing at all without a device."""

    def __init__(self, device: Device | None, patience: Patience | None = None) -> None:
        name = None if device is None else f"device-{device.uuid or device.kind}"
        self._lease = None if name is None else FileLease(name, patience)

    def take(self) -> None:
        """Wait for who has it, and hold it; idempotent. Raises what ``Patience.leave`` raises."""
        if self._lease is not None:
            self._lease.take()

    def give_back(self) -> None:
        """Let others have it; idempotent."""
        if self._lease is not None:
            self._lease.give_back()


def host_device(memory_bytes: int = 1 << 30, name: str = "") -> Device:
    """Plain memory that passes for a device's."""
    return Device("host", "plain memory", memory_bytes=memory_bytes, uuid=name)


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
