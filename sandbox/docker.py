"""Jobs in Docker containers: no network, a read-only root, no capabilities, nobody as user.

The engine is only asked to start and to kill. The job's three streams are named pipes on the host, mounted into the
container: its bytes pass from process to process through the kernel, past the engine's own copying.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sandbox.admission import (
    SCRATCH,
    accounts,
    as_exact,
    as_nobody,
    by_depth,
    check,
    environment,
    readied,
    sandbox_user,
)
from sandbox.base import Execution, Isolation, Job, Mount
from sandbox.errors import SandboxError, SandboxUnavailable
from sandbox.ownership import is_orphaned, make_folder, owner_tag, sweep_folders
from sandbox.piping import milliseconds_until, widen
from sandbox.seccomp import APPLY, filter_program
from sandbox.session import Ending, Ends, PipeSession
from sandbox.sessions import OpenSessions
from sandbox.spawning import signed

IMAGE = "kernelwright-sandbox-cpu:0.1.0"
"""The image that ``make image`` builds."""

_UNIX = "unix://"
_SOCKET = _UNIX + "/var/run/docker.sock"
_OWNER = "kernelwright.owner"
_PROBE_S = 0.4
_CALL_S = 60.0
_START_S = 30.0
_GRACE_S = 15
"""A container outlives its wall time by that much at most, should the controller be gone."""

_PYTHON = "/opt/venv/bin/python"
_PATH = "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin"
_STREAMS = ("/run/stdin", "/run/stdout", "/run/stderr")
_LAUNCHER = 'exec <"$1" >"$2" 2>"$3" && printf K && shift 3 && exec "$@"'
"""Opens the streams, says so with one byte, becomes the job."""

_CHANGING_USER = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
_OWN_PROCESSES = 2
"""The container's init and its timer."""


