"""Ceilings of devices, kept on disk: measured once a GPU, once a run on the host, and never lowered in silence."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.devices import Device
from tools.problem import Description
from tools.roofline import Ceilings, Floor, floors

SCHEMA = "kernelwright.ceilings/2"
KEPT_DAYS = 30
"""So long the host's best measurement counts. What a machine shared with others reaches at one time is half of what it
reaches at another, and too low a ceiling would call an operator finished that is not.
"""
MUCH_LOWER = 0.9
"""Of what is kept: a measurement below it is worth a word."""
MEMORY_RATES = ("bandwidth", "copy", "read", "write")
_CACHES = Path("/sys/devices/system/cpu")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Machine:
    """What ceilings belong to: whatever is different here has its own."""

    kind: str
    name: str
    uuid: str
    driver: str
    torch: str
    threads: int

    @classmethod
    def of(cls, device: Device | None, description: Description) -> Machine:
        """The device, or the host with as many threads as contenders get."""
        torch, threads = description.torch_version, description.threads
        if device is None:
            return cls("cpu", description.cpu, "", "", torch, threads)
        return cls(device.kind, device.name, device.uuid, device.driver, torch, 0 if device.kind == "cuda" else threads)

    @property
    def file(self) -> str:
        """Name of its file."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:24] + ".json"


class CeilingStore:
    """One file a machine in a folder; without a folder nothing is kept."""

    def __init__(self, folder: Path | None, clock: Callable[[], datetime] = _now) -> None:
        self.notes: list[str] = []
        """What the reader of a verdict should know, one line each."""
        self._folder = folder
        self._clock = clock

    def of(self, machine: Machine, measure: Callable[[], Mapping[str, Any]]) -> Ceilings:
        """The ceilings of a machine: kept ones of a GPU as they are, those of the host measured anew, of each rate the
        fastest that was seen in ``KEPT_DAYS``.
        """
        kept = self._read(machine)
        if kept is not None and machine.kind == "cuda":
            return kept
        now = self._clock()
        found = _ceilings(machine, measure(), now.isoformat(timespec="seconds"))
        if kept is not None:
            found = self._merged(kept, found, now)
        self._write(machine, found)
        return found

    def _merged(self, kept: Ceilings, new: Ceilings, now: datetime) -> Ceilings:
        share = min(_rates(new).get(name, value) / value for name, value in _rates(kept).items())
        is_old = now - datetime.fromisoformat(kept.date) > timedelta(days=KEPT_DAYS)
        if share < MUCH_LOWER:
            what = "given up" if is_old else "kept"
            self.notes.append(
                f"this machine reaches only {share:.0%} of a ceiling measured on {kept.date[:10]}, which is {what}"
            )
        if is_old:
            return new
        ops = {name: max(value, kept.ops.get(name, value)) for name, value in new.ops.items()}
        # The date stays that of the first: the best of thirty days, not the best that ever was seen.
        best = {name: max(getattr(new, name), getattr(kept, name)) for name in MEMORY_RATES}
        return replace(new, ops=ops, **best, times=kept.times + 1, date=new.date if share >= 1 else kept.date)

    def _read(self, machine: Machine) -> Ceilings | None:
        """None for a file that is missing, damaged or not ours: then it is measured."""
        if self._folder is None:
            return None
        try:
            data = json.loads((self._folder / machine.file).read_text(encoding="utf-8"))
            if data["schema"] != SCHEMA or data["machine"] != asdict(machine):
                return None
            kept = Ceilings(**data["ceilings"])
            datetime.fromisoformat(kept.date).astimezone(UTC)
            fine = all(math.isfinite(rate) and rate > 0 for rate in _rates(kept).values())
            counts = isinstance(kept.cache_bytes, int) and isinstance(kept.times, int)
            return kept if fine and kept.ops and counts else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _write(self, machine: Machine, ceilings: Ceilings) -> None:
        if self._folder is None:
            return
        data = {"schema": SCHEMA, "machine": asdict(machine), "ceilings": asdict(ceilings)}
        path = self._folder / machine.file
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
            part.replace(path)
        except OSError as error:
            self.notes.append(f"the ceilings of this machine could not be kept: {error.strerror}")


def _rates(ceilings: Ceilings) -> dict[str, float]:
    return {**{name: getattr(ceilings, name) for name in MEMORY_RATES}, **ceilings.ops}


def _ceilings(machine: Machine, measured: Mapping[str, Any], date: str) -> Ceilings:
    return Ceilings(
        device=machine.name,
        bandwidth=float(measured["bandwidth"]),
        copy=float(measured["copy"]),
        read=float(measured["read"]),
        write=float(measured["write"]),
        ops={name: float(value) for name, value in measured["ops"].items()},
        cache_bytes=int(measured["cache_bytes"]) or host_cache_bytes(),
        kind=machine.kind,
        driver=machine.driver,
        torch=machine.torch,
        date=date,
    )


def host_cache_bytes(root: Path = _CACHES) -> int:
    """Of the processors' last-level caches, all of them together; 0 where the system does not say."""
    found: dict[str, tuple[int, int]] = {}
    for index in root.glob("cpu[0-9]*/cache/index[0-9]*"):
        try:
            level = int((index / "level").read_text())
            sharers = (index / "shared_cpu_list").read_text().strip()
            text = (index / "size").read_text().strip()
            size = int(text.rstrip("KM")) << {"K": 10, "M": 20}.get(text[-1:], 0)
        except (OSError, ValueError):
            continue
        found[f"{level} {sharers}"] = level, max(size, found.get(f"{level} {sharers}", (0, 0))[1])
    last = max((level for level, _ in found.values()), default=0)
    return sum(size for level, size in found.values() if level == last)


class Roof:
    """The floors of one problem on one machine, measured before any candidate exists that could disturb it."""

    def __init__(self, store: CeilingStore, device: Device | None, precision: str) -> None:
        self.notes = store.notes
        self.floors: dict[str, Floor] = {}
        self._store = store
        self._device = device
        self._precision = precision
        self._ceilings: Ceilings | None = None

    def over(self, description: Description, measure: Callable[[], Mapping[str, Any]]) -> Description:
        """The description with the floor of every case that has one. ``measure`` is asked once at most."""
        if self._ceilings is None:
            self._ceilings = self._store.of(Machine.of(self._device, description), measure)
            self.floors = floors(description, self._ceilings, self._precision)
        cases = tuple(case.model_copy(update={"floor": self.floors.get(case.name)}) for case in description.cases)
        return description.model_copy(update={"cases": cases})

    def least_s(self, needed: Mapping[str, int], margin: float) -> dict[str, float]:
        """By case, the time to read so many bytes if memory were ``margin`` times as quick as it copies."""
        assert self._ceilings is not None  # it was described
        return {case: size / (margin * self._ceilings.copy) for case, size in needed.items()}
