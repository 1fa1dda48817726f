from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import bubblewrap
from sandbox.base import Job, Limits, Mount, Sandbox
from sandbox.bubblewrap import BubblewrapSandbox
from sandbox.conformance import SandboxContract
from sandbox.errors import SandboxError, SandboxUnavailable, SessionEnded


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    try:
        made = BubblewrapSandbox()
    except SandboxUnavailable as error:
        pytest.skip(f"{error}; {error.hint}")
    yield made
    made.close()


@pytest.mark.bubblewrap
class TestBubblewrap(SandboxContract):
    @pytest.fixture
    def sandbox(self, sandbox: Sandbox) -> Sandbox:
        return sandbox


@pytest.mark.bubblewrap
def test_its_own_failure_does_not_pose_as_the_jobs(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    job = Job(("true",), mounts=(Mount(tmp_path / "file", "/usr/not/there"),))
    with pytest.raises(SandboxError, match="could not start"):
        sandbox.run(job)
    session = sandbox.start(job)
    with pytest.raises(SessionEnded):
        session.receive_into(memoryview(bytearray(1)), 60)
    with pytest.raises(SandboxError, match="could not start"):
        session.stop()


@pytest.mark.bubblewrap
def test_a_compiler_and_openmp_work_inside(sandbox: Sandbox, tmp_path: Path) -> None:
    source = "#include <omp.h>\nint main() { int n = 0;\n#pragma omp parallel reduction(+ : n)\n n += 1; return n; }"
    (tmp_path / "a.cpp").write_text(source)
    build = "g++ -O3 -march=native -fopenmp /src/a.cpp -o /tmp/a && OMP_NUM_THREADS=2 /tmp/a"
    assert sandbox.run(Job(("sh", "-c", build), mounts=(Mount(tmp_path, "/src"),))).exit_code == 2


@pytest.mark.bubblewrap
@pytest.mark.torch
@pytest.mark.slow
def test_torch_compile_works_inside(sandbox: Sandbox, tmp_path: Path) -> None:
    # Without precompiled headers, which cost more than all the rest; Docker's test has them.
    code = "import torch._inductor.config, torch; torch._inductor.config.cpp_cache_precompile_headers = False\n"
    code += "print(torch.compile(lambda x: (x * 2).relu().sum(1))(torch.ones(8, 8)).sum().item())"
    mount = Mount(tmp_path, "/cache", writable=True)
    env = {"TORCHINDUCTOR_CACHE_DIR": "/cache"}
    done = sandbox.run(Job((*sandbox.python, "-c", code), mounts=(mount,), env=env, limits=Limits(wall_s=200)))
    if b"No module named 'torch'" in done.stderr:
        pytest.skip("torch is not installed beside this interpreter")
    assert done.stdout == b"128.0\n", done.stderr.decode()[-2000:]
    assert list(tmp_path.rglob("*.so"))


@pytest.mark.bubblewrap
def test_another_interpreter_can_be_given() -> None:
    sandbox = BubblewrapSandbox(python="/usr/bin/python3")
    done = sandbox.run(Job((*sandbox.python, "-c", "import sys; print(sys.prefix)")))
    assert done.stdout == b"/usr\n"


def test_a_missing_program_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda name: None)
    with pytest.raises(SandboxUnavailable, match="not installed") as caught:
        BubblewrapSandbox(python=sys.executable)
    assert caught.value.hint == "apt-get install bubblewrap"
