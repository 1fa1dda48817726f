"""Parsing in several threads. With ``ast.parse`` itself, three of the four threads here end with SystemError."""

import ast
import gc
import sys
import threading

import pytest

from tools.parsing import parse

SOURCE = "x = " + "+".join(f"f({number}, [a, {{'k': {number}}}])" for number in range(300))


class Finalised:
    """Garbage whose finaliser is Python code: it lets other threads run while a tree is built."""

    def __del__(self):
        for _ in range(3):
            pass


def test_threads_may_parse_at_the_same_time():
    failed = []

    def work():
        for _ in range(60):
            garbage = Finalised()
            garbage.itself = garbage
            try:
                parse(SOURCE)
            except SystemError as error:
                failed.append(str(error))
                return

    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(5)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*thresholds)
    assert failed == []


def test_it_parses_as_the_library_does():
    assert ast.dump(parse("x = 1")) == ast.dump(ast.parse("x = 1"))
    with pytest.raises(SyntaxError):
        parse("x = = 1")


def test_a_candidates_text_warns_nobody(recwarn):
    parse("x = '\\d'\nassert (x, 'always true')\n")
    assert list(recwarn) == []
