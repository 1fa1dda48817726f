"""The suites for GPUs, where there is none: how their files are written, and that their shapes fit together.

References run on tensors without memory; what they answer is seen only where somebody has published an example.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from collections import Counter

import pytest

from evals.suite import load_suite
from sandbox.target import Target

SUITES = ("gpu", "paper")
BOUNDS = {"memory", "compute", "latency"}
ROOM = 12 << 30
"""What a job may use unless told otherwise; a GPU's share of one is larger."""

RUN_ALL = """
import importlib.util, json, sys, warnings
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

warnings.simplefilter("error")

def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else []
    return [tensor for item in items for tensor in tensors(item)]

def size(values):
    return sum(value.nbytes for value in values)

def in_both_precisions(values):
    return size(values) + sum(8 * v.numel() if v.is_floating_point() else v.nbytes for v in values)

def look_at(module):
    model = module.Model(*module.get_init_inputs())
    state = list(model.state_dict().values())
    cases = module.get_cases() if hasattr(module, "get_cases") else {}
    for name, inputs in {**cases, "": module.get_inputs()}.items():
        form = [(value.shape, value.dtype) for value in tensors(inputs)]
        with torch.no_grad():
            outputs = tensors(model(*inputs))
        moved = [*tensors(inputs), *outputs]
        yield {
            "case": name,
            "unchanged": form == [(value.shape, value.dtype) for value in tensors(inputs)],
            "bytes": size(moved) + size(state),
            "largest": max(value.nbytes for value in [*moved, *state]),
            "needed": 2 * in_both_precisions(moved) + in_both_precisions(state),
            "shapes": [list(value.shape) for value in outputs],
            "dtypes": sorted({str(v.dtype)[6:] for v in [*tensors(inputs), *state] if v.is_floating_point()}),
        }

for path in json.loads(sys.stdin.read()):
    spec = importlib.util.spec_from_file_location("problem", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with FakeTensorMode():
        print(json.dumps([module.BOUND, list(look_at(module))]), flush=True)
"""

EXAMPLE = """
import importlib.util, json, sys
import torch

spec = importlib.util.spec_from_file_location("problem", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
lengths = torch.tensor([[1, 0, 2, 0, 3, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1]])
values = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 5, 6, 7, 8, -1]])
left = module.Model()(torch.tensor([3, 4, 1]), lengths, values, 2)
print(json.dumps([item.tolist() for item in left]))
"""

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed here")


@pytest.fixture(scope="module", params=SUITES)
def suite(request):
    return load_suite(request.param)


def run(code: str, *arguments: str, given: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"after {len(done.stdout.splitlines())} problems: {done.stderr[-2000:]}"
    return done.stdout


def constants(tree: ast.Module) -> dict[str, object]:
    return {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }


def names(tree: ast.AST) -> set[str]:
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} | {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name)
    }


def test_a_suite_names_every_problem_file(suite, repository):
    files = {path.stem for path in (repository / "evals" / "problems" / suite.name).glob("*.py")}
    assert {item.name for item in suite.problems} == files
    assert str(Target.parse(suite.target)) == suite.target
    assert all(item.family for item in suite.problems)


def test_the_gpu_suite_is_broad():
    families = Counter(item.family for item in load_suite("gpu").problems)
    assert sum(families.values()) >= 44
    assert min(families.values()) >= 2


def test_problem_files_are_written_as_users_write_them(suite):
    for item in suite.problems:
        tree = ast.parse(item.problem.source)
        documented = ast.get_docstring(tree)
        assert documented, item.name
        assert suite.name == "paper" or "\n" not in documented, item.name
        modules = {
            (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert modules <= {"torch", "math"}, item.name
        defined = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
        assert {"Model", "get_inputs", "get_init_inputs"} <= defined.keys(), item.name
        assert constants(tree).get("BOUND") in BOUNDS, item.name


def test_nothing_is_drawn_in_forward_and_no_device_is_named(suite):
    drawing = {"rand", "randn", "randint", "rand_like", "randn_like", "dropout", "Dropout", "bernoulli", "multinomial"}
    for item in suite.problems:
        tree = ast.parse(item.problem.source)
        model = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Model")
        forward = next(node for node in model.body if isinstance(node, ast.FunctionDef) and node.name == "forward")
        assert names(forward) & drawing == set(), item.name
        assert names(tree) & {"cuda", "manual_seed", "Generator", "normal_", "uniform_", "Dropout"} == set(), item.name
        said = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        assert not any(text.startswith(("cuda", "cpu")) for text in said), item.name


@pytest.mark.torch
@needs_torch
def test_every_reference_takes_its_inputs(repository):
    suites = {name: load_suite(name) for name in SUITES}
    paths = [
        str(repository / "evals" / "problems" / name / f"{item.name}.py")
        for name, suite in suites.items()
        for item in suite.problems
    ]
    lines = run(RUN_ALL, given=json.dumps(paths)).splitlines()
    assert len(lines) == len(paths)
    kinds: Counter[str] = Counter()
    for path, line in zip(paths, lines, strict=True):
        bound, cases = json.loads(line)
        for facts in cases:
            about = f"{path} {facts}"
            assert facts["unchanged"], about
            assert facts["shapes"], about
            assert facts["needed"] < ROOM, about
            if "/gpu/" in path:
                # Work for milliseconds or for a launch; a GPU's caches hold some 50 MB.
                assert (facts["bytes"] < 16e6) if bound == "latency" else (64e6 < facts["bytes"] < 1.3e9), about
                assert bound != "memory" or facts["largest"] > 64e6, about
        kinds.update(cases[-1]["dtypes"] if "/gpu/" in path else [])
    assert set(kinds) == {"float32", "bfloat16", "float16"}
    assert min(kinds.values()) >= 15


@pytest.mark.torch
@needs_torch
def test_events_are_truncated_as_the_paper_shows(repository):
    """Figure 18: three users with 3, 4 and 1 events, of which two each are kept."""
    path = repository / "evals" / "problems" / "paper" / "batch_event_truncate.py"
    left, lengths, values = json.loads(run(EXAMPLE, str(path)))
    assert left == [2, 2, 1]
    assert lengths == [[1, 0, 0, 3, 1, 0, 0, 0], [1, 1, 1, 1, 1, 0, 0, 0]]
    assert values == [[1, 4, 5, 6, 9, 0, 0, 0, 0], [1, 2, 4, 5, 8, 0, 0, 0, 0]]
