"""Writes what operators torch's own tests have samples of (OpInfo), as JSON. Runs inside a sandbox, as a program."""

from __future__ import annotations

import importlib.util
import json
import sys
import types
import unittest
from typing import Any

import torch


def let_tests_be_imported() -> None:
    """Torch's tests import a helper for what has nothing to do with samples; where it is missing, nobody misses it."""
    if importlib.util.find_spec("expecttest") is None:
        stub = types.ModuleType("expecttest")
        stub.TestCase = unittest.TestCase  # type: ignore[attr-defined]
        sys.modules["expecttest"] = stub


def described(operator: Any, device: str) -> dict[str, Any]:
    """Name, variant, what kind of operator it is, the dtypes it takes, and what is called."""
    function = operator.op
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    return {
        "name": operator.name,
        "variant": operator.variant_test_name,
        "kind": type(operator).__name__,
        "dtypes": sorted(str(dtype).removeprefix("torch.") for dtype in operator.supported_dtypes(device)),
        "function": "" if "<" in name else f"{module}.{name}" if module else name,
    }


def main() -> None:
    """List for the kind of device that the command line names."""
    let_tests_be_imported()
    from torch.testing._internal.common_methods_invocations import op_db

    operators = [described(operator, sys.argv[1]) for operator in op_db]
    sys.stdout.write(json.dumps({"torch": torch.__version__, "operators": operators}) + "\n")


if __name__ == "__main__":
    main()
