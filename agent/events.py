"""The event log: the single source of truth that every user interface reads and that resuming relies on.

One JSON object a line, only ever appended::

    {"seq": 12, "time": "2026-01-31T12:00:00.000Z", "elapsed_s": 41.2, "type": "judged", "data": {...}}

``elapsed_s`` counts active seconds of the run, accumulated over interruptions; a run that waits for a model's
server that is out, or is held by a pause, is not active. Types and their data:

* ``run_started`` run_id, problem, target, language, model, settings, version, source (artifact: the problem file),
  starts (name and source of each kernel of the user's);
  ``resumed`` run_id
* ``described`` description (artifact), operators, cases, cpu, threads
* ``baselines_measured`` baselines (name to seconds), cases (name to case to timing)
* ``at_floor`` cases (case, baseline, fraction of the floor, bound), message: nothing is left to win, no search begins
* ``recalled`` attempts (list), seeds (judged before any model call: the user's kernels, then candidates from memory)
* ``round_started`` round, slots, parents, kinds (``draft``, ``restart`` or empty, a slot each)
* ``researched`` round, slot, author, question, diagnosis, knowledge (names), remembered (attempts)
* ``proposed`` round, slot, parent, kind, inspirations, candidate, language, source_artifact, strategy, refusal,
  origin, transcript, tools and profile (artifacts: the messages, the schemas of the tools, a diagnosis), tokens,
  cost_usd, model_calls, tool_calls
* ``replied`` round, slot, step, origin, reply (artifact): a model's reply in a conversation that goes on
* ``answered`` round, slot, number, question, candidate, answer (artifact): what the judge told a conversation
* ``judging`` candidate, order, of
* ``judged`` candidate, parent, kind, inspirations, strategy, source_artifact, seconds, verdict (in full), round,
  slot, origin, likeness (``tools.likeness``), traits (``tools.traits``)
* ``recognised`` round, slot, candidate, parent, strategy, same_as: not judged, it is the same program as another
* ``tuning`` candidate, parameters (name to values), settings (how many there are), trials, seconds (at most);
  ``setting_tried`` candidate, number, values, speedup (None: it failed), call_s, reason, detail, seconds;
  ``setting_again`` candidate, turn, number, speedup, seconds: the quickest and the defaults, measured in turn;
  ``tuned`` candidate, tried, failed, values and winner (None: the defaults stay), source_artifact, before, speedup
  (of the quickest, whether it won or not; both of quick measurements, the latest), again (how many of those there
  were), ended_by. The winner's ``judged`` has the candidate as its parent
* ``reflected`` candidate, bottleneck, evidence, lesson, author (rule or model)
* ``remembered`` candidate, confirmed
* ``champion`` candidate, speedup, speedup_ci95, previous
* ``round_ended`` round, champion, since_better, barren_rounds; ``search_ended`` rounds, reason
* ``confirming`` candidate; ``confirmed`` candidate, holds, verdict, over_start (where the user's kernel was
  accepted: start, speedup, speedup_ci95, faster, why); ``start_confirmed`` candidate, verdict: that kernel judged again
* ``run_finished`` the outcome; ``interrupted`` message
* ``model_call`` round, slot, step, model, tokens_in, tokens_out, cached, reasoning, approximate, cost_usd, seconds,
  finish (``lost``: it broke off, and is counted at its worst), ``role`` where no proposal asks
* ``tool_call``; ``notice``, ``warning`` text
* ``model_asked`` round, slot, step, model, tokens, cost_usd (where a cap is set: the worst case of the call that
  begins; 0: it was refused)
* ``model_paused`` model, reason, retry_in_s (None: not again); ``model_resumed`` model, seconds
* ``waiting`` what (``disk``, ``device``), text: the run goes on by itself when that is there; ``waited`` what, seconds
* ``steered`` request, kind, asked_at, refused (None or why), and what the request says (``agent.control``);
  ``held``: it waits, because a pause was asked for
* of a chat, which has a log of its own: ``chat_begun`` chat_id; ``said`` by (person or chat), text; ``search_begun``
  folder
"""

from __future__ import annotations

import errno
import fcntl
import gc
import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from agent.errors import RunError
from tools.errors import RequestError
from tools.full_disk import WhenFull, patiently

