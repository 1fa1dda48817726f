"""What compilers made of a candidate: every file of code that its build left, taken apart or as it is. Runs nothing.

Run as ``python compiled_report.py JSON`` in a sandbox of its own, with the build folder read-only. The files are the
candidate's and may be anything; only NVIDIA's and GNU's tools read them, each within a time limit.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

MARK = "@profiled "
SECTION = "@file "
MAX_FILES = 64
MAX_TEXT = 4 << 20
TOOL_S = 20.0
ENCODING = re.compile(r"/\* 0x[0-9a-f]{16} \*/")
GIVEN = ("name", "num_warps", "num_stages", "shared")
"""Of what Triton writes beside a kernel."""


def find_tool(name: str) -> str | None:
    """A program of the CUDA toolkit: on the path, in its usual place, or the one that comes with Triton."""
    spec = importlib.util.find_spec("triton")
    folders = [Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"), "bin")]
    if spec is not None and spec.submodule_search_locations:
        folders += [Path(place, "backends/nvidia/bin") for place in spec.submodule_search_locations]
    candidates = [shutil.which(name), *(str(folder / name) for folder in folders)]
    return next((path for path in candidates if path and os.access(path, os.X_OK)), None)


def said_by(*argv: str) -> str:
    """What a tool prints, cut; empty where it fails."""
    try:
        done = subprocess.run(argv, capture_output=True, check=False, timeout=TOOL_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout[:MAX_TEXT].decode("utf-8", "replace") if done.returncode == 0 else ""


def files_below(folder: str, *endings: str) -> list[Path]:
    """Ordinary files with these endings, never a link."""
    found = []
    for place, _, names in os.walk(folder):
        found += [Path(place, name) for name in sorted(names) if name.endswith(endings)]
    return sorted(path for path in found if path.is_file() and not path.is_symlink())[:MAX_FILES]


def given_beside(file: Path) -> dict[str, Any]:
    """What Triton wrote beside a kernel."""
    beside = file.with_suffix(".json")
    if not beside.is_file() or beside.is_symlink() or beside.stat().st_size > MAX_TEXT:
        return {}
    try:
        whole = json.loads(beside.read_text(encoding="utf-8", errors="replace"))
        return {name: whole[name] for name in GIVEN if name in whole}
    except (ValueError, TypeError, RecursionError):
        return {}


def of_device(file: Path, cuobjdump: str) -> str:
    """Resources and instructions of a file's kernels, in cuobjdump's words, without the instructions' encodings."""
    resources = said_by(cuobjdump, "--dump-resource-usage", str(file))
    code = ENCODING.sub("", said_by(cuobjdump, "-sass", str(file)))
    lines = [line.rstrip() for line in code.splitlines() if line.strip()]
    return f"{resources}\n" + "\n".join(lines)


def of_host(file: Path, objdump: str) -> str:
    """A library's instructions, in objdump's words."""
    return said_by(objdump, "--disassemble", "--no-show-raw-insn", "--demangle", str(file))


def of_text(file: Path) -> str:
    """Intermediate code as it lies there, cut."""
    with file.open("rb") as opened:
        return opened.read(MAX_TEXT).decode("utf-8", "replace")


def chosen(request: dict[str, Any], tool: str | None) -> list[tuple[Path, str]]:
    """Files to tell of, and what each of them holds."""
    found: list[tuple[Path, str]] = []
    if tool is not None:
        endings = (".cubin", ".so") if request["device"] == "cuda" else (".so",)
        found += [(file, "machine") for ending in endings for file in files_below(request["build"], ending)]
    if request.get("texts"):
        found += [(file, file.suffix[1:]) for file in files_below(request["build"], ".ttgir", ".ptx")]
    return found


def carry_out(request: dict[str, Any]) -> dict[str, Any]:
    """Print everything below the folder that holds code; what else there is to say."""
    on_gpu = request["device"] == "cuda"
    tool = find_tool("cuobjdump" if on_gpu else "objdump")
    where = "cuobjdump comes with the CUDA toolkit and with Triton" if on_gpu else "apt-get install binutils"
    missing = f"what takes compiled code apart is not installed in the sandbox: {where}" if tool is None else ""
    if missing and not request.get("texts"):
        return {"missing": missing}
    files = chosen(request, tool)
    left, told = MAX_TEXT, 0
    for file, part in files[: 2 * MAX_FILES]:
        if part != "machine":
            text = of_text(file)
        else:
            text = of_device(file, str(tool)) if on_gpu else of_host(file, str(tool))
        if len(text) > left:
            break
        left -= len(text)
        told += 1
        header = {"file": file.name, "part": part, "given": given_beside(file) if on_gpu else {}}
        sys.stdout.write(f"{SECTION}{json.dumps(header)}\n{text}\n")
    facts = {"device": request["device"], "files": told, "left_out": len(files) - told}
    return facts | ({"no_tool": missing} if missing else {})


def main() -> None:
    """Say what there is; the last line is the facts."""
    facts = carry_out(json.loads(sys.argv[1]))
    sys.stdout.write(f"\n{MARK}{json.dumps(facts)}\n")


if __name__ == "__main__":
    main()
