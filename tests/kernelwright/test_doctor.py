import shutil

import pytest

from kernelwright import machine
from sandbox.base import Isolation
from sandbox.opening import Availability


def isolations(monkeypatch, **available):
    """What ``survey`` says, by isolation; the others are missing."""
    found = [
        Availability(one, available=True, enforcement=available[one.value])
        if one.value in available
        else Availability(one, available=False, reason=f"no {one.value}", hint=f"install {one.value}")
        for one in Isolation
    ]
    monkeypatch.setattr("sandbox.opening.survey", lambda: found)


@pytest.fixture
def checks(command):
    def run():
        answer = command("doctor", "--json")
        assert answer.json["schema"] == "kernelwright.doctor/1"
        assert answer.json["ready"] == (answer.code == 0)
        return answer.code, {check["name"]: check for check in answer.json["checks"]}

    return run


def test_doctor_looks_at_this_machine(command, checks):
    """The real survey, whatever it finds: every line is there, and every trouble says how to mend it."""
    code, found = checks()
    assert set(found) == {
        "python",
        "cpu",
        "torch",
        "g++",
        "headers",
        "gpu",
        "cute dsl",
        "docker",
        "bubblewrap",
        "process",
        "home",
        "memory",
    }
    assert code in (0, 3)
    assert all(check["mend"] for check in found.values() if check["status"] == "missing")
    text = command("doctor").out.splitlines()
    assert len(text) == len(found) + 1


def test_doctor_does_not_import_torch(repository):
    import subprocess
    import sys

    code = (
        "import sys\nfrom kernelwright.machine import check_torch\n"
        "check_torch(docker=False)\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=repository, check=True)


def test_the_strongest_isolation_is_named(monkeypatch, checks):
    isolations(monkeypatch, bubblewrap={"memory": "cgroup v2", "processes": "not enforced"}, process={})
    _, found = checks()
    assert found["bubblewrap"]["found"] == "works, used by default; not enforced: processes"
    assert found["bubblewrap"]["details"] == {"memory": "cgroup v2", "processes": "not enforced"}
    assert found["process"]["found"] == "works, no security boundary"
    assert (found["docker"]["status"], found["docker"]["mend"]) == ("warning", "")


def test_without_a_boundary_each_way_to_one_is_named(monkeypatch, checks):
    isolations(monkeypatch, process={})
    code, found = checks()
    assert found["bubblewrap"]["mend"] == "install bubblewrap"
    assert found["docker"]["mend"] == "install docker"
    assert code == 0 or any(check["status"] == "missing" for check in found.values())


def test_no_compiler(monkeypatch, checks):
    isolations(monkeypatch, bubblewrap={})
    monkeypatch.setattr(shutil, "which", lambda name: None)
    code, found = checks()
    assert code == 3
    assert (found["g++"]["status"], found["g++"]["mend"]) == ("missing", "apt-get install g++")


def test_no_headers_take_a_baseline_away(monkeypatch, checks, tmp_path):
    isolations(monkeypatch, bubblewrap={})
    monkeypatch.setattr(machine.sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    _, found = checks()
    assert (found["headers"]["status"], found["headers"]["mend"]) == ("warning", "apt-get install python3-dev")
    (tmp_path / "Python.h").touch()
    assert checks()[1]["headers"]["status"] == "ok"


def test_the_docker_image_brings_compiler_and_torch(monkeypatch, checks):
    isolations(monkeypatch, docker={})
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: None)
    code, found = checks()
    assert code == 0
    assert found["g++"]["found"] == found["torch"]["found"] == "in the docker sandbox image"


@pytest.mark.parametrize(("on_gpu", "status"), [(True, "warning"), (False, "ok")])
def test_cute_dsl_is_missed_only_where_there_is_a_gpu(monkeypatch, on_gpu, status):
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: None)
    check = machine.check_cute(on_gpu=on_gpu)
    assert (check.status, "pip install" in check.mend) == (status, on_gpu)
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(machine.metadata, "version", {"nvidia-cutlass-dsl": "4.8.1"}.__getitem__)
    assert machine.check_cute(on_gpu=on_gpu).found == "4.8.1, for --language cute"


def test_no_torch(monkeypatch, checks):
    isolations(monkeypatch, bubblewrap={})
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: None)
    code, found = checks()
    assert code == 3
    assert "pip install torch" in found["torch"]["mend"]


def test_a_home_that_cannot_be(monkeypatch, checks, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("KERNELWRIGHT_HOME", str(tmp_path / "file" / "home"))
    code, found = checks()
    assert code == 3
    assert "KERNELWRIGHT_HOME" in found["home"]["mend"]
    assert found["memory"]["status"] == "missing"
