import json
from pathlib import Path

import pytest

from sandbox.fake import FakeSandbox
from tools.candidate import Candidate
from tools.compiling import MAX_LOG_CHARACTERS, Builder, failed_build, trim_log
from tools.contender import Rejected
from tools.errors import JudgeUnavailable
from tools.harness.wire import REQUEST, Record, Status, pack_record
from tools.launching import Launcher
from tools.oracle import Constructor
from tools.rooms import Room
from tools.verdicts import failed_compile


@pytest.fixture
def room(tmp_path: Path) -> Room:
    launcher = Launcher(FakeSandbox(), threads=1, memory_bytes=1 << 30, timeout_s=1.0)
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
    monkeypatch.setattr("tools.rooms.MAX_BUILD_BYTES", 999)
    assert room.is_oversized()
    monkeypatch.setattr("tools.rooms.MAX_BUILD_BYTES", 10_000)
    monkeypatch.setattr("tools.rooms.MAX_BUILD_FILES", 0)
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


def test_a_log_keeps_the_place_of_an_error_that_does_not_name_it():
    told = "Traceback\n    y[i] = x[i, 3]\nMLIRError: Operation creation failed:\nerror: unknown: expects coordinate"
    assert trim_log(told) == told
    coloured = "\x1b[91m\x1b[1merror:\x1b[0m NameError in `relu`: no x\n  \x1b[94m-->\x1b[0m candidate.py:34"
    plain = "error: NameError in `relu`: no x\n  --> candidate.py:34"
    assert trim_log(coloured) == trim_log(coloured.replace("\x1b", "")) == plain


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


def started(data: bytes) -> bytes:
    """A worker that has imported torch and says so."""
    _, length = REQUEST.unpack(data[: REQUEST.size])
    request = json.loads(data[REQUEST.size : REQUEST.size + length])
    return pack_record(Record(request["seq"], Status.OK))


def dead(data: bytes) -> bytes:
    """A worker that never says anything."""
    return b""


def builder_of(tmp_path: Path, *answers) -> tuple[Builder, FakeSandbox]:
    sandbox = FakeSandbox(answers=answers)
    launcher = Launcher(sandbox, threads=1, memory_bytes=1 << 30, timeout_s=1.0)
    nothing = Constructor({"list": []}, (), {}, (), 0)
    return Builder(launcher, tmp_path, lambda: nothing), sandbox


def may_write(sandbox: FakeSandbox) -> list[bool]:
    """Of each job started so far, whether it was one for building."""
    return [any(mount.writable and mount.target == "/build" for mount in job.mounts) for job in sandbox.jobs]


def test_nothing_started_beforehand_is_still_starting_when_time_is_measured(tmp_path):
    builder, sandbox = builder_of(tmp_path, started, dead, started)
    builder.prepare()
    assert may_write(sandbox) == [True, False]
    builder.settle()
    # The one that never came up was waited for, found dead and forgotten: the build needs no new worker, the
    # calls do.
    assert builder.compile(Candidate(source="x", language="cpp")).ok
    assert may_write(sandbox) == [True, False]
    builder.open(Candidate(source="x", language="cpp"))
    assert may_write(sandbox) == [True, False, False]


def test_what_waits_to_be_judged_is_prepared_before_what_is_not_written_yet(tmp_path):
    builder, sandbox = builder_of(tmp_path, *[started] * 12)
    for text in ("one", "two"):
        assert builder.compile(Candidate(source=text, language="cpp")).ok
    builder.open(Candidate(source="one", language="cpp"))
    before = len(sandbox.jobs)
    builder.prepare()
    assert may_write(sandbox)[before:] == [False]
    builder.prepare()  # once for each: a candidate that was rewritten may never be opened
    assert may_write(sandbox)[before:] == [False, True, False]
    before += 2
    builder.discard_prepared()
    builder.open(Candidate(source="two", language="cpp"))
    assert len(sandbox.jobs) == before + 1
    builder.prepare()
    assert may_write(sandbox)[before + 1 :] == [True, False]
    builder.discard_prepared()
    assert builder.compile(Candidate(source="three", language="cpp")).ok
    assert may_write(sandbox)[before + 3 :] == [True, False]
    builder.close()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_built_after_the_end(tmp_path):
    builder, sandbox = builder_of(tmp_path, *[started] * 6)
    builder.close()
    builder.prepare()
    for work in (builder.compile, builder.open):
        with pytest.raises(JudgeUnavailable, match="the judge is closed"):
            work(Candidate(source="x", language="cpp"))
    assert sandbox.jobs == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("when", ["_new_room", "_constructor"])
def test_what_is_built_when_the_end_comes_ends_with_it(tmp_path, monkeypatch, when):
    builder, sandbox = builder_of(tmp_path, *[started] * 6)
    real = getattr(builder, when)

    def and_the_end_comes():
        made = real()
        builder.close()
        return made

    monkeypatch.setattr(builder, when, and_the_end_comes)
    with pytest.raises(JudgeUnavailable):  # which has its own words for a worker that was stopped under its hands
        builder.open(Candidate(source="x", language="cpp"))
    assert len(sandbox.jobs) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_starts_while_its_room_is_removed_is_stopped(room, monkeypatch):
    closed = []

    class Late:
        alive = True

        def close(self):
            closed.append(self)

    def start(*about, **more):
        room.remove()
        return Late()

    monkeypatch.setattr(room._launcher, "start", start)
    with pytest.raises(JudgeUnavailable, match="the judge is closed"):
        room.start(building=True)
    assert len(closed) == 1
    with pytest.raises(JudgeUnavailable, match="the judge is closed"):
        room.start(building=True)
    assert len(closed) == 1


def stocked(builder: Builder) -> None:
    thread = builder._stocking
    if thread is not None:
        thread.join()


def test_who_builds_is_bound_to_no_processor(tmp_path):
    """Importing torch binds a process to the first processor, and all compilers that it starts, of every builder."""
    builder, sandbox = builder_of(tmp_path, started, started)
    builder.prepare()
    stocked(builder)
    assert may_write(sandbox) == [True, False]
    assert [job.env["OMP_PROC_BIND"] for job in sandbox.jobs] == ["false", "true"]
    builder.close()


def test_the_one_expected_has_its_worker_started(tmp_path):
    builder, sandbox = builder_of(tmp_path, *[started] * 6)
    known, other = (Candidate(source=text, language="cpp") for text in ("x", "y"))
    builder.expect(known)
    assert sandbox.jobs == []  # it was not built
    assert builder.compile(known).ok
    builder.compile(other)  # whose coming has what waited for the first one stopped
    before = len(sandbox.jobs)
    builder.expect(known)
    assert may_write(sandbox)[before:] == [False]
    builder.expect(known)
    assert len(sandbox.jobs) == before + 1
    builder.close()


def test_several_rooms_may_wait_for_candidates_that_come_one_right_after_another(tmp_path):
    sandbox = FakeSandbox(answers=[started] * 12)
    launcher = Launcher(sandbox, threads=1, memory_bytes=1 << 30, timeout_s=1.0)
    nothing = Constructor({"list": []}, (), {}, (), 0)
    builder = Builder(launcher, tmp_path, lambda: nothing, spares=2)
    builder.prepare()
    stocked(builder)
    assert may_write(sandbox) == [True, False] * 2
    for text in ("one", "two"):
        builder.open(Candidate(source=text, language="cpp"))
    assert len(sandbox.jobs) == 4
    builder.prepare()
    stocked(builder)
    assert len(sandbox.jobs) == 8
    builder.discard_prepared()
    builder.close()
    assert list(tmp_path.iterdir()) == []
