from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sandbox import cgroup, enclosure
from sandbox.base import Limits
from sandbox.cgroup import Cgroup, Home
from sandbox.enclosure import RlimitEnclosure, ScopeEnclosure
from sandbox.errors import SandboxError
from sandbox.ownership import is_orphaned, make_folder, owner_tag, sweep_folders

LIMITS = Limits(memory_bytes=64 << 20, processes=8)
PIDS = ("cgroup.procs", "pids.max")
FILES = {
    "memory": ("cgroup.procs", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.oom_control"),
    "pids": PIDS,
    "unified": (*PIDS, "cgroup.kill", "memory.max", "memory.swap.max", "memory.oom.group", "memory.events"),
}


@pytest.fixture(params=[1, 2])
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A control group file system made of ordinary files: a new folder has its control files at once."""
    version: int = request.param
    names = ("memory", "pids") if version == 1 else ("unified", "unified")
    memory, pids = (tmp_path / name for name in names)
    real_mkdir, real_rmdir = Path.mkdir, Path.rmdir

    def mkdir(path: Path, *arguments: object, **options: object) -> None:
        real_mkdir(path)
        for name in FILES[path.parent.name]:
            (path / name).touch()

    def rmdir(path: Path) -> None:
        for file in path.iterdir():
            file.unlink()
        real_rmdir(path)

    for folder in {memory, pids}:
        folder.mkdir()
    monkeypatch.setattr(Path, "mkdir", mkdir)
    monkeypatch.setattr(Path, "rmdir", rmdir)
    return Home(version, memory, pids)


def control_files(home: Home) -> dict[str, str]:
    return {path.name: path.read_text() for folder in (home.memory, home.pids) for path in folder.glob("*/*")}


def test_limits_are_written_where_each_version_wants_them(home: Home) -> None:
    group = Cgroup(home, LIMITS)
    written = control_files(home)
    names = ("memory.max",) if home.version == 2 else ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
    assert {written[name] for name in names} == {str(64 << 20)}
    assert written["pids.max"] == "8"
    if home.version == 2:
        assert (written["memory.swap.max"], written["memory.oom.group"]) == ("0", "1")
    group.kill()
    group.remove()
    group.remove()
    assert not list(home.memory.glob("kernelwright-*"))
    assert not list(home.pids.glob("kernelwright-*"))


def test_out_of_memory_is_read_from_the_counter(home: Home) -> None:
    group = Cgroup(home, LIMITS)
    counter = next(path for name in ("memory.events", "memory.oom_control") for path in home.memory.glob(f"*/{name}"))
    assert not group.was_out_of_memory
    counter.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 0\n")
    assert not group.was_out_of_memory
    counter.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert group.was_out_of_memory
    group.remove()


def test_the_prefix_joins_the_group_and_becomes_the_command(home: Home) -> None:
    group = Cgroup(home, LIMITS)
    argv = [*group.prefix, "sh", "-c", 'echo "$$ $0 $1"', "a b", "$HOME"]
    done = subprocess.run(argv, capture_output=True, check=True)
    pid, rest = done.stdout.decode().rstrip("\n").split(" ", 1)
    assert rest == "a b $HOME"
    joined = [file.read_text().strip() for file in home.memory.parent.glob("*/*/cgroup.procs")]
    assert joined == [pid] * (3 - home.version)
    group.remove()


def test_a_group_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="control group"):
        Cgroup(Home(2, tmp_path / "missing", tmp_path / "missing"), LIMITS)


def test_only_groups_of_dead_controllers_are_swept(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "find_home", lambda: home)
    boot, namespace, _, _ = owner_tag().split(".")
    dead = home.pids / f"kernelwright-{boot}.{namespace}.{os.getpid()}.1-1"
    elsewhere = home.pids / f"kernelwright-{boot}.1.{os.getpid()}.1-1"
    foreign = home.pids / "kernelwright-of-somebody"
    for folder in (dead, elsewhere, foreign):
        folder.mkdir()
    living = Cgroup(home, LIMITS)
    cgroup.sweep_groups()
    left = {path.name for path in home.pids.glob("kernelwright-*")}
    assert dead.name not in left
    assert {elsewhere.name, foreign.name} < left
    assert len(left) == 3
    living.remove()


def test_the_nearest_ancestor_that_hands_out_controllers_is_chosen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = tmp_path / "user.slice/shell.scope"
    own.mkdir(parents=True)
    for folder, controllers in ((own, None), (own.parent, "cpu memory pids"), (tmp_path, "memory pids")):
        (folder / "cgroup.procs").touch()
        if controllers is None:
            (folder / "cgroup.subtree_control").mkdir()  # cannot be read or written: the kernel refuses
        else:
            (folder / "cgroup.subtree_control").write_text(controllers)
    monkeypatch.setattr(cgroup, "_own_paths", lambda: {"": "/user.slice/shell.scope"})
    monkeypatch.setattr(cgroup, "_mounts", lambda: {"": tmp_path})
    assert cgroup._version_2() == Home(2, own.parent, own.parent)
    (own.parent / "cgroup.subtree_control").write_text("cpu")
    (own.parent / "cgroup.subtree_control").chmod(0)
    monkeypatch.setattr(cgroup, "_can_make_group", lambda parent: parent != own.parent)
    assert cgroup._version_2() == Home(2, tmp_path, tmp_path)
    monkeypatch.setattr(cgroup, "_can_make_group", lambda parent: False)
    assert cgroup._version_2() is None


def test_ownership() -> None:
    boot, namespace, pid, start = owner_tag().split(".")
    assert not is_orphaned(owner_tag())
    assert is_orphaned(f"{boot}.{namespace}.{pid}.{int(start) + 1}")
    assert is_orphaned(f"00000000.{namespace}.{pid}.{start}")
    assert not is_orphaned(f"{boot}.1.{pid}.{start}")
    assert not is_orphaned("nonsense")


def test_folders_of_the_dead_are_swept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    living = make_folder("job")
    dead = tmp_path / living.name.replace(owner_tag(), owner_tag() + "1")
    dead.mkdir()
    (tmp_path / "kernelwright-notes").mkdir()
    sweep_folders()
    assert {path.name for path in tmp_path.iterdir()} == {living.name, "kernelwright-notes"}


def test_without_control_groups_a_user_scope_or_resource_limits_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enclosure, "find_home", lambda: None)
    monkeypatch.setattr(enclosure, "_has_user_systemd", lambda: True)
    scope = enclosure.enclose(LIMITS, own_users=True)
    assert isinstance(scope, ScopeEnclosure)
    assert {"MemoryMax=67108864", "MemorySwapMax=0", "TasksMax=8"} < set(scope.prefix)
    assert enclosure.mechanisms(own_users=True)["memory"] == "systemd user scope (cgroup v2)"
    assert scope.was_out_of_memory(-9)
    assert not scope.was_out_of_memory(1)

    monkeypatch.setattr(enclosure, "_has_user_systemd", lambda: False)
    weak = enclosure.enclose(LIMITS, own_users=False)
    assert isinstance(weak, RlimitEnclosure)
    assert enclosure.mechanisms(own_users=False)["processes"] == "not enforced"
    done = subprocess.run([*weak.inner, "sh", "-c", "ulimit -d"], capture_output=True, check=True)
    assert done.stdout.decode().split() == [str(64 << 10)]
