"""What this machine has, looked up without importing torch."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tools.bytecode import uncompiled

if TYPE_CHECKING:
    from agent.settings import AgentSettings

OPENMP_PROGRAM = "#include <omp.h>\nint main() { return omp_get_max_threads() > 0 ? 0 : 1; }\n"
COMPILE_TIMEOUT_S = 30.0
SETS_OF_NOTE = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")

NO_GPU = "none that answers; the targets cuda need one"
CUTE_PACKAGE = "nvidia_cutlass_dsl"

Status = Literal["ok", "warning", "missing"]


@dataclass(frozen=True)
class Check:
    """One line of ``doctor``."""

    name: str
    status: Status
    """``missing`` stops the main job; ``warning`` takes something away."""
    found: str
    mend: str = ""
    """The command or change that would make it ok; empty when it is."""
    details: dict[str, str] = field(default_factory=dict)
    """For an isolation: each limit and what holds it."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def survey_machine(settings: AgentSettings) -> list[Check]:
    """Every check, in the order in which they matter. Takes about a second."""
    isolations, docker = check_isolations()
    return [
        check_python(),
        check_processor(),
        check_torch(docker),
        check_compiler(docker),
        check_headers(docker),
        gpu := check_gpu(),
        check_cute(on_gpu=gpu.found != NO_GPU),
        *isolations,
        check_home(settings.home),
        check_memory(settings),
        *check_models(settings),
    ]


def check_models(settings: AgentSettings) -> list[Check]:
    """Whether the models of the settings can be asked; nothing where only the builtin one is meant."""
    if settings.model == "builtin":
        return []
    from agent.models.probing import probe_models

    return [
        Check("model", "ok" if one.works else "missing", f"{one.model}: {one.found}", one.mend)
        for one in probe_models(settings)
    ]


def check_python() -> Check:
    """The interpreter this runs under."""
    return Check("python", "ok", f"{platform.python_version()} at {sys.executable}")


def check_processor() -> Check:
    """Model, cores this process may use, vector instruction sets, memory."""
    text = _read("/proc/cpuinfo")
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    present = set(flags.group(1).split()) if flags else set()
    total = re.search(r"^MemTotal:\s*(\d+) kB$", _read("/proc/meminfo"), re.MULTILINE)
    parts = [model.group(1) if model else platform.machine(), f"{len(os.sched_getaffinity(0))} cores"]
    parts += [name for name in SETS_OF_NOTE if name in present]
    if total:
        parts.append(f"{int(total.group(1)) / 2**20:.0f} GiB memory")
    return Check("cpu", "ok", ", ".join(parts))


def check_torch(docker: bool) -> Check:
    """Torch for the sandboxed side; found, never imported."""
    if importlib.util.find_spec("torch") is not None:
        found = f"{metadata.version('torch')}, for the sandboxed side"
        locked = [str(folder) for folder in uncompiled() if not os.access(folder, os.W_OK)]
        if locked:
            slow = f"{found}; without compiled files: each process takes seconds longer to start"
            mend = f"as their owner: {sys.executable} -m compileall -q {' '.join(locked)}"
            return Check("torch", "warning", slow, mend)
        return Check("torch", "ok", found)
    mend = f"make setup, or {sys.executable} -m pip install torch"
    if docker:
        return Check("torch", "ok", "in the docker sandbox image")
    return Check("torch", "missing", "not installed beside kernelwright", mend)


def check_compiler(docker: bool) -> Check:
    """A C++ compiler that can build OpenMP programs."""
    path = shutil.which("g++")
    if path is None:
        if docker:
            return Check("g++", "ok", "in the docker sandbox image")
        return Check("g++", "missing", "not found", "apt-get install g++")
    version = _output([path, "-dumpfullversion"]) or "unknown version"
    with tempfile.TemporaryDirectory(prefix="kernelwright-") as folder:
        source = Path(folder) / "openmp.cpp"
        source.write_text(OPENMP_PROGRAM, encoding="utf-8")
        program = Path(folder) / "openmp"
        if _output([path, "-fopenmp", str(source), "-o", str(program)]) is None:
            return Check("g++", "missing", f"{version} without OpenMP", "apt-get install g++ libgomp1")
    return Check("g++", "ok", f"{version} with OpenMP")


