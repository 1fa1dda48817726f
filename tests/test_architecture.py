"""The house rules, executed. A rule that is not here is a wish."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOMS = ("kernelwright", "evals", "agent", "tools", "sandbox", "memory")
DISTRIBUTION = "kernelwright"

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

# Places where an error of any kind is turned into data, each with the reason it may.
BROAD_EXCEPT_ALLOWED = {
    "kernelwright/cli.py": "the last border: whatever is left becomes one line and a file with the traceback",
    "tools/harness/": "runs the user's and the candidate's code, which may raise anything",
}
PRINT_ALLOWED = ("kernelwright/", "tools/harness/")
ENVIRONMENT_ALLOWED = {
    "agent/settings.py": "the settings",
    "tools/harness/": "inside the sandbox, where the environment is what the job says",
    "sandbox/conformance_sessions.py": "tests: gives a controller it starts the environment of the test",
}
CORPUS = ("problems", "attacks", "honest", "gpu_attacks", "gpu_honest", "open_attacks")
PROGRAMS = ("evals/problems/", *(f"evals/integrity/{kind}/" for kind in CORPUS))
"""What is judged: data to us, never imported."""
SANDBOXED_ONLY = ("tools/harness/", *PROGRAMS)


def python_files(repository: Path) -> list[tuple[str, ast.Module, str]]:
    found = []
    for room in ROOMS:
        for path in sorted((repository / room).rglob("*.py")):
            name = path.relative_to(repository).as_posix()
            if not name.startswith(PROGRAMS):
                text = path.read_text(encoding="utf-8")
                found.append((name, ast.parse(text), text))
    return found


@pytest.fixture(scope="module")
def sources(repository: Path) -> list[tuple[str, ast.Module, str]]:
    files = python_files(repository)
    assert len(files) > 20
    return files


def allowed(name: str, places: object) -> bool:
    return any(name == place or (place.endswith("/") and name.startswith(place)) for place in places)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def in_python(code: str, repository: Path, **environment: str) -> str:
    """Run ``code`` in a fresh interpreter with nothing in its environment; its standard output."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=repository,
        env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def modules_after(statement: str, repository: Path) -> set[str]:
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    return set(json.loads(in_python(code, repository).splitlines()[-1]))


def test_imports_go_down_only(repository):
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_files_are_short(sources):
    long = {name: lines for name, _, text in sources if (lines := len(text.splitlines())) > MAX_FILE_LINES}
    assert long == {}, f"more than {MAX_FILE_LINES} lines: split by subject"


def test_functions_are_short(sources):
    long = {
        f"{name}:{function.lineno} {function.name}": lines
        for name, tree, _ in sources
        for function in functions(tree)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > MAX_FUNCTION_LINES
    }
    assert long == {}, f"more than {MAX_FUNCTION_LINES} lines: give a part of it a name"


def test_functions_are_annotated(sources):
    bare = [
        f"{name}:{function.lineno} {function.name}"
        for name, tree, _ in sources
        if not allowed(name, ["tools/harness/"])
        for function in functions(tree)
        if function.returns is None
    ]
    assert bare == []


def test_broad_excepts_raise_again(sources):
    def is_broad(handler: ast.ExceptHandler) -> bool:
        caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        return any(
            item is None or (isinstance(item, ast.Name) and item.id in {"Exception", "BaseException"})
            for item in caught
        )

    swallowing = [
        f"{name}:{node.lineno}"
        for name, tree, _ in sources
        if not allowed(name, BROAD_EXCEPT_ALLOWED)
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and is_broad(node)
        and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
    ]
    assert swallowing == [], "name the errors that are expected, or raise again"


