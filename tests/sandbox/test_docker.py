from __future__ import annotations

import gc
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.base import Job, Limits, Mount, Sandbox
from sandbox.conformance import SandboxContract
from sandbox.docker import DockerSandbox, why_unavailable
from sandbox.errors import SandboxError, SandboxUnavailable
from sandbox.ownership import owner_tag


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    try:
        made = DockerSandbox()
    except SandboxUnavailable as error:
        pytest.skip(f"{error}; {error.hint}")
    yield made
    made.close()
    assert containers() == []


def containers() -> list[str]:
    argv = ["docker", "ps", "--all", "--quiet", "--filter", f"label=kernelwright.owner={owner_tag()}"]
    return subprocess.run(argv, capture_output=True, check=True, text=True).stdout.split()


@pytest.mark.docker
class TestDocker(SandboxContract):
    @pytest.fixture
    def sandbox(self, sandbox: Sandbox) -> Sandbox:
        return sandbox


@pytest.mark.docker
def test_its_own_failure_does_not_pose_as_the_jobs(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SandboxError, match="Docker could not"):
        sandbox.run(Job(("true",), mounts=(Mount(tmp_path / "file", "/proc/self/x"),)))


@pytest.mark.docker
@pytest.mark.torch
@pytest.mark.slow
def test_torch_compile_works_inside(sandbox: Sandbox, tmp_path: Path) -> None:
    code = "import torch; print(torch.compile(lambda x: (x * 2).relu().sum(1))(torch.ones(8, 8)).sum().item())"
    mount = Mount(tmp_path, "/cache", writable=True)
    env = {"TORCHINDUCTOR_CACHE_DIR": "/cache"}
    done = sandbox.run(Job((*sandbox.python, "-c", code), mounts=(mount,), env=env, limits=Limits(wall_s=200)))
    assert done.stdout == b"128.0\n", done.stderr.decode()[-2000:]


@pytest.mark.docker
def test_a_missing_image_is_named_with_its_remedy(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxUnavailable, match="no-such-image:1 is missing") as caught:
        DockerSandbox(image="no-such-image:1")
    assert caught.value.hint == "make image"


def test_a_missing_engine_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("docker")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    problem, hint = why_unavailable() or ("", "")
    assert problem == "no Docker engine answers"
    assert "docker.io" in hint


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the SDK leaves its socket open
def test_an_engine_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("docker")
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(f"{tmp_path}/mute.sock")
        mute.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/mute.sock")
        assert (why_unavailable() or ("",))[0] == "no Docker engine answers"
    gc.collect()


def test_a_missing_sdk_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    monkeypatch.setattr("sandbox.docker.find_spec", lambda name: None)
    assert "kernelwright[docker]" in (why_unavailable() or ("", ""))[1]
