"""CuTe DSL without a GPU: found where it is installed, compiled in the build, and found compiled by the run."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evals.gpu_programs import CUTE_SOFTMAX
from evals.integrity.corpus import FOLDER
from tests.tools.test_dry_run import source_of
from tools.harness import cute_dsl
from tools.languages.cute import CUTE_GUIDE
from tools.screening import screen

RELU = source_of(CUTE_GUIDE)
CORPUS = sorted((FOLDER / "gpu_honest").glob("cute_*.py"))
SCRIPT = """
import json, sys
from tools.harness.cute_dsl import COMPILED, use_cute_dsl
from tools.harness.dry_run import compile_kernels
from tools.harness.subject import load_module

use_cute_dsl()
if sys.argv[3] == "run":
    import cutlass.base_dsl.dsl as dsl

    def refuse(*args, **options):
        raise AssertionError("compiled again")

    dsl.BaseDSL._compile_or_jit_module = refuse
module = load_module(sys.argv[1], "candidate")
print(compile_kernels(module.ModelNew(), json.loads(sys.argv[2]), open(sys.argv[1]).read()))
"""
FORM = {"spec": {"list": [{"tensor": 0}]}, "tensors": [["float32", [128, 64], [64, 1], 8192]]}
FROM_DLPACK = """
import cutlass
import cutlass.cute as cute
import torch
from cutlass.cute.runtime import from_dlpack


@cute.kernel
def double_kernel(x: cute.Tensor, y: cute.Tensor):
    thread, _, _ = cute.arch.thread_idx()
    block, _, _ = cute.arch.block_idx()
    row, column = block, thread
    y[row, column] = x[row, column] * 2.0


@cute.jit
def double(x: cute.Tensor, y: cute.Tensor):
    double_kernel(x, y).launch(grid=[x.shape[0], 1, 1], block=[x.shape[1], 1, 1])


class ModelNew(torch.nn.Module):
    compiled = None

    def forward(self, x):
        y = torch.empty_like(x)
        a, b = from_dlpack(x), from_dlpack(y)
        CALL
        return y