class DockerSandbox:
    """Runs jobs in containers. Raises SandboxUnavailable without an engine or the image, with the remedy."""

    isolation = Isolation.DOCKER

    def __init__(self, image: str = IMAGE) -> None:
        if problem := why_unavailable(image):
            raise SandboxUnavailable(*problem)
        self._image = image
        self._client = _connect(_CALL_S)
        self._open = OpenSessions()
        sweep_folders()
        with _translated("clear away old containers"):
            _sweep(self._client)

    @property
    def python(self) -> tuple[str, ...]:
        """The image's interpreter."""
        return (_PYTHON, "-I")

    def path_inside(self, mount: Mount) -> str:
        """Its target."""
        return mount.target

    def enforcement(self) -> dict[str, str]:
        """What holds each limit."""
        engine = "docker"
        return {
            "network": engine,
            "files": engine,
            "memory": "docker cgroup",
            "processes": "docker cgroup",
            "scratch": "tmpfs size",
            "wall": "controller",
            "output": "controller",
            "cleanup": engine,
        }

    def run(self, job: Job, data: bytes = b"") -> Execution:
        """Run to the end. Raises SandboxError if it could not be started."""
        return self._open.run(self._launch(job), job, data)

    def start(self, job: Job) -> PipeSession:
        """Start and return at once. Raises SandboxError if it could not be started."""
        return self._open.start(self._launch(job), job)

    def close(self) -> None:
        """Stop every session still open and leave the engine; idempotent."""
        self._open.stop_all()
        self._client.close()

    def _launch(self, job: Job) -> RunningContainer:
        check(job)
        with ExitStack() as stack:
            mounts = stack.enter_context(readied(job.mounts))
            pipes = make_folder("pipes")
            stack.callback(shutil.rmtree, pipes, ignore_errors=True)
            for inside in _STREAMS:
                os.mkfifo(pipes / Path(inside).name)
                (pipes / Path(inside).name).chmod(0o666)
            (pipes / "passwd").write_text(accounts(sandbox_user()))
            (pipes / "passwd").chmod(0o644)
            with _translated("start a container"):
                container = self._client.create_container(**self._request(job, mounts, pipes))["Id"]
            return RunningContainer(self._client, container, pipes, stack)

    def _request(self, job: Job, mounts: tuple[Mount, ...], pipes: Path) -> dict[str, Any]:
        timer = ("/usr/bin/timeout", "--signal=KILL", str(int(job.limits.wall_s) + _GRACE_S))
        exact = as_exact(environment(job, path=_PATH, home=SCRATCH), job.limits)
        user = sandbox_user()
        # The engine gives capabilities to root only, who then becomes nobody and keeps just those.
        dropped = ("/usr/bin/setpriv", *as_nobody(job.capabilities), "--") if job.capabilities else ()
        return {
            "image": self._image,
            # The timer goes first: what lives as long as the job must not hold its streams.
            "entrypoint": [*timer, "/bin/sh", "-c", _LAUNCHER, "sh", *_STREAMS],
            "command": [*dropped, *_filtered(job.instrumented), *exact, *job.argv],
            "user": "0:0" if dropped else f"{user.uid}:{user.gid}",
            "working_dir": job.cwd,
            "network_disabled": True,
            "labels": {_OWNER: owner_tag()},
            "host_config": self._host_config(job, mounts, pipes),
        }

    def _host_config(self, job: Job, mounts: tuple[Mount, ...], pipes: Path) -> dict[str, Any]:
        from docker.types import Mount as Bind
        from docker.types import Ulimit

        limits = job.limits
        binds = [Bind(inside, str(pipes / Path(inside).name), type="bind") for inside in _STREAMS]
        binds.append(Bind("/etc/passwd", str(pipes / "passwd"), type="bind", read_only=True))
        for mount in by_depth(mounts):
            source = os.path.realpath(mount.source)
            binds.append(Bind(mount.target, source, type="bind", read_only=not mount.writable))
        config: dict[str, Any] = self._client.create_host_config(
            init=True,
            network_mode="none",
            ipc_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            cap_add=[*_CHANGING_USER, *job.capabilities] if job.capabilities else [],
            security_opt=["no-new-privileges:true"],
            pids_limit=limits.processes + _OWN_PROCESSES,
            mem_limit=limits.memory_bytes,
            memswap_limit=limits.memory_bytes,
            tmpfs={
                SCRATCH: f"rw,exec,nosuid,nodev,mode=1777,size={limits.scratch_bytes}",
                "/dev/mqueue": "ro,size=4k",
            },
            ulimits=[Ulimit(name="core", soft=1, hard=1)],
            log_config={"Type": "none", "Config": {}},
            devices=[f"{device}:{device}:rw" for device in job.devices],
            mounts=binds,
        )
        return config


class RunningContainer:
    """A started container and the host's ends of its three named pipes."""

    exit_fd: int | None = None

    def __init__(self, client: Any, container: str, pipes: Path, made: ExitStack) -> None:
        self._client = client
        self._container = container
        self._killing = threading.Lock()
        self._dead = False
        made.callback(self._remove)
        # A reader of our own until the job has opened the pipe: without any, a writer may not open it.
        with _opened(pipes / "stdin") as stdin:
            self.ends = Ends(stdin, _open(pipes / "stdout"), _open(pipes / "stderr"))
            made.callback(self.ends.close)
            with _translated("start a container"):
                client.start(container)
            self._await_opening()
        self._made = made.pop_all()

    def root(self) -> int:
        """The container's init, which is the engine's own. Raises SandboxError."""
        with _translated("inspect a container"):
            return int(self._client.inspect_container(self._container)["State"]["Pid"])

    def wait(self, timeout_s: float) -> bool:
        """Whether the container ended within the time."""
        with _translated("wait for a container"):
            if timeout_s < 1:
                return not self._client.inspect_container(self._container)["State"]["Running"]
            return self._wait(timeout_s)

    def kill(self) -> None:
        """Kill the container with all that is in it."""
        with self._killing, _translated("kill a container"):
            if not self._dead:
                _kill(self._client, self._container)
                self._dead = self._wait(_CALL_S)

    def finish(self) -> Ending:
        """Say how it ended, then remove it."""
        try:
            self.kill()
            with _translated("inspect a container"):
                state = self._client.inspect_container(self._container)["State"]
        finally:
            self._made.close()
        return Ending(signed(state["ExitCode"]), bool(state["OOMKilled"]))

    def _wait(self, timeout_s: float) -> bool:
        from requests.exceptions import ConnectionError as Broken
        from requests.exceptions import Timeout

        with suppress(Broken, Timeout):
            self._client.wait(self._container, timeout=timeout_s)
            return True
        return False

    def _remove(self) -> None:
        with _translated("remove a container"):
            self._client.remove_container(self._container, force=True, v=True)

    def _await_opening(self) -> None:
        """Wait for the launcher's byte, after which both sides hold the pipes."""
        poller = select.poll()
        poller.register(self.ends.stdout, select.POLLIN)
        if not poller.poll(milliseconds_until(time.monotonic() + _START_S)) or os.read(self.ends.stdout, 1) != b"K":
            error = self._client.inspect_container(self._container)["State"].get("Error") or "it said nothing"
            raise SandboxError(f"the container did not come up: {error}")


