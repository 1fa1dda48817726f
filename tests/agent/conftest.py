from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest


def _load(name: str) -> Any:
    """Tests are no package: what they share is loaded by path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


toy_search = _load("toy_search")


@pytest.fixture
def web() -> Any:
    """The module openai_server.py."""
    return sys.modules.get("openai_server") or _load("openai_server")


@pytest.fixture
def toy() -> Any:
    """The module toy_search.py."""
    return toy_search


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"
