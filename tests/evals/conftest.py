from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest


def _load(name: str) -> Any:
    """Tests are no package, so what they share is loaded by path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def reports() -> Any:
    """The module reports.py."""
    return _load("reports")


@pytest.fixture(scope="session")
def datasets() -> Any:
    """The module datasets.py."""
    return _load("datasets")