"""
COMPILES = "self.compiled = self.compiled or cute.compile(double, a, b)\n        self.compiled(a, b)"
AT_ONCE = "double(a, b)"


def is_installed() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("nvidia_cutlass_dsl", "torch"))


compiles = pytest.mark.skipif(
    not is_installed(), reason="CuTe DSL is not installed here: pip install 'nvidia-cutlass-dsl[cu13]'"
)


def in_process(tmp_path, source: str, manner: str = "build") -> subprocess.CompletedProcess[str]:
    (folder,) = importlib.util.find_spec("nvidia_cutlass_dsl").submodule_search_locations
    file, cache = tmp_path / "candidate.py", tmp_path / "cache"
    file.write_text(source)
    cache.mkdir(exist_ok=True)
    env = {
        "KERNELWRIGHT_CUDA_ARCH": "sm_90",
        "CUTE_DSL_ARCH": "sm_90a",
        "CUTE_DSL_CACHE_DIR": str(cache),
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(Path.cwd()), str(Path(folder).parent)]),
    }
    argv = [sys.executable, "-c", SCRIPT, str(file), json.dumps([FORM]), manner]
    return subprocess.run(argv, capture_output=True, text=True, env=env, check=False, timeout=120)


def told_by(tmp_path, source: str, manner: str = "build") -> str:
    done = in_process(tmp_path, source, manner)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def cached(tmp_path) -> list[str]:
    return sorted(item.name for item in (tmp_path / "cache").glob("*.mlir"))


def test_the_example_is_a_candidate():
    seen = screen(RELU)
    assert seen.reason is None
    assert {label.partition(":")[0] for label in seen.labels} == {"screen.heap"}  # data_ptr


@pytest.mark.parametrize("source", [CUTE_SOFTMAX, *(path.read_text() for path in CORPUS)])
def test_programs_are_candidates(source):
    assert screen(source).reason is None
    assert "cute.compile(" in source


def test_finger_posts_are_followed_where_python_does_not(tmp_path, monkeypatch):
    for name in ("nvidia_cutlass_dsl", "another"):
        (tmp_path / f"{name}_packages.pth").write_text(
            f"import sys, os; sys.path.insert(0, os.path.join({str(tmp_path)!r}, {name!r}))\n"
        )
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "not there"), ""])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    cute_dsl.find_packages(sys.path)
    assert sys.path[0] == str(tmp_path / "nvidia_cutlass_dsl")
    assert str(tmp_path / "another") not in sys.path


def test_who_finds_it_already_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / "nvidia_cutlass_dsl_packages.pth").write_text("import sys; sys.path.insert(0, 'elsewhere')\n")
    (tmp_path / "cutlass").mkdir()
    (tmp_path / "cutlass" / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    importlib.invalidate_caches()
    cute_dsl.find_packages(sys.path)
    assert sys.path == [str(tmp_path)]


def test_a_version_with_other_names_compiles_as_without_us():
    class BaseDSL:
        pass

    module = type(sys)("dsl")
    module.BaseDSL = BaseDSL
    cute_dsl.keep_what_is_compiled(module)
    assert not hasattr(BaseDSL, "_prepare_compilation")


def test_nothing_is_kept_for_who_wants_no_cache(monkeypatch):
    class BaseDSL:
        envar = type("Settings", (), {"no_cache": False, "keep_ptx": False})

        def _prepare_compilation(self):
            return type("Setup", (), {"no_cache": True})

        def compile_and_cache(self, **options):
            return "compiled"

    module = type(sys)("dsl")
    module.BaseDSL = BaseDSL
    monkeypatch.setattr(cute_dsl, "COMPILED", [])
    cute_dsl.keep_what_is_compiled(module)
    made = BaseDSL()
    assert made._prepare_compilation().no_cache is False
    made.envar.keep_ptx = True
    assert made._prepare_compilation().no_cache is True
    assert made.compile_and_cache(original_function_name="relu") == "compiled"
    assert cute_dsl.COMPILED == ["relu"]


@pytest.mark.torch
def test_a_tensor_that_holds_nothing_describes_itself():
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    from tools.harness.dry_run_cute import ADDRESS, DLTensor, _pointer_of, describe

    with FakeTensorMode():
        tensor = torch.empty_strided((6, 4), (4, 1), dtype=torch.bfloat16)[2:, ::2]
    capsule = describe(tensor, stream=-1)
    told = DLTensor.from_address(_pointer_of(capsule, b"dltensor"))
    assert (told.code, told.bits, told.lanes) == (4, 16, 1)
    assert (told.device_type, told.device_id, told.ndim) == (2, 0, 2)
    assert (told.shape[:2], told.strides[:2]) == ([4, 2], [4, 2])
    assert told.data == ADDRESS + 8 * 2


@compiles
@pytest.mark.parametrize(
    ("source", "names"),
    [
        (RELU, "relu"),
        (CUTE_SOFTMAX, "softmax"),
        (FROM_DLPACK.replace("CALL", COMPILES), "double"),
        (FROM_DLPACK.replace("CALL", AT_ONCE), "double"),
        *((path.read_text(), path.stem.split("_", 1)[1].rsplit("_", 1)[0]) for path in CORPUS),
    ],
)
def test_what_the_build_compiled_the_run_does_not_compile_again(tmp_path, source, names):
    assert told_by(tmp_path, source) == f"compiled for sm_90: {names}"
    files = cached(tmp_path)
    assert len(files) == 1
    assert told_by(tmp_path, source, "run") == f"compiled for sm_90: {names}"
    assert cached(tmp_path) == files


@compiles
def test_what_was_not_built_is_compiled_in_the_run(tmp_path):
    """The other way round: that the test above can fail."""
    assert "compiled again" in in_process(tmp_path, RELU, "run").stderr


@compiles
def test_a_mistake_in_a_kernel_ends_the_import(tmp_path):
    done = in_process(tmp_path, RELU.replace("zeros_like", "zeroes_like"))
    assert done.returncode != 0
    assert "zeroes_like" in done.stderr


@compiles
def test_a_mistake_in_what_is_compiled_late_is_told_and_is_nobodys_end(tmp_path):
    source = FROM_DLPACK.replace("CALL", COMPILES).replace("x[row, column]", "x[row, column, 0]")
    told = told_by(tmp_path, source)
    assert told.startswith("not all kernels could be compiled beforehand")
    assert "coordinate" in told
