"""The worker's end of the wire: private descriptors, frames in, records out."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from tools.harness.wire import GO_MAGIC, REQUEST, REQUEST_MAGIC, Record, pack_record


class Hangup(Exception):
    """The controller is gone or speaks nonsense: nothing to do but end."""


class Channel:
    """Takes standard input and output for itself, so that prints of loaded code go to standard error."""

    def __init__(self) -> None:
        self._source = os.dup(0)
        self._sink = os.dup(1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(2, 1)

    def next_request(self) -> dict[str, Any]:
        """Wait for one. Raises Hangup."""
        head = bytearray(REQUEST.size)
        self.read_into(memoryview(head))
        magic, length = REQUEST.unpack(head)
        if magic == GO_MAGIC:
            return {"op": "go", "seq": length}
        if magic != REQUEST_MAGIC:
            raise Hangup
        body = bytearray(length)
        self.read_into(memoryview(body))
        request: dict[str, Any] = json.loads(body)
        return request

    def read_into(self, view: memoryview) -> None:
        """Fill ``view``. Raises Hangup at the end of input."""
        while view:
            count = os.readv(self._source, [view])
            if count == 0:
                raise Hangup
            view = view[count:]

    def answer(self, record: Record, chunks: Iterable[bytes | memoryview] = ()) -> None:
        """Send a record and what follows it."""
        self._write(pack_record(record))
        for chunk in chunks:
            self._write(chunk)

    def _write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._sink, view) :]
