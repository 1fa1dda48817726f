"""Compiled files of what workers import: found missing, made once, left alone where they cannot be written."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from tools import bytecode
from tools.bytecode import compile_once, uncompiled


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "kw_fresh_package"
    (folder / "inner").mkdir(parents=True)
    for path in ("__init__.py", "inner/__init__.py", "inner/one.py"):
        (folder / path).write_text("raise RuntimeError('imported')\n")
    (folder / "inner" / "broken.py").write_text("def (:\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return folder


def compiled(path: Path) -> bool:
    return Path(importlib.util.cache_from_source(str(path))).is_file()


def test_what_is_not_compiled_is_found_without_being_imported_and_compiled_once(package, monkeypatch):
    names = (package.name, "no_such_package_kw", "sys")
    assert uncompiled(names) == [package]
    compile_once(names)
    assert all(compiled(package / name) for name in ("__init__.py", "inner/__init__.py", "inner/one.py"))
    assert uncompiled(names) == []
    assert package.name not in sys.modules
    monkeypatch.setattr(bytecode.subprocess, "run", lambda *_, **__: pytest.fail("compiled again"))
    compile_once(names)


def test_what_cannot_be_written_stays_as_it_is(package, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    compile_once((package.name,))
    assert uncompiled((package.name,)) == [package]


@pytest.mark.parametrize("error", [OSError("no processes left"), bytecode.subprocess.TimeoutExpired("python", 600)])
def test_compiling_that_fails_ends_nothing(package, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(bytecode.subprocess, "run", fail)
    compile_once((package.name,))
    assert uncompiled((package.name,)) == [package]
