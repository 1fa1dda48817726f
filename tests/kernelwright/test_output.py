import json
import os
import subprocess
import sys

import pytest

from kernelwright.output import one_line, table, write_json
from kernelwright.wording import clock, seconds, speedup


def test_json_is_one_object_and_has_no_nan(capsys):
    write_json({"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": (1, None)}})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, 1.5], "c": {"d": [1, None]}}


def test_one_line():
    assert one_line("a\n b\t\x1b[0m c\r\n") == "a b [0m c"


def test_table():
    assert table([("a", "bbb"), ("cc", "d")], header=("x", "y")) == "x   y\n--  ---\na   bbb\ncc  d"
    assert table([]) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (3.2e-6, "3.20 us"),
        (8.12e-4, "812 us"),
        (9.996e-4, "1.00 ms"),
        (0.0123, "12.3 ms"),
        (0.9999, "1.00 s"),
        (4.561, "4.56 s"),
    ],
)
def test_seconds(value, text):
    assert seconds(value) == text


def test_clock_and_speedup():
    assert (clock(65.4), clock(-3)) == ("1:05", "0:00")
    assert (speedup(None), speedup(1.234), speedup(1.5, [1.4, 1.6])) == ("-", "1.23x", "1.50x [1.40, 1.60]")


@pytest.mark.parametrize("words", [["targets", "--json"], ["--help"], ["optimize", "--help"]])
def test_a_reader_that_left_early_is_no_error(repository, words):
    """Standard output is a pipe whose other end is closed already."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "kernelwright", *words],
        stdout=writer,
        stderr=subprocess.PIPE,
        cwd=repository,
        check=False,
    )
    os.close(writer)
    assert done.stderr == b""
    assert done.returncode == 0
