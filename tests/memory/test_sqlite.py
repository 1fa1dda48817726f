import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from memory import schema
from memory.conformance import StoreContract, make_experience, make_query
from memory.errors import StoreError
from memory.sqlite import SqliteStore
from memory.store import ExperienceStore

WRITER = """
import sys
from pathlib import Path
from memory.conformance import make_experience
from memory.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
first = int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
added = sum(store.add(make_experience(number)) for number in range(first, first + 40))
print(added, flush=True)
"""

ENDLESS_WRITER = """
import itertools, sys
from pathlib import Path
from memory.conformance import make_experience
from memory.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
for number in itertools.count():
    store.add(make_experience(number, source="x" * 20000 + str(number)))
    if number == 20:
        print("ready", flush=True)
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "memory" / "experiences.db"


class TestSqliteStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _home(self, tmp_path):
        self.path = tmp_path / "memory.db"
        self.opened: list[SqliteStore] = []
        yield
        for store in self.opened:
            store.close()

    def open_store(self) -> ExperienceStore:
        self.opened.append(SqliteStore(self.path))
        return self.opened[-1]


class TestWithoutFullTextIndex(TestSqliteStore):
    @pytest.fixture(autouse=True)
    def _no_fts5(self, monkeypatch):
        monkeypatch.setattr(schema, "has_fts5", lambda connection: False)


def test_it_lasts(path):
    with closing(SqliteStore(path)) as store:
        store.add(make_experience(1))
    with closing(SqliteStore(path)) as store:
        assert store.recall(make_query())[0].experience == make_experience(1)
        assert store.add(make_experience(1)) is False


def test_processes_write_at_once(path):
    """Four processes, overlapping ids: every id is stored once and every add is answered truly."""
    writers = [start(WRITER, path, first) for first in (0, 20, 40, 60)]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    answers = [writer.communicate("go\n")[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4
    assert sum(map(int, answers)) == 100
    with closing(SqliteStore(path)) as store:
        assert store.count() == 100
        assert len(store.search("softmax", limit=1000)) == 100


def test_killed_in_the_middle_it_stays_readable(path):
    writer = start(ENDLESS_WRITER, path)
    assert writer.stdout.readline() == "ready\n"
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()
    with closing(SqliteStore(path)) as store:
        kept = [item.id for item in store.entries()]
        assert len(kept) >= 21
        assert kept == [f"experience-{number:04d}" for number in range(len(kept))]
        assert len(store.search("softmax", limit=100_000)) == len(kept)
        assert store.add(make_experience(99_999)) is True
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def one_line(error: pytest.ExceptionInfo[StoreError], path: Path) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_a_file_that_is_no_database(path):
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 500)
    with pytest.raises(StoreError) as error:
        SqliteStore(path)
    assert "move it away" in one_line(error, path)


def test_a_corrupted_file(path):
    with closing(SqliteStore(path)) as store:
        for number in range(200):
            store.add(make_experience(number))
    raw = bytearray(path.read_bytes())
    raw[4096:] = b"\xa5" * (len(raw) - 4096)
    path.write_bytes(raw)
    with pytest.raises(StoreError) as error, closing(SqliteStore(path)) as store:
        store.recall(make_query())
    assert "move it away" in one_line(error, path)


def test_a_locked_file(path):
    SqliteStore(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with closing(SqliteStore(path, busy_timeout_s=0.01)) as store:
            assert store.count() == 0
            with pytest.raises(StoreError) as error:
                store.add(make_experience(1))
        other.execute("ROLLBACK")
    assert "another process" in one_line(error, path)


def test_a_file_that_may_only_be_read(path):
    with closing(SqliteStore(path)) as store:
        store._open().execute("PRAGMA query_only = ON")  # what SQLite says of a read-only file, as root too
        with pytest.raises(StoreError) as error:
            store.add(make_experience(1))
    assert "writable" in one_line(error, path)


def test_a_full_disk(path):
    with closing(SqliteStore(path)) as store:
        store._open().execute("PRAGMA max_page_count = 12")
        with pytest.raises(StoreError) as error:
            all(store.add(make_experience(number, source="x" * 4000)) for number in range(1000))
        assert store.count() == len(list(store.entries()))
    assert "disk space" in one_line(error, path)


@pytest.mark.parametrize("obstacle", ["file", "folder"])
def test_a_path_that_cannot_be(tmp_path, obstacle):
    if obstacle == "file":
        (tmp_path / "memory").write_text("in the way")
        path = tmp_path / "memory" / "experiences.db"
    else:
        path = tmp_path / "experiences.db"
        path.mkdir()
    with pytest.raises(StoreError) as error:
        SqliteStore(path)
    assert "KERNELWRIGHT_HOME" in one_line(error, path)


def test_a_later_format_is_left_alone(path):
    with closing(SqliteStore(path)) as store:
        store._open().execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError) as error:
        SqliteStore(path)
    assert "upgrade" in one_line(error, path)


def test_a_closed_store_says_so(path):
    store = SqliteStore(path)
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.count()
