"""The documents' code is compiled or run: what a model copies from them has to work."""

from __future__ import annotations

import ast
import ctypes
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from memory.knowledge.folders import open_knowledge
from tools.languages import cpp, cuda

DOCUMENTS = open_knowledge().documents()
SCRIPT = Path(__file__).with_name("knowledge_blocks.py")


def blocks(language: str) -> dict[str, str]:
    """``document#line`` to text."""
    found = {}
    for document in DOCUMENTS:
        for match in re.finditer(rf"^```{language}\n(.*?)^```$", document.body, re.M | re.S):
            line = document.first_line + document.body[: match.start()].count("\n")
            found[f"{document.name}#{line}"] = match.group(1)
    return found


CPP, CUDA, PYTHON = blocks("cpp"), blocks("cuda"), blocks("python")
TRITON = {name: text for name, text in PYTHON.items() if "import triton" in text}
CUTE = {name: text for name, text in PYTHON.items() if "import cutlass" in text}
PLAIN = {name: text for name, text in PYTHON.items() if name not in TRITON and name not in CUTE}
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed here")
needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed here")


def flags_of(loader: str) -> list[str]:
    match = re.search(r'^FLAGS = "([^"]+)"\.split\(\)$', loader, re.M)
    assert match is not None
    return match.group(1).split()


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> ctypes.CDLL:
    """All C++ blocks in one library, each compiled by itself with the loader's flags and every warning an error."""
    folder = tmp_path_factory.mktemp("cpp")
    files = []
    for number, (name, text) in enumerate(CPP.items()):
        files.append(folder / f"{number}_{name.translate(str.maketrans('/#', '__'))}.cpp")
        files[-1].write_text(text, encoding="utf-8")
    command = ["g++", *flags_of(cpp.LOADER), "-Wall", "-Wextra", "-Werror", *map(str, files)]
    done = subprocess.run([*command, "-o", str(folder / "all.so")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    return ctypes.CDLL(str(folder / "all.so"))


def call(function, *arguments) -> None:
    """Arrays as pointers, ints as int64, floats as float."""
    forms = {int: ctypes.c_int64, float: ctypes.c_float}
    given = [
        ctypes.c_void_p(item.ctypes.data) if isinstance(item, np.ndarray) else forms[type(item)](item)
        for item in arguments
    ]
    function(*given)


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def test_there_are_blocks_of_every_kind():
    assert min(len(CPP), len(TRITON), len(PLAIN)) >= 5
    assert len(CUDA) >= 1
    assert len(CUTE) >= 1


def test_cpp_norm_scale_and_halves(library):
    x, w = normal(5, 67), normal(67)
    y = np.empty_like(x)
    call(library.rms_norm, x, w, y, 5, 67, 1e-6)
    wanted = x / np.sqrt((x.astype(np.float64) ** 2).mean(-1, keepdims=True) + 1e-6) * w
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)

    x, scale = normal(2, 3, 11), normal(3)
    y = np.empty_like(x)
    call(library.scale_channels, x, scale, y, 2, 3, 11)
    np.testing.assert_array_equal(y, x * scale[:, None])


@needs_torch
@pytest.mark.torch
def test_cpp_bfloat16_rounds_as_torch_does(library, tmp_path):
    """Every bfloat16 there is; torch in a process of its own."""
    halves = np.arange(1 << 16, dtype=np.uint16)
    squares = np.empty_like(halves)
    call(library.square_bf16, halves, squares, len(halves))
    halves.tofile(tmp_path / "x")
    code = (
        "import sys, numpy, torch\n"
        "x = torch.from_numpy(numpy.fromfile(sys.argv[1], dtype=numpy.int16)).view(torch.bfloat16)\n"
        "(x * x).view(torch.int16).numpy().tofile(sys.argv[2])\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "x"), str(tmp_path / "y")], check=True)
    wanted = np.fromfile(tmp_path / "y", dtype=np.uint16)
    nan = (wanted & 0x7FFF) > 0x7F80
    np.testing.assert_array_equal(squares[~nan], wanted[~nan])
    assert ((squares[nan] & 0x7FFF) > 0x7F80).all()


def test_cpp_streaming_and_guarded_loops(library):
    for size in (0, 1, 7, 8, 1001):
        x, y = normal(size), np.full(size, np.nan, dtype=np.float32)
        call(library.double_stream, x, y, size)
        np.testing.assert_array_equal(y, x + x)
        call(library.add_one, x, y, size)
        np.testing.assert_array_equal(y, x + np.float32(1))
    shifted, y = normal(1002)[1:], np.empty(1002, dtype=np.float32)[1:]
    call(library.double_stream, shifted, y, 1001)
    np.testing.assert_array_equal(y, shifted + shifted)


def test_cpp_exp_is_as_exact_as_the_document_says(library):
    x = np.concatenate([np.linspace(-110, 95, 400_001), [0.0, -0.0, 1e-30, -1e-30, 88.72, -103.9]]).astype(np.float32)
    y = np.empty_like(x)
    call(library.exp_all, x, y, len(x))
    with np.errstate(over="ignore"):
        wanted = np.exp(x.astype(np.float64))
        rounded = wanted.astype(np.float32)
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(np.isinf(y), np.isinf(rounded))
    apart = np.abs(y[finite] - wanted[finite]) / np.spacing(rounded[finite])
    assert apart.max() <= 2.0
    special = np.array([np.nan, np.inf, -np.inf], dtype=np.float32)
    y = np.empty_like(special)
    call(library.exp_all, special, y, 3)
    np.testing.assert_array_equal(y, [np.nan, np.inf, 0.0])


def test_cpp_softmax_in_one_pass(library):
    low = -np.inf
    rows = [
        normal(1000),
        normal(3) * 1e3,
        np.full(40, 7.0),
        [low, 1.0, low],
        [low] * 20,
        [1.0, np.nan, 2.0],
        [np.inf, 1.0],
    ]
    for row in rows:
        x = np.asarray(row, dtype=np.float32)
        y = np.empty_like(x)
        call(library.softmax_row, x, y, len(x))
        with np.errstate(invalid="ignore"):
            e = np.exp(x.astype(np.float64) - x.max())
            wanted = e / e.sum()
        np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-7, err_msg=str(x[:4]))


def test_cpp_sums_scans_and_tiles(library):
    library.sum_all.restype = ctypes.c_double
    for size in (0, 1, 15, 4096, 100_003):
        x = normal(size)
        total = library.sum_all(ctypes.c_void_p(x.ctypes.data), ctypes.c_int64(size))
        assert total == pytest.approx(float(x.astype(np.float64).sum()), rel=1e-5, abs=1e-3)

    x = normal(2, 9, 5)
    y = np.empty_like(x)
    call(library.cumsum_middle, x, y, 2, 9, 5)
    np.testing.assert_allclose(y, x.cumsum(1), rtol=1e-5, atol=1e-6)

    a, b, c = normal(4, 33), normal(33, 16), np.zeros((4, 16), dtype=np.float32)
    call(library.multiply_4x16, a, b, c, 33)
    np.testing.assert_allclose(c, a @ b, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed here")
@pytest.mark.parametrize("name", CUDA)
def test_cuda_compiles_for_hopper(name, tmp_path):
    file = tmp_path / "block.cu"
    file.write_text(CUDA[name], encoding="utf-8")
    match = re.search(r"flags=\(([^)]*)\)", cuda.LOADER)
    assert match is not None
    flags = ast.literal_eval(f"[{match.group(1)}]")
    command = ["nvcc", *flags, "-arch=sm_90a", "-Werror", "all-warnings", "-Xptxas", "-v", "-c", str(file)]
    done = subprocess.run([*command, "-o", str(tmp_path / "block.o")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    assert not re.search(r"\b[1-9]\d* bytes spill", done.stderr)


def in_a_process(
    work: str, given: dict[str, str], tmp_path: Path, repository: Path, **environment: str
) -> dict[str, list]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), work],
        input=json.dumps(given),
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONPATH": str(repository),
             "TRITON_CACHE_DIR": str(tmp_path / "cache"), **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


@needs_torch
@needs_triton
@pytest.mark.torch
def test_triton_is_right_in_the_interpreter(tmp_path, repository):
    told = in_a_process("run", TRITON, tmp_path, repository, TRITON_INTERPRET="1")
    assert {name: len(hosts) for name, hosts in told.items()} == dict.fromkeys(TRITON, 1), (
        "one checked function a block"
    )


@needs_torch
@needs_triton
@pytest.mark.gpu
@pytest.mark.skipif(not Path("/dev/nvidiactl").exists(), reason="there is no NVIDIA GPU here")
def test_triton_is_right_on_a_gpu(tmp_path, repository):
    told = in_a_process("gpu", TRITON, tmp_path, repository)
    assert {name: len(hosts) for name, hosts in told.items()} == dict.fromkeys(TRITON, 1)


@needs_torch
@needs_triton
@pytest.mark.torch
def test_triton_compiles_for_hopper(tmp_path, repository):
    told = in_a_process("compile", TRITON, tmp_path, repository, KERNELWRIGHT_CUDA_ARCH="sm_90")
    for name, lines in told.items():
        assert [line for line in lines if not re.fullmatch(r"compiled for sm_90: \w+", line)] == [], name


@needs_torch
@pytest.mark.torch
def test_plain_python_holds_what_it_asserts(tmp_path, repository):
    assert all("assert" in text for text in PLAIN.values())
    assert set(in_a_process("run", PLAIN, tmp_path, repository)) == set(PLAIN)


@pytest.mark.parametrize("name", CUTE)
def test_cute_is_python_at_least(name):
    """Where the package is installed the kernels are defined as well; compiling them needs stand-ins."""
    tree = ast.parse(CUTE[name])
    assert {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    if importlib.util.find_spec("cutlass") is None:
        pytest.skip("CuTe is not installed here: its block was only parsed")
    exec(compile(tree, name, "exec"), {"__name__": "block"})
