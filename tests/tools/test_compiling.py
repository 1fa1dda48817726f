from pathlib import Path

import pytest

from sandbox.fake import FakeSandbox
from tools.compiling import MAX_LOG_CHARACTERS, Room, failed_build, trim_log
from tools.contender import Rejected
from tools.verdicts import failed_compile
from tools.worker import Launcher


@pytest.fixture
def room(tmp_path: Path) -> Room:
    launcher = Launcher(FakeSandbox(), threads=1, memory_bytes=1 << 30, timeout_s=1.0, flush_bytes=0)
    (tmp_path / "rooms").mkdir()
    return Room(launcher, tmp_path / "rooms")


def test_links_left_by_a_build_are_removed_and_not_followed(room, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("keep")
    (room.folder / "build" / "folder").symlink_to(precious)
    (room.folder / "build" / "file").symlink_to(precious / "file")
    assert not room.is_oversized()
    room.remove()
    assert (precious / "file").read_text() == "keep"
    assert list((tmp_path / "rooms").iterdir()) == []


def test_a_build_that_leaves_too_much_is_seen_without_reading_it(room, monkeypatch):
    (room.folder / "build" / "a.so").write_bytes(bytes(1000))
    assert not room.is_oversized()
    monkeypatch.setattr("tools.compiling.MAX_BUILD_BYTES", 999)
    assert room.is_oversized()
    monkeypatch.setattr("tools.compiling.MAX_BUILD_BYTES", 10_000)
    monkeypatch.setattr("tools.compiling.MAX_BUILD_FILES", 0)
    assert room.is_oversized()


def test_the_source_is_a_file_of_its_own(room):
    room.write("x = 'é'")
    assert (room.folder / "source" / "candidate.py").read_text(encoding="utf-8") == "x = 'é'"
    assert room.path == "/candidate/candidate.py"


def test_a_log_begins_with_its_first_error():
    text = "note: a\nfile.cpp:3:5: error: no semicolon\n" + "more\n" * 10
    assert trim_log(text).startswith("file.cpp:3:5: error: no semicolon")
    long = "file.cpp:1: error: x\n" + "y" * 3 * MAX_LOG_CHARACTERS + "end"
    assert len(trim_log(long)) < MAX_LOG_CHARACTERS + 10
    assert trim_log(long).endswith("end")
    assert trim_log("Traceback\nValueError: no") == "Traceback\nValueError: no"


@pytest.mark.parametrize(
    ("reason", "told"),
    [("runtime_error", "compile_error"), ("crash", "compile_error"), ("timeout", "timeout"), ("import_error",) * 2],
)
def test_a_build_has_words_of_its_own_for_a_failure(reason, told):
    result = failed_build(Rejected(reason, "what happened", "log"), 1.0)
    assert (result.ok, result.reason) == (False, told)
    assert "log" in result.log


def test_the_first_error_is_the_one_line_of_a_failed_build():
    result = failed_build(Rejected("runtime_error", "d", "a.cpp:1: error: one\na.cpp:2: error: two\nlast"), 1.0)
    assert failed_compile(result) == "a.cpp:1: error: one"
