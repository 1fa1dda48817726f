"""The command line's entry, and the last border: every error ends here as one line and an exit code."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from kernelwright import exit_codes
from kernelwright.arguments import make_parser
from kernelwright.output import fail, write
from tools.errors import RequestError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code (``kernelwright.exit_codes``). Raises nothing."""
    words = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in words
    try:
        with _terminating_like_interrupt():
            return _dispatch(words)
    except SystemExit as stop:  # argparse, after printing help
        return stop.code if isinstance(stop.code, int) else exit_codes.DONE
    except KeyboardInterrupt:
        fail("interrupted", "interrupted", as_json)
        return exit_codes.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the documented border: nothing passes but an exit code
        kind, message, code = explain(error)
        fail(kind, message, as_json)
        return code


@contextmanager
def _terminating_like_interrupt() -> Iterator[None]:
    """SIGTERM unwinds the stack as SIGINT does, so that sandboxes are stopped and files removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def explain(error: Exception) -> tuple[str, str, int]:
    """Kind, one line and exit code for an error. What nobody foresaw leaves its traceback in a file."""
    from agent.errors import AgentError
    from memory.errors import StoreError
    from sandbox.errors import SandboxError, SandboxUnavailable, TargetUnknown
    from tools.errors import ToolError

    text = str(error) or type(error).__name__
    if isinstance(error, RequestError | TargetUnknown):
        return "request", text, exit_codes.BAD_REQUEST
    if isinstance(error, SandboxUnavailable) and error.hint and error.hint not in text:
        return "infrastructure", f"{text}: {error.hint}", exit_codes.INFRASTRUCTURE
    if isinstance(error, AgentError | SandboxError | StoreError | ToolError):
        return "infrastructure", text, exit_codes.INFRASTRUCTURE
    if isinstance(error, OSError) and error.strerror:
        where = f" {error.filename}" if error.filename else ""
        return "infrastructure", f"cannot use{where}: {error.strerror}", exit_codes.INFRASTRUCTURE
    return "internal", _unforeseen(error), exit_codes.INFRASTRUCTURE


def _unforeseen(error: Exception) -> str:
    summary = f"internal error: {type(error).__name__}: {error}"
    try:
        handle, path = tempfile.mkstemp(prefix="kernelwright-error-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            traceback.print_exception(error, file=file)
    except OSError as full:
        return f"{summary}: the traceback could not be written ({full.strerror})"
    return f"{summary}: please report it with {path}"


def _dispatch(words: list[str]) -> int:
    parser = make_parser()
    arguments = vars(parser.parse_args(words))
    if arguments.pop("version", False):
        from kernelwright import __version__

        write(f"kernelwright {__version__}")
        return exit_codes.DONE
    command = arguments.pop("command", None)
    if command is None:
        raise RequestError("no command given: try `kernelwright doctor`, or see kernelwright --help")
    module = importlib.import_module(f"kernelwright.commands.{arguments.pop('module', command)}")
    code: int = module.run(arguments)
    return code
