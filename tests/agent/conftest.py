from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

_SPEC = importlib.util.spec_from_file_location("toy_search", Path(__file__).with_name("toy_search.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
toy_search = importlib.util.module_from_spec(_SPEC)
sys.modules["toy_search"] = toy_search
_SPEC.loader.exec_module(toy_search)


@pytest.fixture
def toy() -> Any:
    """The module toy_search.py."""
    return toy_search


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"