def why_unavailable(image: str = IMAGE) -> tuple[str, str] | None:
    """None when there is an engine of this machine with the image; else what is wrong and the remedy. Quick."""
    if find_spec("docker") is None:
        return "the Docker SDK for Python is not installed", "pip install 'kernelwright[docker]'"
    from docker.errors import APIError, DockerException, ImageNotFound
    from docker.utils import kwargs_from_env
    from requests.exceptions import RequestException

    no_engine = "no Docker engine answers", "apt-get install docker.io, then: systemctl start docker"
    if _is_deaf(kwargs_from_env().get("base_url") or _SOCKET):
        return no_engine
    try:
        client = _connect(_PROBE_S)
    except (DockerException, RequestException):
        return no_engine
    try:
        facts = client.info()
        if facts["KernelVersion"] != os.uname().release:
            return "the Docker engine runs on another machine", "unset DOCKER_HOST and use an engine of this machine"
        if any(option in ("name=rootless", "name=userns") for option in facts.get("SecurityOptions") or []):
            return "the Docker engine maps users, and mounts would not fit", "use bubblewrap, or an engine run by root"
        client.inspect_image(image)
    except ImageNotFound:
        return f"the image {image} is missing", "make image"
    except (APIError, RequestException) as error:
        return f"the Docker engine does not work ({error})", "systemctl restart docker"
    finally:
        client.close()
    return None


def _is_deaf(address: str) -> bool:
    """Whether a local address refuses us. The SDK would find out too, and leave a socket open each time."""
    if not address.startswith(_UNIX):
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PROBE_S)
        try:
            probe.connect("/" + address.removeprefix(_UNIX).lstrip("/"))  # the SDK takes either
        except OSError:
            return True
    return False


def _connect(timeout_s: float) -> Any:
    import docker
    from docker.utils import kwargs_from_env

    return docker.APIClient(**kwargs_from_env(), version="auto", timeout=timeout_s)


@contextmanager
def _translated(deed: str) -> Iterator[None]:
    """Turn every error of the engine and of the way to it into a SandboxError."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except (DockerException, RequestException) as error:
        raise SandboxError(f"Docker could not {deed}: {getattr(error, 'explanation', None) or error}") from error


def _sweep(client: Any) -> None:
    """Remove the containers of controllers that are dead."""
    for container in client.containers(all=True, filters={"label": _OWNER}):
        if is_orphaned(container["Labels"][_OWNER]):
            client.remove_container(container["Id"], force=True, v=True)


def _kill(client: Any, container: str) -> None:
    from docker.errors import APIError

    try:
        client.kill(container)
    except APIError as error:
        if error.status_code not in (404, 409):  # gone, or not running
            raise


def _filtered(instrumented: bool) -> tuple[str, ...]:
    """Argv prefix that adds our filter to the engine's: older engines let AF_VSOCK through to the hypervisor."""
    program = filter_program(instrumented)
    return (_PYTHON, "-I", "-S", "-c", APPLY, b64encode(program).decode()) if program else ()


def _open(pipe: Path) -> int:
    fd = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    widen(fd)
    return fd


@contextmanager
def _opened(pipe: Path) -> Iterator[int]:
    """Its writing end, with a reader of our own as long as the context lasts."""
    reader = _open(pipe)
    try:
        yield os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    finally:
        os.close(reader)
