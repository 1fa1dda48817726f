"""The sandbox contract as tests. An implementation's test class inherits ``SandboxContract`` and gives a ``sandbox``.

What an implementation does not promise it says in ``not_promised``; those tests are skipped with that reason.
"""

# ruff: noqa: D102 - the name of a test says what it tests

from __future__ import annotations

import hashlib
import json
import os
import socket
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.base import Job, Limits, Mount, Sandbox
from sandbox.conformance_probes import (
    CONNECT,
    FORKS,
    HASH,
    MIB,
    PROCESSES,
    SPREAD,
    WRITABLE,
    left_behind,
    python,
    survivors,
)
from sandbox.conformance_sessions import SessionContract
from sandbox.errors import SandboxError


class SandboxContract(SessionContract):
    """Inherited by the tests of every implementation."""

    @pytest.fixture
    def sandbox(self) -> Iterator[Sandbox]:
        """The sandbox under test."""
        raise NotImplementedError

    # What goes in and what comes out.

    def test_output_and_exit_code(self, sandbox: Sandbox) -> None:
        done = python(sandbox, "import sys; print('out ✓'); print('err ✓', file=sys.stderr); sys.exit(3)")
        assert (done.exit_code, done.stdout, done.stderr) == (3, "out ✓\n".encode(), "err ✓\n".encode())
        assert not any((done.ok, done.timed_out, done.out_of_memory, done.truncated))
        assert done.wall_s > 0

    def test_success(self, sandbox: Sandbox) -> None:
        assert python(sandbox, "pass").ok

    def test_arguments_are_not_read_by_a_shell(self, sandbox: Sandbox) -> None:
        said = ["$HOME `id` $(id)", "", "a b", "naïve ✓", "two\nlines", "-c", "--", "*", "'\"\\"]
        done = python(sandbox, "import json, sys; print(json.dumps(sys.argv[1:]))", *said)
        assert json.loads(done.stdout) == said

    def test_environment_is_exact(self, sandbox: Sandbox) -> None:
        env = {"GREETING": "grüß dich ✓", "EMPTY": "", "SPACE": "a b=c"}
        done = sandbox.run(Job(("env", "-0"), env=env))
        seen = dict(entry.split("=", 1) for entry in done.stdout.decode().rstrip("\0").split("\0"))
        assert set(seen) == {*env, "PATH", "HOME", "LANG"}
        assert {name: seen[name] for name in env} == env

    def test_own_settings_win(self, sandbox: Sandbox) -> None:
        done = sandbox.run(Job(("printenv", "HOME"), env={"HOME": "/elsewhere"}))
        assert done.stdout == b"/elsewhere\n"

    def test_input_is_read_to_its_end(self, sandbox: Sandbox) -> None:
        data = os.urandom(8 * MIB)
        done = python(sandbox, HASH, data=data)
        assert done.stdout.decode().split() == [str(len(data)), hashlib.sha256(data).hexdigest()]

    def test_input_that_nobody_reads(self, sandbox: Sandbox) -> None:
        assert python(sandbox, "print('done')", data=bytes(8 * MIB)).stdout == b"done\n"

    def test_signals_are_negative_exit_codes(self, sandbox: Sandbox) -> None:
        killed = [sandbox.run(Job(("sh", "-c", f"kill -{number} $$; sleep 60"))) for number in (15, 9, 11)]
        assert [done.exit_code for done in killed] == [-15, -9, -11]
        assert not any(done.timed_out or done.out_of_memory for done in killed)

    def test_missing_program(self, sandbox: Sandbox) -> None:
        done = sandbox.run(Job(("no-such-program",)))
        assert done.exit_code == 127
        assert b"no-such-program" in done.stderr

    @pytest.mark.parametrize(
        "job",
        [
            Job(()),
            Job(("a=b",)),
            Job(("true", "\0")),
            Job(("true",), cwd="relative"),
            Job(("true",), env={"A=B": "c"}),
            Job(("true",), mounts=(Mount(Path("/no/such/file"), "/x"),)),
            Job(("true",), mounts=(Mount(Path("/usr"), "relative"),)),
            Job(("true",), mounts=(Mount(Path("/usr"), "/a/../.."),)),
        ],
    )
    def test_impossible_jobs_are_refused(self, sandbox: Sandbox, job: Job) -> None:
        with pytest.raises(SandboxError):
            sandbox.run(job)
        with pytest.raises(SandboxError):
            sandbox.start(job)

    def test_no_descriptor_leaks_in(self, sandbox: Sandbox) -> None:
        done = python(sandbox, "import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:-1])")
        assert done.stdout == b"[0, 1, 2]\n"

    # Mounts.

    def test_mounts(self, sandbox: Sandbox, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "out").mkdir()
        (tmp_path / "in/data").write_text("hello")
        reading, writing = Mount(tmp_path / "in", "/in"), Mount(tmp_path / "out", "/srv/deep/out", writable=True)
        inside = [sandbox.path_inside(mount) for mount in (reading, writing)]
        code = "import sys, pathlib as p; a, b = map(p.Path, sys.argv[1:]); (b / 'sub').mkdir();"
        code += "(b / 'sub/copy').write_text((a / 'data').read_text())"
        done = python(sandbox, code, *inside, mounts=(reading, writing))
        assert done.ok, done.stderr
        assert (tmp_path / "out/sub/copy").read_text() == "hello"

    def test_a_private_file_can_be_shown(self, sandbox: Sandbox, tmp_path: Path) -> None:
        folder = tmp_path / "private"
        folder.mkdir(mode=0o700)
        (folder / "file").write_text("shown")
        (folder / "file").chmod(0o600)
        mount = Mount(folder, "/shown")
        done = sandbox.run(Job(("cat", f"{sandbox.path_inside(mount)}/file"), mounts=(mount,)))
        assert done.stdout == b"shown"
        assert folder.stat().st_mode & 0o777 == 0o700
        assert folder.stat().st_uid == os.getuid()

    def test_a_mount_is_read_only_unless_writable(self, sandbox: Sandbox, tmp_path: Path) -> None:
        self.needs(sandbox, "files")
        (tmp_path / "data").write_text("as it was")
        for attempt in ("> /in/data", "> /in/new", "rm -f /in/data", "chmod 777 /in/data"):
            done = sandbox.run(Job(("sh", "-c", attempt), mounts=(Mount(tmp_path, "/in"),)))
            assert not done.ok, attempt
        assert (tmp_path / "data").read_text() == "as it was"
        assert len(list(tmp_path.iterdir())) == 1

    def test_a_planted_link_leads_nowhere(self, sandbox: Sandbox, tmp_path: Path) -> None:
        self.needs(sandbox, "files")
        canary = tmp_path / "canary"
        canary.write_text("secret of the host")
        shared = tmp_path / "shared"
        shared.mkdir()
        mount = Mount(shared, "/shared", writable=True)
        sandbox.run(Job(("ln", "-s", str(canary), "/shared/link"), mounts=(mount,)))
        assert (shared / "link").is_symlink()
        done = sandbox.run(Job(("cat", "/shared/link"), mounts=(Mount(shared, "/shared"),)))
        assert not done.ok
        assert done.stdout == b""

    # What a job can reach.

    @pytest.mark.enable_socket
    def test_no_network(self, sandbox: Sandbox) -> None:
        self.needs(sandbox, "network")
        with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as hidden:
            hidden.bind(f"\0{(name := uuid.uuid4().hex)}")
            hidden.listen()
            done = python(sandbox, CONNECT, str(server.getsockname()[1]), name)
        assert json.loads(done.stdout) == []

    def test_host_files_are_hidden(self, sandbox: Sandbox, tmp_path: Path) -> None:
        self.needs(sandbox, "files")
        with tempfile.NamedTemporaryFile(dir=Path.home()) as at_home, tempfile.NamedTemporaryFile() as temporary:
            places = [
                at_home.name,
                temporary.name,
                str(tmp_path),
                "/etc/shadow",
                "/var/run/docker.sock",
            ]
            outside = Path("/proc", "1", "root")  # of the first process: where a sandbox without its own would lead
            places += [f"{outside}/etc/shadow", f"{outside}{tmp_path}", str(Path(__file__))]
            code = "import os, sys; print([place for place in sys.argv[1:] if os.access(place, os.R_OK)])"
            readable = python(sandbox, code, *places).stdout
        assert readable == b"[]\n"

    def test_only_scratch_and_writable_mounts_can_be_written(self, sandbox: Sandbox, tmp_path: Path) -> None:
        self.needs(sandbox, "files")
        mount = Mount(tmp_path, "/outbox", writable=True)
        done = python(sandbox, WRITABLE, mounts=(mount,))
        assert json.loads(done.stdout) == ["/outbox", "/tmp"]

    def test_other_processes_are_out_of_reach(self, sandbox: Sandbox) -> None:
        self.needs(sandbox, "files")
        done = python(sandbox, PROCESSES, str(os.getpid()))
        seen = json.loads(done.stdout)
        assert seen["count"] < 10
        assert "PYTEST_CURRENT_TEST" not in seen["environments"]
        assert not seen["reaches_controller"]

    def test_no_privileges(self, sandbox: Sandbox) -> None:
        self.needs(sandbox, "files")
        lines = sandbox.run(Job(("cat", "/proc/self/status"))).stdout.decode().splitlines()
        facts = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(facts[name], 16) == 0
        assert facts["NoNewPrivs"] == "1"
        assert facts["Seccomp"] == "2"
        assert "0" not in facts["Uid"].split()
        assert not sandbox.run(Job(("unshare", "--user", "true"))).ok
        assert sandbox.run(Job(("whoami",))).stdout == b"sandbox\n"

    def test_capabilities_that_were_asked_for_and_no_others(self, sandbox: Sandbox) -> None:
        self.needs(sandbox, "files")
        job = Job(("cat", "/proc/self/status"), capabilities=("CAP_SYS_PTRACE", "CAP_SYS_ADMIN"))
        lines = sandbox.run(job).stdout.decode().splitlines()
        facts = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
        asked = 1 << 19 | 1 << 21  # not CAP_PERFMON: engines older than Docker 23 do not know it
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(facts[name], 16) & ~asked == 0, name
        assert int(facts["CapEff"], 16) == asked
        assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
        assert "0" not in facts["Uid"].split()

    @pytest.mark.parametrize("name", ["CAP_DAC_OVERRIDE", "all", "CAP_PERFMON,+all"])
    def test_other_capabilities_are_refused(self, sandbox: Sandbox, name: str) -> None:
        with pytest.raises(SandboxError, match="no job may have"):
            sandbox.run(Job(("true",), capabilities=(name,)))

    @pytest.mark.enable_socket
    def test_a_program_that_is_watched_may_talk_but_not_to_others(self, sandbox: Sandbox) -> None:
        self.needs(sandbox, "network")
        code = "import socket; a = socket.create_server(('127.0.0.1', 0))\n"
        code += "b = socket.create_connection(a.getsockname()); c = a.accept()[0]; b.sendmsg([b'x']); print(c.recv(1))"
        assert not python(sandbox, code).ok
        done = sandbox.run(Job((*sandbox.python, "-c", code), instrumented=True))
        assert done.stdout == b"b'x'\n", done.stderr
        with socket.create_server(("127.0.0.1", 0)) as server:
            argv = (*sandbox.python, "-c", CONNECT, str(server.getsockname()[1]), "nobody")
            assert json.loads(sandbox.run(Job(argv, instrumented=True)).stdout) == []

    # Limits.

    @pytest.mark.parametrize(
        "how", ["sleep 600", "trap '' TERM INT HUP; while :; do :; done", "exec >&- 2>&-; sleep 600"]
    )
    def test_wall_time(self, sandbox: Sandbox, how: str) -> None:
        done = sandbox.run(Job(("sh", "-c", how), limits=Limits(wall_s=0.5)))
        assert done.timed_out
        assert not done.ok
        assert done.exit_code == -9

    def test_output_is_bounded_and_the_rest_dropped(self, sandbox: Sandbox) -> None:
        code = "import os\nfor _ in range(64):\n for fd in (1, 2): os.write(fd, bytes(1 << 20))\nos._exit(7)"
        done = python(sandbox, code, limits=Limits(output_bytes=100_000))
        assert (done.exit_code, done.truncated) == (7, True)
        assert (len(done.stdout), len(done.stderr)) == (100_000, 100_000)

    def test_memory(self, sandbox: Sandbox) -> None:
        self.needs(sandbox, "memory")
        done = python(sandbox, "x = bytearray(600 << 20); print(len(x))", limits=Limits(memory_bytes=200 * MIB))
        assert not done.ok
        assert done.stdout == b""
        if "cgroup" in sandbox.enforcement()["memory"]:
            assert done.out_of_memory

    def test_memory_of_all_processes_together(self, sandbox: Sandbox) -> None:
        self.needs(sandbox, "memory")
        if "cgroup" not in sandbox.enforcement()["memory"]:
            pytest.skip("memory is bounded process by process here")
        done = python(sandbox, SPREAD, limits=Limits(memory_bytes=200 * MIB, wall_s=20))
        assert done.out_of_memory
        assert b"all alive" not in done.stdout

    def test_processes(self, sandbox: Sandbox) -> None:
        self.needs(sandbox, "processes")
        marker = f"{uuid.uuid4().int % 10**9 + 10**8}"
        done = python(sandbox, FORKS, marker, limits=Limits(processes=48, wall_s=20))
        assert 16 <= int(done.stdout) <= 48
        assert survivors(marker) == []

    def test_fork_bomb(self, sandbox: Sandbox) -> None:
        self.needs(sandbox, "processes")
        code = "import os\nwhile True:\n try: os.fork()\n except OSError: pass"
        done = python(sandbox, code, limits=Limits(processes=64, wall_s=1))
        assert done.timed_out
        assert left_behind() == []

    def test_scratch_is_bounded(self, sandbox: Sandbox) -> None:
        self.needs(sandbox, "scratch")
        fill = "for name in a b; do dd if=/dev/zero of=/tmp/$name bs=1M count=6; done"
        done = sandbox.run(Job(("sh", "-c", fill), limits=Limits(scratch_bytes=8 * MIB)))
        assert b"No space left on device" in done.stderr

    def test_no_file_outgrows_the_scratch_size(self, sandbox: Sandbox, tmp_path: Path) -> None:
        mount = Mount(tmp_path, "/out", writable=True)
        argv = ("dd", "if=/dev/zero", f"of={sandbox.path_inside(mount)}/x", "bs=1M", "count=64")
        assert not sandbox.run(Job(argv, mounts=(mount,), limits=Limits(scratch_bytes=8 * MIB))).ok
        assert (tmp_path / "x").stat().st_size == 8 * MIB

    def test_scratch_is_private_and_goes_away(self, sandbox: Sandbox) -> None:
        code = "import os; print(os.path.exists('mine')); open('mine', 'w').close()"
        assert [python(sandbox, code).stdout for _ in range(2)] == [b"False\n", b"False\n"]
