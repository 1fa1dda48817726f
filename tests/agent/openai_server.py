"""A small OpenAI-compatible server on 127.0.0.1 that plays a list of turns, one a request. Standard library only."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Chat:
    """A completion; streamed when the request asks for it."""

    content: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    """Tool name and arguments, as text: it may be malformed."""
    usage: tuple[int, int] | None = (100, 10)
    finish: str = ""
    ids: bool = True
    indexed: bool = True
    """Whether stream fragments carry the number of their call; some servers leave it out."""
    raw_calls: tuple[dict[str, Any], ...] = ()
    """Entries of ``tool_calls`` sent as they are (one an event when streamed), after ``calls``."""
    cut_after: int | None = None
    """Streaming only: drop the connection after this many events."""
    reasoning: str = ""
    reasoning_field: str = "reasoning_content"
    raw_usage: dict[str, Any] | None = None
    """Sent as it is, in place of ``usage``."""
    endless: dict[str, Any] | None = None
    """Streaming only: this delta again and again, until the client goes."""
    comments: bool = False
    """Streaming only: nothing but comments, until the client goes."""


@dataclass(frozen=True)
class Failure:
    """An HTTP error, or any other body that is no completion."""

    status: int
    message: str = "no"
    headers: tuple[tuple[str, str], ...] = (("Retry-After", "0"),)
    body: bytes | None = None
    content_type: str = "application/json"


@dataclass(frozen=True)
class Hang:
    """No answer until the server is closed."""


Turn = Chat | Failure | Hang


def call(name: str, **arguments: Any) -> tuple[str, str]:
    """A well-formed call for ``Chat.calls``."""
    return name, json.dumps(arguments)


BASE = {"id": "chat", "object": "chat.completion.chunk", "created": 1, "model": "test-model"}


class OpenAIServer:
    """Plays ``turns`` in order; ``requests`` records the bodies and ``keys`` the authorization headers.

    A function in place of the turns is given the request's body.
    """

    def __init__(self, turns: Sequence[Turn] | Callable[[dict[str, Any]], Turn], models: Sequence[str] = ()) -> None:
        self.script = turns if callable(turns) else None
        self.turns = [] if callable(turns) else list(turns)
        self.models = models
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.released = threading.Event()
        self.lock = threading.Lock()
        server = self

        class Handler(_Handler):
            owner = server

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def next_turn(self, body: dict[str, Any], key: str) -> Turn:
        with self.lock:
            self.requests.append(body)
            self.keys.append(key)
            if self.script is not None:
                return self.script(body)
            if not self.turns:
                return Failure(418, "the script of this server has ended")
            return self.turns.pop(0)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


class _Handler(BaseHTTPRequestHandler):
    owner: OpenAIServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        with self.owner.lock:
            self.owner.keys.append(self.headers.get("Authorization", ""))
        self.close_connection = True
        if self.owner.turns and isinstance(self.owner.turns[0], Failure):
            self._fail(self.owner.turns[0])
            return
        listed = {"object": "list", "data": [{"id": name, "object": "model"} for name in self.owner.models]}
        self._send(200, json.dumps(listed).encode(), "application/json")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        turn = self.owner.next_turn(body, self.headers.get("Authorization", ""))
        self.close_connection = True
        try:
            if isinstance(turn, Hang):
                self.owner.released.wait()
            elif isinstance(turn, Failure):
                self._fail(turn)
            elif body.get("stream"):
                self._stream(turn, bool((body.get("stream_options") or {}).get("include_usage")))
            else:
                self._send(200, json.dumps(completion(turn)).encode(), "application/json")
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client has seen enough

    def _fail(self, turn: Failure) -> None:
        body = turn.body
        if body is None:
            body = json.dumps({"error": {"message": turn.message, "type": "test", "code": None}}).encode()
        self._send(turn.status, body, turn.content_type, turn.headers)

    def _send(self, status: int, body: bytes, content_type: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Type", content_type), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, turn: Chat, with_usage: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        while turn.comments:
            self.wfile.write(b": still here\n\n" * 100)
        while turn.endless is not None:
            chunk = {"choices": [{"index": 0, "delta": turn.endless, "finish_reason": None}]}
            self.wfile.write((b"data: " + json.dumps({**BASE, **chunk}).encode() + b"\n\n") * 100)
        for number, event in enumerate(events(turn, with_usage)):
            if number == turn.cut_after:
                # Linger 0 makes closing send a reset: the stream breaks, it does not end.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.wfile.flush()
                self.connection.close()
                return
            self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")


def _finish(turn: Chat) -> str:
    return turn.finish or ("tool_calls" if turn.calls or turn.raw_calls else "stop")


def _usage(turn: Chat) -> dict[str, Any] | None:
    if turn.raw_usage is not None:
        return turn.raw_usage
    if turn.usage is None:
        return None
    asked, answered = turn.usage
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def completion(turn: Chat) -> dict[str, Any]:
    """The whole answer at once."""
    message: dict[str, Any] = {"role": "assistant", "content": turn.content or None}
    if turn.reasoning:
        message[turn.reasoning_field] = turn.reasoning
    if turn.calls:
        message["tool_calls"] = [
            {
                "id": f"id_{index}" if turn.ids else "",
                "type": "function",
                "function": {"name": name, "arguments": text},
            }
            for index, (name, text) in enumerate(turn.calls)
        ]
    if turn.raw_calls:
        message["tool_calls"] = [*message.get("tool_calls", ()), *turn.raw_calls]
    body = {
        "id": "chat",
        "object": "chat.completion",
        "created": 1,
        "model": "test-model",
        "choices": [{"index": 0, "message": message, "finish_reason": _finish(turn)}],
    }
    usage = _usage(turn)
    return {**body, "usage": usage} if usage else body


def events(turn: Chat, with_usage: bool) -> list[dict[str, Any]]:
    """The same as a stream, in small pieces."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    step = max(7, len(turn.reasoning) // 50)
    thought = [turn.reasoning[at : at + step] for at in range(0, len(turn.reasoning), step)]
    deltas += [{turn.reasoning_field: piece} for piece in thought]
    step = max(7, len(turn.content) // 50)
    deltas += [{"content": turn.content[at : at + step]} for at in range(0, len(turn.content), step)]
    for index, (name, text) in enumerate(turn.calls):
        number = {"index": index} if turn.indexed else {}
        first: dict[str, Any] = {**number, "type": "function", "function": {"name": name, "arguments": ""}}
        if turn.ids:
            first["id"] = f"id_{index}"
        deltas.append({"tool_calls": [first]})
        step = max(9, len(text) // 50)
        deltas += [
            {"tool_calls": [{**number, "function": {"arguments": text[at : at + step]}}]}
            for at in range(0, len(text), step)
        ]
    deltas += [{"tool_calls": [raw]} for raw in turn.raw_calls]
    chunks: list[dict[str, Any]] = [
        {**BASE, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks.append({**BASE, "choices": [{"index": 0, "delta": {}, "finish_reason": _finish(turn)}]})
    usage = _usage(turn)
    if usage and with_usage:
        chunks.append({**BASE, "choices": [], "usage": usage})
    return chunks
