"""``kernelwright memory search | add | import | export``: look into what was learned, carry it elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernelwright import exit_codes
from kernelwright.output import one_line, table, write, write_json
from kernelwright.wording import speedup
from tools.errors import RequestError

if TYPE_CHECKING:
    from memory.experience import Experience
    from memory.sqlite import SqliteStore
    from memory.store import Recalled

SCHEMA = "kernelwright.memory/1"


def run(arguments: dict[str, Any]) -> int:
    """Dispatch to the action."""
    from agent.settings import AgentSettings
    from memory.sqlite import SqliteStore

    action = {"search": _search, "add": _add, "import": _import, "export": _export}[arguments["action"]]
    with closing(SqliteStore(AgentSettings.load().memory_path)) as store:
        action(store, arguments)
    return exit_codes.DONE


def _search(store: SqliteStore, arguments: dict[str, Any]) -> None:
    hits = store.search(" ".join(arguments["text"]), arguments.get("limit", 10))
    if arguments.get("json"):
        write_json({"schema": SCHEMA, "hits": [_hit(hit) for hit in hits]})
    elif hits:
        rows = [_row(hit) for hit in hits]
        write(table(rows, header=("id", "problem", "target", "verdict", "strategy", "lesson")))
    else:
        write("nothing found")


def _hit(hit: Recalled) -> dict[str, Any]:
    return {"score": hit.score, "why": hit.why, "experience": hit.experience.model_dump(mode="json")}


def _row(hit: Recalled) -> tuple[str, ...]:
    item = hit.experience
    verdict = speedup(item.speedup) if item.status == "accepted" else f"{item.status}: {item.reason}"
    return (item.id[:12], item.problem, item.target, verdict, one_line(item.strategy), one_line(item.lesson))


def _add(store: SqliteStore, arguments: dict[str, Any]) -> None:
    text = _read(arguments["file"])
    _store(store, [_parse(text, arguments["file"])], arguments)


def _import(store: SqliteStore, arguments: dict[str, Any]) -> None:
    lines = enumerate(_read(arguments["file"]).splitlines(), start=1)
    # every line is checked before the first is stored, so that a damaged file changes nothing
    parsed = [_parse(line, f"{arguments['file']}:{number}") for number, line in lines if line.strip()]
    _store(store, parsed, arguments)


def _store(store: SqliteStore, experiences: Iterable[Experience], arguments: dict[str, Any]) -> None:
    added = [store.add(item) for item in experiences]
    stored, known = sum(added), len(added) - sum(added)
    if arguments.get("json"):
        write_json({"schema": SCHEMA, "stored": stored, "known": known})
    else:
        write(f"{stored} stored, {known} known already")


def _export(store: SqliteStore, arguments: dict[str, Any]) -> None:
    file = arguments["file"]
    if file == "-":
        if arguments.get("json"):
            write_json({"schema": SCHEMA, "experiences": [item.model_dump(mode="json") for item in store.entries()]})
            return
        for line in _lines(store):
            write(line)
        return
    try:
        Path(file).write_text("".join(f"{line}\n" for line in _lines(store)), encoding="utf-8")
    except OSError as error:
        raise RequestError(f"cannot write {file}: {error.strerror}: give another path") from error
    if arguments.get("json"):
        write_json({"schema": SCHEMA, "exported": store.count(), "path": str(Path(file).absolute())})
    else:
        write(f"{store.count()} exported to {file}")


def _lines(store: SqliteStore) -> Iterator[str]:
    return (item.model_dump_json() for item in store.entries())


def _read(file: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return raw.decode("utf-8")
    except OSError as error:
        raise RequestError(f"cannot read {file}: {error.strerror}: give the path of an exported file") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"{file} is not UTF-8 text: give a file that `memory export` wrote") from error


def _parse(text: str, where: str) -> Experience:
    from pydantic import ValidationError

    from memory.experience import Experience

    try:
        return Experience.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "the line"
        raise RequestError(f"{where} is no experience: {field}: {first['msg']}") from error
