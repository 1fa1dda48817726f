"""Tensors that workloads bring along in safetensors files: what lands in the problem, and what is refused."""

from __future__ import annotations

import base64
import json
import lzma
import random
import re
import struct

import pytest

from evals.flashinfer import load_flashinfer
from evals.sol import load_sol

pytest.importorskip("safetensors", reason="make setup")

PLACE = "blob/workloads/x.safetensors"


def lay_blob(root, tensors, place=PLACE):
    """A safetensors file: the length of a header in JSON, the header, the bytes."""
    path, header, body = root / place, {}, b""
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def whole(values, shape=None):
    return "I32", shape or [len(values)], struct.pack(f"<{len(values)}i", *values)


@pytest.fixture
def given(datasets):
    """A definition that gathers rows, and a workload of it."""
    inputs = {"x": {"shape": ["rows"], "dtype": "float32"}, "at": {"shape": ["count"], "dtype": "int32"}}
    axes = {"rows": {"type": "var"}, "count": {"type": "var"}}
    text = "def run(x, at):\n    return x[at.long()]"
    outputs = {"y": {"shape": ["count"], "dtype": "float32"}}
    made = datasets.definition(name="gather", axes=axes, inputs=inputs, outputs=outputs, reference=text)

    def workload(count, path=f"./{PLACE}", key="at"):
        stored = {"type": "safetensors", "path": path, "tensor_key": key}
        return datasets.workload(axes={"rows": 9, "count": count}, inputs={"x": {"type": "random"}, "at": stored})

    return made, workload


def source_or_refusal(suite):
    (item,) = suite.problems
    return item.refusal or item.problem.source


def load(root):
    return source_or_refusal(load_flashinfer(f"flashinfer:{root}", "cpu"))


def test_a_few_whole_numbers_are_written_out(datasets, given, tmp_path):
    definition, workload = given
    lay_blob(tmp_path, {"at": whole([0, 2, -1])})
    source = load(datasets.lay_flashinfer(tmp_path, definition, workload(3)))
    assert "torch.tensor([0, 2, -1], dtype=torch.int32),  # at" in source
    assert "lzma" not in source


def test_many_are_packed_and_runs_take_next_to_nothing(datasets, given, tmp_path):
    definition, workload = given
    values = [number // 7 for number in range(60_000)]
    lay_blob(tmp_path, {"at": whole(values)})
    source = load(datasets.lay_flashinfer(tmp_path, definition, workload(60_000)))
    assert len(source) < 4000
    (text,) = re.findall(r'stored\("([^"]+)", torch.int32, \(60000,\)\)', source)
    assert lzma.decompress(base64.b64decode(text)) == struct.pack("<60000i", *values)


def test_the_file_is_found_above_a_problem_or_in_the_dataset_beside_it(datasets, given, tmp_path):
    definition, workload = given
    root = datasets.lay_sol(tmp_path / "data/benchmark", definition, workload(2), place="FlashInfer-Bench/001")
    assert "are not there" in source_or_refusal(load_sol(f"sol:{root}", "cpu"))
    lay_blob(tmp_path / "data/flashinfer-trace", {"at": whole([5, 6])})
    assert "torch.tensor([5, 6]" in source_or_refusal(load_sol(f"sol:{root}", "cpu"))
    lay_blob(root / "FlashInfer-Bench/001", {"at": whole([7, 8])})
    assert "torch.tensor([7, 8]" in source_or_refusal(load_sol(f"sol:{root}", "cpu"))


@pytest.mark.parametrize(
    ("count", "about", "says"),
    [
        (3, {"path": "blob/y.safetensors"}, "are not there: fetch the dataset's large files"),
        (3, {"key": "of"}, "holds no tensor of"),
        (4, {}, r"is int32\[3\], and int32\[4\] is defined"),
        (3, {"path": "../x.safetensors"}, "outside of the dataset"),
        (3, {"path": "/etc/x.safetensors"}, "outside of the dataset"),
        (3, {"path": "definitions/rmsnorm/gather.json"}, "is no safetensors file"),
    ],
)
def test_what_cannot_be_had_is_said(datasets, given, tmp_path, count, about, says):
    definition, workload = given
    lay_blob(tmp_path, {"at": whole([0, 1, 2])})
    found = load(datasets.lay_flashinfer(tmp_path, definition, workload(count, **about)))
    assert re.search(says, found), found


def test_too_much_is_refused(datasets, given, tmp_path):
    definition, workload = given
    lot = random.Random(0)
    noise = [lot.randrange(1 << 30) for _ in range(60_000)]
    lay_blob(tmp_path, {"at": whole(noise)})
    assert "take fewer with --max-cases" in load(datasets.lay_flashinfer(tmp_path, definition, workload(60_000)))


def test_without_the_library_it_is_named(datasets, given, tmp_path, monkeypatch):
    definition, workload = given
    lay_blob(tmp_path, {"at": whole([0, 1])})
    root = datasets.lay_flashinfer(tmp_path, definition, workload(2))
    monkeypatch.setattr("evals.formats.stored.find_spec", lambda name: None)
    assert "pip install 'kernelwright[suites]'" in load(root)