EVENT_TYPES = frozenset(
    {
        *("run_started", "resumed", "interrupted", "run_finished"),
        *("described", "baselines_measured", "at_floor", "recalled", "round_started", "researched", "proposed"),
        *("judging", "judged", "recognised", "reflected", "remembered", "champion", "confirming", "confirmed"),
        *("tuning", "setting_tried", "setting_again", "tuned"),
        "start_confirmed",
        *("replied", "answered", "round_ended", "search_ended"),
        *("model_call", "tool_call", "notice", "warning", "model_asked", "model_paused", "model_resumed"),
        *("waiting", "waited"),
        *("steered", "held", "chat_begun", "said", "search_begun"),
    }
)
DURABLE = EVENT_TYPES - {
    *("judging", "confirming", "model_call", "tool_call", "notice", "model_resumed", "held", "said"),
    *("waiting", "waited"),
    *("round_ended", "search_ended"),
}
"""Types that must survive a power cut, because work would be done twice without them."""
_CHUNK_BYTES = 1 << 20
"""Of lines that are read at once."""
LARGE = 20_000
"""Events of a history that the garbage collector is kept from."""


class Event(NamedTuple):
    """One line of the log; a tuple, as a hundred thousand of them are made when a large log is opened."""

    seq: int
    time: str
    """UTC, ISO 8601."""
    elapsed_s: float
    """Active seconds since the run began."""
    type: str
    data: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, in the order of the fields."""
        return {
            "seq": self.seq,
            "time": self.time,
            "elapsed_s": self.elapsed_s,
            "type": self.type,
            "data": self.data,
        }


Subscriber = Callable[[Event], None]
"""Called with each event after it has been written, one at a time, in order."""


def utc_now() -> str:
    """The time of day as the log writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_events(path: Path) -> list[Event]:
    """All whole events of a log, which may be being written. Raises RunError for a damaged or missing one."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read the event log {path}: {error.strerror}") from error
    return _parse(raw, path)[0]


def _parse(raw: bytes, path: Path) -> tuple[list[Event], int]:
    """Events and the number of bytes they take; a torn last line is left out."""
    events: list[Event] = []
    whole = 0
    with without_collecting():
        while (end := _end_of_chunk(raw, whole)) > whole:
            found = _whole_chunk(raw[whole:end])
            if found is None:
                break
            events += found
            whole = end
    # What is left begins with a chunk that is torn or damaged somewhere.
    for line in raw[whole:].splitlines(keepends=True):
        try:
            if not line.endswith(b"\n"):
                raise ValueError("torn")
            events.append(_event(_loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            if whole + len(line) == len(raw):
                break
            raise RunError(f"the event log {path} is damaged at line {len(events) + 1}") from error
        whole += len(line)
    return events, whole


def _end_of_chunk(raw: bytes, begin: int) -> int:
    """Where the last line ends that is whole and lies within a chunk, or the first one if that is longer."""
    return raw.rfind(b"\n", begin, begin + _CHUNK_BYTES) + 1 or raw.find(b"\n", begin) + 1


def _whole_chunk(raw: bytes) -> list[Event] | None:
    """The events of many lines at once, which is far quicker than one by one; None if anything is wrong with any."""
    try:
        records = _loads(b"[" + raw[:-1].replace(b"\n", b",") + b"]")
        return [_event(record) for record in records] if len(records) == raw.count(b"\n") else None
    except (ValueError, KeyError, TypeError):
        return None


def _loads(raw: bytes) -> Any:
    """In half of the time that ``json`` takes, which is asked where a text holds half a character, as paths may.

    Raises ValueError. Integers of more than 64 bits would become floats: nobody writes any.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return json.loads(raw)


