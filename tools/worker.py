"""The controller's end of one worker process: requests out, records and raw bytes in, failures sorted.

Nothing here believes a worker: a record is parsed from a fixed number of bytes, and the caller says how many
bytes may follow it.
"""

from __future__ import annotations

import json
import math
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

from sandbox.base import Execution, Held, Session
from sandbox.errors import HoldFailed, SandboxError, SessionEnded, SessionTimeout
from tools.arena import Arena
from tools.errors import JudgeUnavailable
from tools.harness.wire import GO_MAGIC, RECORD_BYTES, REQUEST, REQUEST_MAGIC, Record, Status, parse_record

Buffers = Sequence["bytes | bytearray | memoryview"]

LOG_CHARACTERS = 4000
START_TIMEOUT_S = 90.0
"""Importing torch on a busy machine."""

PATIENCE = 10
"""Times what one request may take, a process of a candidate may take for all: a judgement makes hundreds."""
_REASONS = {
    Status.EXCEPTION: "runtime_error",
    Status.OUT_OF_MEMORY: "out_of_memory",
    Status.UNSUPPORTED_OUTPUT: "wrong_output.type",
    Status.NO_MODEL: "no_model_new",
    Status.IMPORT_ERROR: "import_error",
    Status.FAULT: "fault",
}


class Window(NamedTuple):
    """What one go came to. All seconds but the last are from before the worker could run."""

    record: Record
    answered_s: float
    """Until its record came."""
    window_s: float
    """Until after that all threads of its main process were seen still: what they had asked the kernel to copy is
    done by then. If others ran as well, until all is still: they share its memory, perhaps.
    """
    looking_s: float
    """Of which so much is what looking takes."""
    began: float = 0.0
    """By ``time.perf_counter``, which all processes of this machine read alike."""


class WorkerFailed(Exception):
    """A worker did not do what it was asked. For a candidate that is a rejection, for the rest a fault of ours."""

    def __init__(self, reason: str, detail: str, log: str = "") -> None:
        super().__init__(detail)
        self.reason = reason
        """Stable code: ``runtime_error``, ``timeout``, ``out_of_memory``, ``crash`` ..."""
        self.detail = detail
        """One line."""
        self.log = log
        """End of what the worker wrote to standard error; for people, never read for a decision."""


