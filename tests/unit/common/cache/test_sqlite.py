"""The SQLite store: its file, its bound, several processes, and damaged or unusable files."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from services.common.cache.interface import Collection, StoreError
from services.common.cache.sqlite import SCHEMA, open_sqlite_store
from tests.conftest import LogLines
from tests.fakes import cache_writer
from tests.fakes.clocks import Clocks
from tests.unit.common.cache.backends import SqliteBackend
from tests.unit.common.cache.conftest import NOON, make_entry

SPEECH = Collection()
ROOT = Path(__file__).parents[4]
DEADLINE_SECONDS = 30


@pytest.fixture
def backend(tmp_path: Path) -> SqliteBackend:
    return SqliteBackend(tmp_path)


async def fill(path: Path, *keys: str, max_bytes: int = 10_000_000, data: bytes = b"sound") -> None:
    async with open_sqlite_store(path, SPEECH, max_bytes=max_bytes) as store:
        for key in keys:
            await store.put(make_entry(key, data))


def start_writer(path: Path, key: str, size_bytes: int, count: int, *before: str) -> subprocess.Popen[str]:
    """Start a process that writes entries, after the Python statements in `before`."""
    arguments = [str(path), key, str(size_bytes), str(count)]
    script = "; ".join([*before, "import runpy", "runpy.run_module('tests.fakes.cache_writer', run_name='__main__')"])
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def test_file_and_folder_are_private(backend: SqliteBackend) -> None:
    before = os.umask(0)
    try:
        async with open_sqlite_store(backend.path, SPEECH) as store:
            await store.put(make_entry())
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in backend.path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("media.sqlite", "media.sqlite-wal", "media.sqlite-shm"), 0o600)
    assert stat.S_IMODE(backend.path.parent.stat().st_mode) == 0o700


async def test_the_file_is_opened_on_first_use(backend: SqliteBackend) -> None:
    async with open_sqlite_store(backend.path, SPEECH):
        assert not backend.path.exists()


async def test_a_caller_that_is_cancelled_during_the_opening_leaves_the_file_open(backend: SqliteBackend) -> None:
    async with open_sqlite_store(backend.path, SPEECH) as store:
        first = asyncio.create_task(store.get("a"))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await store.put(make_entry())
        assert await store.get("a" * 64) == make_entry()


async def test_closing_a_store_while_it_opens_leaks_nothing(backend: SqliteBackend) -> None:
    before = set(threading.enumerate())
    async with open_sqlite_store(backend.path, SPEECH) as store:
        reading = asyncio.create_task(store.get("a"))
        await asyncio.sleep(0)
    await asyncio.wait({reading})
    for thread in set(threading.enumerate()) - before:
        if not thread.name.startswith("asyncio_"):
            thread.join(DEADLINE_SECONDS)
            assert not thread.is_alive()


async def test_the_oldest_entries_are_evicted(backend: SqliteBackend, clocks: Clocks) -> None:
    async with open_sqlite_store(backend.path, SPEECH, max_bytes=10_000) as store:
        for number in range(30):
            await store.put(make_entry(f"{number:02}", b"x" * 1000, number=number))
            with closing(sqlite3.connect(backend.path)) as connection:
                ((held,),) = connection.execute("SELECT total(length(data) + length(fields)) FROM cache_entries")
            assert held <= 10_000
        left = [number for number in range(30) if await store.get(f"{number:02}") is not None]
    assert len(left) >= 8
    assert left == list(range(left[0], 30))


async def test_an_entry_larger_than_the_bound_is_skipped(backend: SqliteBackend) -> None:
    async with open_sqlite_store(backend.path, SPEECH, max_bytes=10_000) as store:
        await store.put(make_entry("small"))
        await store.put(make_entry("large", b"x" * 10_001))
        assert await store.get("large") is None
        assert await store.get("small") is not None


async def test_a_purge_deletes_every_expired_entry(backend: SqliteBackend, clocks: Clocks) -> None:
    async with open_sqlite_store(backend.path, SPEECH, now=clocks.steady().now) as store:
        for number in range(450):
            await store.put(make_entry(str(number)))
        clocks.pass_seconds(61)
        assert await store.purge_expired() == 450


async def test_an_entry_with_fields_that_json_cannot_express_is_skipped(backend: SqliteBackend) -> None:
    async with open_sqlite_store(backend.path, SPEECH) as store:
        await store.put(make_entry(odd=object()))
        await store.put(make_entry("surrogate", odd="\ud800"))
        assert await store.get("a" * 64) is None
        assert await store.get("surrogate") is None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("fields", b"{"),
        ("fields", b"[]"),
        ("fields", b"\xff\xfe"),
        ("fields", "{}"),
        ("data", "text"),
        ("data", 7),
        ("sha256", b"\x00"),
        ("created_at_ms", "yesterday"),
        ("expires_at_ms", 2**62),
    ],
)
async def test_a_corrupt_row_is_deleted(
    backend: SqliteBackend, log_lines: LogLines, column: str, value: object
) -> None:
    await fill(backend.path, "damaged", "whole")
    backend.set(SPEECH, "damaged", column, value)
    async with open_sqlite_store(backend.path, SPEECH) as store:
        assert await store.get("damaged") is None
        assert store.corrupt_entries == 1
        assert await store.get("whole") is not None
    assert [line["event"] for line in log_lines() if line["level"] == "warning"] == ["a corrupt entry was deleted"]


async def test_a_file_that_is_not_a_database_is_an_error_and_is_not_changed(backend: SqliteBackend) -> None:
    backend.path.parent.mkdir()
    backend.path.write_bytes(b"some foreign content" * 1000)
    async with open_sqlite_store(backend.path, SPEECH) as store:
        with pytest.raises(StoreError, match="SQLITE_NOTADB"):
            await store.get("a")
        with pytest.raises(StoreError, match="SQLITE_NOTADB"):
            await store.put(make_entry())
    assert backend.path.read_bytes() == b"some foreign content" * 1000


async def test_an_unusable_path_is_an_error_until_it_becomes_usable(backend: SqliteBackend) -> None:
    backend.path.parent.write_text("a file where a folder should be")
    async with open_sqlite_store(backend.path, SPEECH) as store:
        with pytest.raises(StoreError, match="FileExistsError"):
            await store.put(make_entry())
        backend.path.parent.unlink()
        await store.put(make_entry())
        assert await store.get("a" * 64) is not None


async def test_a_read_only_file_is_read_and_refuses_writes(backend: SqliteBackend) -> None:
    await fill(backend.path, "there")
    # A write version that SQLite does not know makes the file read-only, for root too (fileformat2.html, 1.3.3).
    with backend.path.open("r+b") as file:
        file.seek(18)
        file.write(b"\x03")
    async with open_sqlite_store(backend.path, SPEECH) as store:
        assert await store.get("there") is not None
        for attempt in (store.put(make_entry()), store.delete("there"), store.purge_expired()):
            with pytest.raises(StoreError, match="SQLITE_READONLY"):
                await attempt
        assert await store.get("there") is not None


async def test_a_corrupt_entry_of_a_read_only_file_is_not_served_either(backend: SqliteBackend) -> None:
    await fill(backend.path, "there")
    backend.damage(SPEECH, "there", data=b"other")
    with backend.path.open("r+b") as file:
        file.seek(18)
        file.write(b"\x03")
    async with open_sqlite_store(backend.path, SPEECH) as store:
        assert await store.get("there") is None


async def test_a_write_waits_a_bounded_time_for_another_process(backend: SqliteBackend) -> None:
    await fill(backend.path, "there")
    async with open_sqlite_store(backend.path, SPEECH, busy_seconds=0.05) as store:
        with closing(sqlite3.connect(backend.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="SQLITE_BUSY"):
                await store.put(make_entry())
            assert await store.get("there") is not None
            other.execute("ROLLBACK")
        await store.put(make_entry())


async def test_a_file_of_a_newer_version_is_not_changed(backend: SqliteBackend) -> None:
    await fill(backend.path, "there")
    with closing(sqlite3.connect(backend.path)) as connection, connection:
        connection.execute("UPDATE schema_versions SET version = ?", (len(SCHEMA.steps) + 1,))
    async with open_sqlite_store(backend.path, SPEECH) as store:
        with pytest.raises(StoreError, match="newer version"):
            await store.get("there")
    with closing(sqlite3.connect(backend.path)) as connection:
        assert connection.execute("SELECT count(*) FROM cache_entries").fetchall() == [(1,)]


async def test_tables_of_other_components_are_not_changed(backend: SqliteBackend) -> None:
    backend.path.parent.mkdir()
    with closing(sqlite3.connect(backend.path)) as connection, connection:
        connection.execute("CREATE TABLE of_others (n INTEGER)")
        connection.execute("INSERT INTO of_others VALUES (7)")
    await fill(backend.path, "there")
    with closing(sqlite3.connect(backend.path)) as connection:
        assert connection.execute("SELECT n FROM of_others").fetchall() == [(7,)]


async def test_many_stores_can_open_a_new_file_at_once(backend: SqliteBackend) -> None:
    await asyncio.gather(*(fill(backend.path, str(number)) for number in range(12)))
    async with open_sqlite_store(backend.path, SPEECH) as store:
        assert [await store.get(str(number)) is None for number in range(12)] == [False] * 12


async def test_two_processes_that_write_one_key_both_succeed(backend: SqliteBackend) -> None:
    processes = [start_writer(backend.path, "k", 50_000, 40) for _ in range(2)]
    outputs = [await asyncio.to_thread(process.communicate, timeout=DEADLINE_SECONDS) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    async with open_sqlite_store(backend.path, cache_writer.COLLECTION) as store:
        found = await store.get("k")
    assert found is not None
    assert found.data == bytes([found.fields["number"]]) * 50_000
    assert found.fields["number"] == 39


@pytest.mark.parametrize("killed_after", [1, 4])
async def test_a_killed_writer_leaves_no_partial_entry(backend: SqliteBackend, killed_after: int) -> None:
    size_bytes = 8_000_000
    process = start_writer(backend.path, "k{n}", size_bytes, 1000)
    assert process.stdout is not None
    ended = []
    for line in process.stdout:
        word, key = line.split()
        if word == "end":
            ended.append(key)
        elif len(ended) == killed_after:
            process.kill()
            break
    await asyncio.to_thread(process.communicate, timeout=DEADLINE_SECONDS)
    async with open_sqlite_store(backend.path, cache_writer.COLLECTION) as store:
        for number in range(killed_after + 1):
            found = await store.get(f"k{number}")
            assert found is not None or f"k{number}" not in ended
            assert found is None or found.data == bytes([number]) * size_bytes
        assert store.corrupt_entries == 0
        await store.put(make_entry())
    with closing(sqlite3.connect(backend.path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_a_full_disk_is_an_error_and_loses_no_stored_entry(backend: SqliteBackend) -> None:
    await fill(backend.path, "there")
    # Limits the size of files of this process, which SQLite reports as a full disk.
    limit = 200_000
    soft = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] in (resource.RLIM_INFINITY, -1)
    process = start_writer(backend.path, "k{n}", 50_000, 100, soft)
    _, errors = await asyncio.to_thread(process.communicate, timeout=DEADLINE_SECONDS)
    assert process.returncode != 0
    assert "StoreError: SQLITE_" in errors
    async with open_sqlite_store(backend.path, SPEECH) as store:
        assert await store.get("there") is not None
        assert await store.get("k0") is not None
        await store.put(make_entry())


async def test_times_are_stored_to_the_millisecond(backend: SqliteBackend) -> None:
    await fill(backend.path, "there")
    async with open_sqlite_store(backend.path, SPEECH) as store:
        found = await store.get("there")
    assert found is not None
    assert found.created_at == NOON
    assert found.created_at.utcoffset() is not None
