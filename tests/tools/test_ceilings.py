"""What a machine reaches, kept on disk."""

import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.devices import Device, host_device
from tests.tools.judged import problem
from tools.ceilings import KEPT_DAYS, CeilingStore, Machine, Roof, host_cache_bytes
from tools.judging import SandboxedJudge
from tools.problem import CaseFacts, Description, JudgeSettings

GPU = Machine("cuda", "NVIDIA H200", "GPU-1", "580", "2.11", 0)
HOST = Machine("cpu", "a processor", "", "", "2.13", 2)
TODAY = datetime(2026, 11, 29, tzinfo=UTC)


class Measuring:
    """Answers with these rates, and counts."""

    def __init__(self, bandwidth=4e12, ops=5e13, cache_bytes=50 << 20):
        rates = dict.fromkeys(("bandwidth", "copy", "read", "write"), bandwidth)
        self.answer = {**rates, "ops": {"float32": ops}, "cache_bytes": cache_bytes}
        self.times = 0

    def __call__(self):
        self.times += 1
        return self.answer


def store(folder, days=0.0):
    return CeilingStore(folder, lambda: TODAY + timedelta(days=days))


def test_a_gpu_is_measured_once(tmp_path):
    measure = Measuring()
    first = store(tmp_path).of(GPU, measure)
    again = store(tmp_path, days=400).of(GPU, Measuring(bandwidth=1.0))
    assert first == again
    assert measure.times == 1
    assert (first.bandwidth, first.cache_bytes, first.date[:10]) == (4e12, 50 << 20, "2026-11-29")


@pytest.mark.parametrize("changed", [{"driver": "590"}, {"torch": "2.12"}, {"uuid": "GPU-2"}, {"name": "another"}])
def test_what_is_different_is_measured_anew_and_beside_it(tmp_path, changed):
    store(tmp_path).of(GPU, Measuring())
    other = store(tmp_path).of(replace(GPU, **changed), Measuring(bandwidth=3e12))
    assert other.bandwidth == 3e12
    assert store(tmp_path).of(GPU, Measuring(bandwidth=1.0)).bandwidth == 4e12


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        '{"schema": "kernelwright.ceilings/2"}',
        '{"schema": "kernelwright.ceilings/2", "machine": {}, "ceilings": {}}',
    ],
)
def test_a_damaged_file_is_measured_anew(tmp_path, text):
    (tmp_path / GPU.file).write_text(text)
    assert store(tmp_path).of(GPU, Measuring()).bandwidth == 4e12
    assert json.loads((tmp_path / GPU.file).read_text())["ceilings"]["bandwidth"] == 4e12


@pytest.mark.parametrize(
    "change",
    [
        {"bandwidth": -1.0},
        {"bandwidth": float("inf")},
        {"bandwidth": "fast"},
        {"ops": {}},
        {"ops": {"float32": 0.0}},
        {"ops": [1]},
        {"date": "yesterday"},
        {"cache_bytes": "much"},
        {"stranger": 1},
    ],
)
def test_a_file_with_impossible_numbers_is_measured_anew(tmp_path, change):
    store(tmp_path).of(GPU, Measuring())
    path = tmp_path / GPU.file
    data = json.loads(path.read_text())
    data["ceilings"] |= change
    path.write_text(json.dumps(data))
    assert store(tmp_path).of(GPU, Measuring(bandwidth=3e12)).bandwidth == 3e12


def test_another_machine_s_file_is_measured_anew(tmp_path):
    store(tmp_path).of(GPU, Measuring())
    (tmp_path / GPU.file).rename(tmp_path / HOST.file)
    assert store(tmp_path).of(HOST, Measuring(bandwidth=4e10)).bandwidth == 4e10


def test_of_the_host_the_best_that_was_seen_counts_and_a_lower_one_is_told(tmp_path):
    store(tmp_path).of(HOST, Measuring(4e10, 1e11))
    measure, lower = Measuring(2e10, 2e11), store(tmp_path, days=1)
    found = lower.of(HOST, measure)
    assert (measure.times, found.bandwidth, found.ops["float32"]) == (1, 4e10, 2e11)
    assert len(lower.notes) == 1
    assert "50%" in lower.notes[0]
    assert "kept" in lower.notes[0]
    close = store(tmp_path, days=2)
    kept = close.of(HOST, Measuring(3.9e10, 2e11))
    assert (kept.bandwidth, kept.times) == (4e10, 3)
    assert close.notes == []