def check_headers(docker: bool) -> Check:
    """Python's C headers: without them torch.compile cannot build what it generates for a CPU."""
    if (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        return Check("headers", "ok", f"Python.h of {platform.python_version()}")
    if docker:
        return Check("headers", "ok", "in the docker sandbox image")
    mend = "apt-get install python3-dev"
    return Check("headers", "warning", "no Python.h: torch.compile cannot be a baseline", mend)


def check_gpu() -> Check:
    """NVIDIA's GPUs, and what is missing to judge on them. Without one nothing is missing."""
    from sandbox.devices import find_devices

    found = find_devices()
    if found:
        names = [f"{device.name} ({device.architecture}, {device.memory_bytes / 2**30:.0f} GiB)" for device in found]
        if shutil.which("cc") is None:
            return Check("gpu", "warning", f"{', '.join(names)}, and no C compiler", "apt-get install gcc")
        return Check("gpu", "ok", f"{', '.join(names)}, driver {found[0].driver}")
    if Path("/dev/nvidiactl").exists() and importlib.util.find_spec("pynvml") is None:
        return Check("gpu", "warning", "a driver that cannot be asked", f"{sys.executable} -m pip install nvidia-ml-py")
    return Check("gpu", "ok", NO_GPU)


def check_cute(*, on_gpu: bool) -> Check:
    """CuTe DSL, a language for NVIDIA's GPUs; found, never imported. Without a GPU it is not missing."""
    if importlib.util.find_spec(CUTE_PACKAGE) is not None:
        try:
            version = metadata.version("nvidia-cutlass-dsl")
        except metadata.PackageNotFoundError:
            version = "of an unknown version"
        return Check("cute dsl", "ok", f"{version}, for --language cute")
    mend = f"{sys.executable} -m pip install 'nvidia-cutlass-dsl[cu13]'"
    return Check("cute dsl", "warning" if on_gpu else "ok", "not installed: no --language cute", mend if on_gpu else "")


def check_isolations() -> tuple[list[Check], bool]:
    """One check an isolation, strongest first, and whether docker is among those that work."""
    from sandbox.base import Isolation
    from sandbox.opening import survey

    found = survey()
    chosen = next((item.isolation for item in found if item.available), None)
    boundary = any(item.available and item.isolation.is_boundary for item in found)
    checks = []
    for item in found:
        name = str(item.isolation)
        if item.available:
            text = "works" + (", used by default" if item.isolation is chosen else "")
            if not item.isolation.is_boundary:
                text += ", no security boundary"
            loose = [limit for limit, holder in item.enforcement.items() if holder == "not enforced"]
            if loose and item.isolation.is_boundary:
                text += f"; not enforced: {', '.join(loose)}"
            checks.append(Check(name, "ok", text, details=dict(item.enforcement)))
        else:
            # One sandbox worth the name is enough; without any, only the builtin model may write code.
            checks.append(Check(name, "warning", item.reason, "" if boundary else item.hint))
    return checks, any(item.available and item.isolation is Isolation.DOCKER for item in found)


def check_home(home: Path) -> Check:
    """Whether runs can be written."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=home):
            pass
    except OSError as error:
        return Check(
            "home",
            "missing",
            f"{home}: {error.strerror}",
            "set KERNELWRIGHT_HOME to a folder that can be written",
        )
    free = shutil.disk_usage(home).free / 2**30
    if free < 1:
        return Check("home", "warning", f"{home}, {free:.1f} GiB free", "free some disk space")
    return Check("home", "ok", f"{home}, {free:.0f} GiB free")


def check_memory(settings: AgentSettings) -> Check:
    """Whether the experience store opens."""
    from contextlib import closing

    from memory.errors import StoreError
    from memory.sqlite import SqliteStore

    try:
        with closing(SqliteStore(settings.memory_path)) as store:
            return Check("memory", "ok", f"{store.count()} experiences in {settings.memory_path}")
    except StoreError as error:
        return Check("memory", "missing", str(error), "see above")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:  # no such file outside Linux
        return ""


def _output(argv: list[str]) -> str | None:
    """Standard output of a command that succeeded, else None."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
