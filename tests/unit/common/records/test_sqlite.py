"""The SQLite store: its file is private, writes reach the disk, and a file that cannot be used is UNAVAILABLE."""

from __future__ import annotations

import sqlite3
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.common.cache import Collection, open_result_store
from services.common.errors import MediaError, Reason
from services.common.records import Record
from services.common.records.sqlite import open_sqlite_records

RECORD = Record("alice", "audio", "one", datetime(2026, 11, 5, tzinfo=UTC))


async def test_the_file_is_for_this_user_only(tmp_path: Path) -> None:
    path = tmp_path / "state" / "media.sqlite3"
    async with open_sqlite_records(path) as store:
        await store.create(RECORD)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_the_file_is_shared_with_the_result_cache(tmp_path: Path) -> None:
    path = tmp_path / "media.sqlite3"
    async with open_result_store("", path, Collection()) as cache, open_sqlite_records(path) as store:
        await store.create(RECORD)
        assert await cache.get("ab") is None
        assert await store.get(RECORD.key) == RECORD


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "media.sqlite3"
    path.write_bytes(b"not a database" * 100)
    async with open_sqlite_records(path) as store:
        for call in (store.create(RECORD), store.get(RECORD.key), store.delete(RECORD.key)):
            with pytest.raises(MediaError) as caught:
                await call
            assert caught.value.reason is Reason.UNAVAILABLE


async def test_a_full_disk_is_unavailable_and_leaves_the_old_record(tmp_path: Path) -> None:
    path = tmp_path / "media.sqlite3"
    async with open_sqlite_records(path) as store:
        await store.create(RECORD)
        with sqlite3.connect(path) as limited:
            pages = limited.execute("PRAGMA page_count").fetchone()[0]
        await store._file.write(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(MediaError) as caught:
            await store.create(Record("alice", "audio", "two", RECORD.created_at, document={"a": "x" * 100_000}))
        assert caught.value.reason is Reason.UNAVAILABLE
        assert await store.get(RECORD.key) == RECORD