@contextmanager
def without_collecting() -> Iterator[None]:
    """Nothing that is kept of a log is garbage; looking for some again and again takes longer than the work itself."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


_fields = itemgetter(*Event._fields)


def _event(record: dict[str, Any]) -> Event:
    return Event._make(_fields(record))


class EventLog:
    """Appends events. Safe from several threads; one process at a time, which a lock on the file enforces.

    ``when_full`` is asked what to do while the disk has no space, and the log is not active meanwhile; without it that
    is an error like others.

    ``history`` holds the events that were there when it was opened; a torn last line is cut off then.
    """

    def __init__(
        self,
        path: Path,
        *,
        subscribers: Iterable[Subscriber] = (),
        clock: Callable[[], float] = time.monotonic,
        types: frozenset[str] = EVENT_TYPES,
        durable: frozenset[str] = DURABLE,
    ) -> None:
        """``types``: those there are; ``durable``: those of them that must survive a power cut."""
        self.path = path
        self.when_full: WhenFull | None = None
        self._clock = clock
        self._types, self._durable = types, durable
        self._subscribers = tuple(subscribers)
        self._lock = threading.RLock()
        self._fd: int | None = _open_exclusively(path)
        self._frozen = False
        try:
            raw = path.read_bytes()
            with without_collecting():
                self.history, self._size = _parse(raw, path)
                self._frozen = len(self.history) >= LARGE
                if self._frozen:
                    gc.freeze()  # it lives as long as the log, and to look through it takes half as long as to read it
            if self._size < len(raw):
                os.ftruncate(self._fd, self._size)
        except BaseException:
            self.close()
            raise
        self._seq = self.history[-1].seq + 1 if self.history else 0
        self._before_s = self.history[-1].elapsed_s if self.history else 0.0
        self._opened = clock()
        self._held: float | None = None

    def elapsed_s(self) -> float:
        """Active seconds of the run, earlier stretches included."""
        with self._lock:
            now = self._clock() if self._held is None else self._held
            return self._before_s + max(0.0, now - self._opened)

    def hold(self) -> None:
        """The run is not active from now on; idempotent."""
        with self._lock:
            if self._held is None:
                self._held = self._clock()

    def release(self) -> None:
        """The run is active again; idempotent."""
        with self._lock:
            if self._held is not None:
                self._opened += self._clock() - self._held
                self._held = None

    @contextmanager
    def inactive(self) -> Iterator[None]:
        """The run waits for what is not its own to hurry."""
        self.hold()
        try:
            yield
        finally:
            self.release()

    def emit(self, type: str, **data: Any) -> Event:  # noqa: A002 - the log's own word for it
        """Write one event, then tell the subscribers. Raises RunError when it cannot be written."""
        if type not in self._types:
            raise ValueError(f"unknown event type {type!r}")
        with self._lock:
            try:
                # The event is made anew at each try: waiting for space is told before it.
                event = patiently(lambda: self._append(type, data), self._wait if self.when_full else None)
            except OSError as error:
                reason = f"cannot write to {self.path}: {error.strerror}"
                raise RunError(f"{reason}; mend it, then resume") from error
            self._seq += 1
            for subscriber in self._subscribers:
                subscriber(event)
        return event

    def tell(self, type: str, **data: Any) -> None:  # noqa: A002 - as ``emit``
        """Tell the subscribers what cannot be written: there is no space for it."""
        with self._lock:
            event = Event(self._seq, utc_now(), round(self.elapsed_s(), 3), type, data)
            for subscriber in self._subscribers:
                subscriber(event)

    def subscribe(self, subscriber: Subscriber) -> None:
        """Tell ``subscriber`` too, from the next event on."""
        with self._lock:
            self._subscribers = (*self._subscribers, subscriber)

    def close(self) -> None:
        """Let go of the file and its lock; idempotent."""
        with self._lock:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None
                if self._frozen:
                    gc.unfreeze()

    def _append(self, type_: str, data: dict[str, Any]) -> Event:
        event = Event(self._seq, utc_now(), round(self.elapsed_s(), 3), type_, data)
        self._write(_encode(event), durable=type_ in self._durable)
        return event

    def _wait(self, error: OSError) -> None:
        """Until there may be space. The lock is held: nobody else could write either."""
        assert self.when_full is not None
        held = self._held is not None
        self.hold()
        try:
            self.when_full(error)
        finally:
            if not held:
                self.release()

    def _write(self, line: bytes, *, durable: bool) -> None:
        """All of it or nothing. Raises OSError, RunError for a log that is closed."""
        if self._fd is None:
            raise RunError(f"the event log {self.path} is closed")
        try:
            written = os.write(self._fd, line)
            if written < len(line):
                raise OSError(errno.ENOSPC, "the disk is full")
            if durable:
                os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise
        self._size += written


def _open_exclusively(path: Path) -> int:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise RunError(f"cannot open the event log {path}: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise RequestError(f"another process is working on the run in {path.parent}: wait for it or stop it") from error
    except OSError as error:
        os.close(fd)
        raise RunError(f"cannot lock {path}: {error.strerror}") from error
    return fd


def is_locked(path: Path) -> bool:
    """Whether some process has this log open for writing, which means that its run is going on."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def _encode(event: Event) -> bytes:
    record = event.to_json()
    try:
        text = json.dumps(record, allow_nan=False)
    except ValueError:
        # Infinities are no JSON; a reader in another language must be able to read every line.
        text = json.dumps(_finite(record), allow_nan=False)
    return text.encode() + b"\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
