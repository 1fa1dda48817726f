"""What compilers made of a candidate, as text: read in a sandbox of its own, like every file that a build left.

The text is the candidate's own doing and may say anything: it is shown to who wrote the candidate, and decides nothing.
"""

from __future__ import annotations

import re
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict

from sandbox.base import Execution
from tools.problem_text import one_line
from tools.profiling.base import Output, Plan, sections_of, told
from tools.profiling.diagnosis import ProfilerFailed

Part = Literal["machine", "ptx", "ttgir"]
PARTS: tuple[str, ...] = get_args(Part)
PLAN = Plan(program="compiled_report.py", texts=True)
CODE_S = 60.0
MAX_TEXT = 512 << 10
"""Of one file."""
MAX_ROW = 1_000
"""Of one line: a candidate may have written the file itself, and regular expressions take their time."""
_PLACES = re.compile(r"\s*loc\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)")
_NOISE = re.compile(r"^\s*(?:#loc\d*\s*=.*|\.loc\b.*|\.file\b.*|//.*|\$L__(?:tmp|func_)\w+:.*)?$")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class CodeText(_Frozen):
    """One file."""

    part: str
    """One of ``PARTS``."""
    file: str
    about: str = ""
    """How it was compiled, where that is known: ``num_warps=4``."""
    text: str


class CodeResult(_Frozen):
    """What a build left, or why nobody could read it."""

    ok: bool
    reason: str | None = None
    """``Reason`` of a profile, or a build's reason."""
    detail: str = ""
    on_gpu: bool = False
    texts: tuple[CodeText, ...] = ()
    missing: str = ""
    """Which tool is not installed, so that there is no machine code; and how to mend that."""
    left_out: int = 0
    """Files for which there was no room."""


def read_code(done: Execution) -> CodeResult:
    """What came of the job. Pure."""
    output = Output(
        done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"), exit_code=done.exit_code
    )
    try:
        if done.timed_out or done.out_of_memory:
            raise ProfilerFailed("timeout", "the code is too long to be taken apart in time: make it shorter")
        facts = told(output)
    except ProfilerFailed as error:
        return CodeResult(ok=False, reason=error.reason, detail=one_line(error.detail))
    sections = [_section(header, text) for header, text in sections_of(output.stdout)]
    return CodeResult(
        ok=True,
        on_gpu=facts.get("device") == "cuda",
        texts=tuple(section for section in sections if section.text.strip()),
        missing=one_line(str(facts.get("no_tool") or "")),
        left_out=facts["left_out"] if isinstance(facts.get("left_out"), int) else 0,
    )


def _section(header: dict[str, Any], text: str) -> CodeText:
    part = header.get("part") if header.get("part") in PARTS else "machine"
    given = header["given"] if isinstance(header.get("given"), dict) else {}
    text = "".join(letter for letter in text if letter in "\n\t" or letter.isprintable())
    about = " ".join(f"{name}={given[name]}" for name in ("num_warps", "num_stages") if name in given)
    return CodeText(
        part=str(part),
        file=one_line(str(header.get("file", "")), 80),
        about=one_line(about, 60),
        text=plain(text)[:MAX_TEXT] if part != "machine" else text[:MAX_TEXT],
    )


def plain(text: str) -> str:
    """Intermediate code without where each line came from, and without what is for debuggers."""
    text = text.partition("\n\t.section\t.debug")[0]
    lines = (_PLACES.sub("", line[:MAX_ROW].partition(" // candidate.py")[0]).rstrip() for line in text.splitlines())
    return "\n".join(line for line in lines if not _NOISE.match(line))