def test_only_the_face_prints(sources):
    printing = [
        f"{name}:{node.lineno}"
        for name, tree, _ in sources
        if not allowed(name, PRINT_ALLOWED)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printing == [], "give it to the event log, or return it"


def test_only_settings_read_the_environment(sources):
    reading = [
        f"{name}:{node.lineno}"
        for name, tree, _ in sources
        if not allowed(name, ENVIRONMENT_ALLOWED)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and node.attr in {"environ", "getenv", "environb"}
    ]
    assert reading == [], "settings are read in one place: agent/settings.py"


def test_only_the_sandboxed_side_imports_torch(sources):
    importing = [
        f"{name}:{node.lineno}"
        for name, tree, _ in sources
        if not allowed(name, SANDBOXED_ONLY)
        for node in ast.walk(tree)
        if (isinstance(node, ast.Import) and any(item.name.split(".")[0] == "torch" for item in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "torch")
    ]
    assert importing == []


def test_no_module_takes_a_name_of_the_standard_library(sources):
    taken = [name for name, _, _ in sources if Path(name).stem in sys.stdlib_module_names - {"__init__"}]
    exempt = {"kernelwright/__main__.py"}
    assert [name for name in taken if name not in exempt] == []


def test_no_drawers_for_odds_and_ends(sources):
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [name for name, _, _ in sources if drawers & set(Path(name).with_suffix("").parts)] == []


@pytest.mark.parametrize("room", ROOMS)
def test_importing_a_room_does_no_work(repository, tmp_path, room):
    """In an empty environment, in a folder that stays empty, with no output and no socket."""
    code = (
        "import sys, socket\n"
        "def refuse(*a, **k): raise AssertionError('opened a socket at import')\n"
        "socket.socket.connect = refuse\n"
        f"sys.path.insert(0, {str(repository)!r})\n"
        f"import {room}\n"
    )
    assert in_python(code, tmp_path, HOME=str(tmp_path)) == ""
    assert list(tmp_path.iterdir()) == []


def test_the_controller_never_imports_torch(repository):
    statement = "import kernelwright, kernelwright.cli, agent.run, agent.graph, tools.judging, evals"
    assert "torch" not in modules_after(statement, repository)


def test_help_is_cheap(repository):
    """Asserted on what is imported, not on a clock."""
    statement = (
        "import contextlib, io, kernelwright.cli\n"
        "with contextlib.redirect_stdout(io.StringIO()) as out:\n"
        "    assert kernelwright.cli.main(['--help']) == 0\n"
        "assert 'optimize' in out.getvalue()"
    )
    heavy = {
        "torch",
        "numpy",
        "pydantic",
        "langgraph",
        "langchain_core",
        "langchain_openai",
        "rich",
        "docker",
    }
    assert heavy & modules_after(statement, repository) == set()


def test_nobody_else_provides_our_import_names():
    """Two distributions with a package ``tools`` overwrite each other; see decision 001."""
    providers = importlib.metadata.packages_distributions()
    strangers = {room: set(providers.get(room, [])) - {DISTRIBUTION} for room in ROOMS}
    assert {room: names for room, names in strangers.items() if names} == {}


def test_no_path_of_one_machine_and_no_registry(tracked_files, repository):
    """Written in pieces, so that this file passes its own rule."""
    pieces = (
        ("/work", "/main"), ("/work", "/shared"), ("/tmp", "/kw"), ("/opt", "/pypi"), ("/opt", "/wheels"),
        ("/root", "/.pyenv"), ("pypi", ".org"), ("pythonhosted", ".org"), ("download.pytorch", ".org"),
        ("deb.debian", ".org"), ("docker", ".io/"), ("ghcr", ".io"), ("quay", ".io"),
    )  # fmt: skip
    parts = ["".join(pair) for pair in pieces]
    found = [
        f"{path.relative_to(repository)}: {part}"
        for path in tracked_files
        for part in parts
        if part.encode() in path.read_bytes()
    ]
    assert found == []


def test_every_environment_variable_is_documented(sources, repository):
    documented = (repository / "README.md").read_text(encoding="utf-8") + (
        repository / "docs" / "settings.md"
    ).read_text(encoding="utf-8")
    used = {
        node.value
        for _, tree, _ in sources
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith("KERNELWRIGHT_")
        and node.value.isupper()
        and not node.value.endswith("_")
    }
    assert {name for name in used if name not in documented} == set()