def test_a_ceiling_that_is_not_reached_any_more_is_given_up_in_the_end_and_that_is_told(tmp_path):
    store(tmp_path).of(HOST, Measuring(4e10, 1e11))
    store(tmp_path, days=KEPT_DAYS - 1).of(HOST, Measuring(3.9e10, 1e11))
    late = store(tmp_path, days=KEPT_DAYS + 1)
    found = late.of(HOST, Measuring(2e10, 1e11))
    assert (found.bandwidth, found.times) == (2e10, 1)
    assert "given up" in late.notes[0]


def test_without_a_folder_or_with_a_full_disk_it_is_measured_all_the_same(tmp_path):
    assert store(None).of(GPU, Measuring()).bandwidth == 4e12
    (tmp_path / "file").write_text("")
    blocked = store(tmp_path / "file")
    assert blocked.of(GPU, Measuring()).bandwidth == 4e12
    assert "could not be kept" in blocked.notes[0]


def test_threads_matter_on_the_host_only():
    description = Description(problem="p", cases=(), cpu="a processor", threads=3, torch_version="2.13")
    gpu = Device("cuda", "NVIDIA H200", uuid="GPU-1", driver="580")
    assert Machine.of(None, description) == Machine("cpu", "a processor", "", "", "2.13", 3)
    assert Machine.of(gpu, description).threads == 0
    assert Machine.of(host_device(), description).kind == "host"


def test_the_last_level_is_added_up_over_its_instances(tmp_path):
    rows = [(0, 0, 1, "0", "32K"), (0, 3, 3, "0-1", "16384K"), (1, 3, 3, "0-1", "16384K"), (2, 3, 3, "2-3", "16M")]
    for cpu, index, level, sharers, size in rows:
        folder = tmp_path / f"cpu{cpu}" / "cache" / f"index{index}"
        folder.mkdir(parents=True)
        for name, text in (("level", level), ("shared_cpu_list", sharers), ("size", size)):
            (folder / name).write_text(f"{text}\n")
    assert host_cache_bytes(tmp_path) == 32 << 20
    assert host_cache_bytes(tmp_path / "nowhere") == 0


def test_a_description_is_told_with_its_floors(tmp_path):
    facts = CaseFacts(name="default", inputs=(), outputs=(), bytes_moved=8 * 10**9, flops=0, products={})
    description = Description(problem="p", cases=(facts,), operators=("aten.relu.default",))
    roof = Roof(store(tmp_path), Device("cuda", "NVIDIA H200"), "native")
    measure = Measuring()
    for _ in range(2):
        assert roof.over(description, measure).cases[0].floor.seconds == 2e-3
    assert measure.times == 1
    assert roof.floors["default"].doubt is None
    assert roof.least_s({"default": 8 * 10**9}, 4.0) == {"default": 5e-4}


@pytest.mark.torch
def test_a_judge_keeps_what_this_machine_reaches_and_tells_floors(enclosed, tmp_path):
    settings = JudgeSettings(admission=False, compiled=False, memory_bytes=1500 << 20)
    with closing(SandboxedJudge(problem(), enclosed, settings, tmp_path / "work", cache_dir=tmp_path)) as judge:
        (case,) = judge.describe().cases
    (file,) = (tmp_path / "ceilings").iterdir()
    kept = json.loads(file.read_text())["ceilings"]
    assert kept["bandwidth"] == max(kept[name] for name in ("copy", "read", "write"))
    assert min(kept[name] for name in ("copy", "read", "write")) > 0
    assert {"float32", "float64", "bfloat16", "float16"} == set(kept["ops"])
    assert case.floor.seconds == pytest.approx((case.bytes_moved - case.state_bytes) / kept["bandwidth"], rel=0.2)
    assert case.floor.doubt is not None