class Worker:
    """One process that answers one request at a time; calls from several threads take turns."""

    def __init__(
        self, session: Session, name: str, timeout_s: float, arena: Arena | None = None, *, trusted: bool = False
    ) -> None:
        self.name = name
        self.alive = True
        self._session = session
        self.timeout_s = timeout_s
        self._patience_s = math.inf
        self._seq = 0
        self._greeting: dict[str, Any] | None = None
        self._held = False
        self.looking_s = 0.0
        """What looking whether it stands still took, when it was held last."""
        self.is_trusted = trusted
        self._lock = threading.RLock()
        self.arena = arena

    def greet(self, body: dict[str, Any]) -> None:
        """Send its settings and return at once; ``await_ready``, or the first request, waits for the answer."""
        self._greeting = body
        self.send("start", body)

    def await_ready(self) -> None:
        """Wait until it has imported torch. Raises JudgeUnavailable: nobody's code has run in it yet."""
        with self._lock:
            if self._greeting is None:
                return
            timeout_s, self.timeout_s = self.timeout_s, max(self.timeout_s, START_TIMEOUT_S)
            self._greeting = None
            try:
                self.receive()
                if self.arena is not None:
                    self.arena.forget_name()
                    self._session.watch()  # later its process may no longer be what it seems
            except WorkerFailed as error:
                raise JudgeUnavailable(
                    f"the {self.name} process could not start: {error.detail}: {last_line(error.log)}"
                ) from error
            except HoldFailed as error:
                raise JudgeUnavailable(
                    f"the {self.name} process cannot be held still while others are timed: {error}; "
                    "use bubblewrap, or run as root"
                ) from error
            finally:
                self.timeout_s = timeout_s
            if not self.is_trusted:
                self._patience_s = PATIENCE * timeout_s

    def ask(self, op: str, body: Mapping[str, Any] | None = None, payload: Buffers = ()) -> Record:
        """Send a request and return its record. Raises WorkerFailed."""
        with self._lock:
            self.await_ready()
            self.send(op, body, payload)
            record = self.receive()
            if not self.is_trusted:
                self.hold()  # nothing of a candidate's runs unless it was asked something
            return record

    def fetch(self, op: str, body: Mapping[str, Any], hand_over: Callable[[], None]) -> None:
        """A request of a worker that has loaded nobody's code yet, in the course of which it is handed something.

        Raises WorkerFailed, JudgeUnavailable.
        """
        with self._lock:
            self.await_ready()
            self.send(op, body)
            try:
                hand_over()
            except SandboxError as error:
                raise JudgeUnavailable(f"the {self.name} process got no memory: {error}") from error
            self.receive()

    def take_descriptor(self, number: int) -> int:
        """A copy of a descriptor that it has open. Raises HoldFailed; WorkerFailed if it is gone."""
        try:
            return self._session.take_descriptor(number)
        except SessionEnded as error:
            raise self._ended(None) from error

    def send(self, op: str, body: Mapping[str, Any] | None = None, payload: Buffers = ()) -> None:
        """Send a request. A worker that does not read in time is stopped. Raises WorkerFailed."""
        self.require_still()
        self._release()
        self._seq = secrets.randbits(64)  # an answer written before the request cannot name it
        text = json.dumps({**(body or {}), "op": op, "seq": self._seq}).encode()
        head = REQUEST.pack(REQUEST_MAGIC, len(text)) + text
        for item in (head, *payload):
            self._send(item)

    def _send(self, data: bytes | bytearray | memoryview) -> None:
        with self._waiting() as (began, limit_s):
            try:
                if len(data):
                    self._session.send(memoryview(data), limit_s)
            except SessionEnded as error:
                is_late = time.monotonic() - began >= limit_s
                raise self._ended("timeout" if is_late else None) from error

    @contextmanager
    def _waiting(self) -> Iterator[tuple[float, float]]:
        """When waiting began, and how long it may take; counted towards what the worker may take in all."""
        began = time.monotonic()
        try:
            yield began, max(0.0, min(self.timeout_s, self._patience_s))
        finally:
            self._patience_s -= time.monotonic() - began

    def hold(self) -> None:
        """Stop all that runs in its sandbox, until the next request. Does nothing while it is held.

        Raises WorkerFailed.
        """
        if not self._held:
            self._stop_all()

    def _stop_all(self) -> Held:
        with self._watching():
            held = self._session.hold()
        self._held = True
        self.looking_s = held.looking_s
        return held

    def require_still(self) -> None:
        """Raises WorkerFailed if anything of it ran since it was held. Asks nothing of one that is not held."""
        if self._held:
            with self._watching():
                self._session.require_still()

    def _release(self, *, alone: bool = False) -> None:
        if self._held:
            self._held = False
            with self._watching():
                self._session.release(alone=alone)

    @contextmanager
    def _watching(self) -> Iterator[None]:
        try:
            yield
        except HoldFailed as error:
            self.close()
            raise WorkerFailed("cheat.unstoppable", str(error), self.log()) from error
        except SessionEnded as error:
            raise self._ended(None) from error

    def go(self) -> Window:
        """Let a held worker make the calls it has laid out; hold it again.

        Of its processes only the main one runs. Raises WorkerFailed.
        """
        with self._lock:
            self.require_still()
            self._seq = secrets.randbits(64)
            frame = REQUEST.pack(GO_MAGIC, self._seq)
            began = time.perf_counter()
            self._send(frame)
            self._release(alone=True)
            raw = self.take(RECORD_BYTES)
            answered = time.perf_counter()
            held = self._stop_all()
            ended = time.perf_counter() if held.grown else held.main_at
            return Window(self._parsed(raw), answered - began, ended - began, held.looking_s, began)

    def read_memory(self, address: int, count: int) -> bytearray | None:
        """So much of its memory, best while it is held; None for what it does not have."""
        buffer = bytearray(count)
        try:
            self._session.read_memory(address, memoryview(buffer))
        except HoldFailed:
            return None
        except SessionEnded as error:
            raise self._ended(None) from error
        return buffer

    def receive(self) -> Record:
        """Wait for the record of the last request. Raises WorkerFailed unless it says OK."""
        return self._parsed(self.take(RECORD_BYTES))

    def _parsed(self, raw: bytearray) -> Record:
        try:
            record = parse_record(raw)
            if record.seq != self._seq:
                raise ValueError("not the answer to the last request")
        except ValueError as error:
            self.close()
            detail = f"the {self.name} process wrote something else than an answer: {error}"
            raise WorkerFailed("cheat.forged_record", detail, self.log()) from error
        if record.status != Status.OK:
            self._refused(record)
        return record

    def take(self, count: int) -> bytearray:
        """Exactly ``count`` bytes of what it sends. Raises WorkerFailed."""
        buffer = bytearray(count)
        if count:
            with self._waiting() as (_, limit_s):
                try:
                    self._session.receive_into(memoryview(buffer), limit_s)
                except SessionTimeout as error:
                    raise self._ended("timeout") from error
                except SessionEnded as error:
                    raise self._ended(None) from error
        return buffer

    def ask_facts(
        self, op: str, body: Mapping[str, Any], sizes: Callable[[Any], Iterable[int]] = lambda facts: ()
    ) -> tuple[Any, list[bytearray]]:
        """Ask a trusted worker: its JSON, and the buffers whose ``sizes`` that JSON implies."""
        with self._lock:
            record = self.ask(op, body)
            facts = json.loads(self.take(record.text_bytes))
            return facts, [self.take(size) for size in sizes(facts)]

    def _refused(self, record: Record) -> None:
        status = Status(record.status) if record.status in Status._value2member_map_ else Status.EXCEPTION
        text = ""
        if status is Status.FAULT and not self.is_trusted:
            status = Status.EXCEPTION  # only the user's own problem file has anything to say
        if status is Status.FAULT:
            text = bytes(self.take(record.text_bytes)).decode("utf-8", "replace")
        log = self.log()
        raise WorkerFailed(_REASONS[status], text or last_line(log), log)

    def _ended(self, reason: str | None) -> WorkerFailed:
        """Stop it and say why it ended."""
        execution = self.close()
        log = self.log()
        if reason == "timeout" and self._patience_s < self.timeout_s:
            return WorkerFailed("timeout", f"its answers took {PATIENCE * self.timeout_s:g} s in all", log)
        if reason == "timeout":
            return WorkerFailed("timeout", f"no answer within {self.timeout_s:g} s", log)
        if execution.out_of_memory:
            return WorkerFailed("out_of_memory", "it was killed for using more memory than it may", log)
        if execution.exit_code < 0:
            return WorkerFailed("crash", f"it was killed by signal {-execution.exit_code}", log)
        return WorkerFailed("crash", f"it ended with exit code {execution.exit_code} before it answered", log)

    def log(self) -> str:
        """End of its standard error, for people."""
        return printable(self._session.stderr_tail().decode("utf-8", "replace"))[-LOG_CHARACTERS:]

    def close(self) -> Execution:
        """Kill it; idempotent."""
        self.alive = False
        execution = self._session.stop()
        if self.arena is not None:
            self.arena.close()
        return execution

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def printable(text: str) -> str:
    """Without what would move a reader's cursor or colour the terminal."""
    return "".join(letter for letter in text if letter in "\n\t" or letter.isprintable())


def last_line(text: str) -> str:
    """The last line that says something, shortened."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no message"
