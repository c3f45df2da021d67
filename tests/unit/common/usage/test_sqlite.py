"""The SQLite usage store: shared with other processes, atomic, usable again after errors."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from services.common.usage.interface import UsageStoreError
from services.common.usage.sqlite import SqliteUsageStore, open_sqlite_usage
from tests.fakes.usage import TODAY, make_usage_record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "media.sqlite"


@pytest.fixture
async def sqlite(path: Path) -> AsyncIterator[SqliteUsageStore]:
    async with open_sqlite_usage(path) as opened:
        yield opened


def corrupt_file(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database" * 100)


def remove(path: Path) -> None:
    path.unlink()


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)


async def count_calls(store: SqliteUsageStore, principal: str = "alice") -> int:
    return sum(item.totals.calls for item in await store.sum_days(principal, TODAY, TODAY))


async def test_records_outlive_the_store(path: Path) -> None:
    for already_there in range(3):
        async with open_sqlite_usage(path) as store:
            assert await count_calls(store) == already_there
            await store.add_many([make_usage_record()])


async def test_two_stores_share_a_file(sqlite: SqliteUsageStore, path: Path) -> None:
    async with open_sqlite_usage(path) as other:
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(sqlite.add_many([make_usage_record()]))
                group.create_task(other.add_many([make_usage_record()]))
        assert await count_calls(sqlite) == await count_calls(other) == 40


async def test_a_file_that_is_not_a_database_is_an_error_until_it_is_replaced(
    sqlite: SqliteUsageStore, path: Path
) -> None:
    corrupt_file(path)
    for _ in range(2):
        with pytest.raises(UsageStoreError):
            await sqlite.add_many([make_usage_record()])
    remove(path)
    await sqlite.add_many([make_usage_record()])
    assert await count_calls(sqlite) == 1


async def test_a_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    async with open_sqlite_usage(tmp_path / "data" / "media.sqlite") as sqlite:
        with pytest.raises(UsageStoreError):
            await sqlite.sum_days("alice", TODAY, TODAY)


async def test_a_batch_that_fails_half_way_stores_nothing_and_may_be_repeated(
    sqlite: SqliteUsageStore, path: Path
) -> None:
    await sqlite.add_many([make_usage_record()])
    change(
        path,
        "CREATE TRIGGER full BEFORE INSERT ON usage_records WHEN NEW.characters = 13 "
        "BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END",
    )
    batch = [make_usage_record(), make_usage_record(characters=13), make_usage_record()]
    with pytest.raises(UsageStoreError):
        await sqlite.add_many(batch)
    change(path, "DROP TRIGGER full")
    await sqlite.add_many(batch)
    assert await count_calls(sqlite) == 4


async def test_an_incomplete_record_is_an_error_and_not_skipped(sqlite: SqliteUsageStore) -> None:
    with pytest.raises(UsageStoreError):
        await sqlite.add_many([make_usage_record(characters=None)])


async def test_a_cancelled_write_leaves_the_store_usable(sqlite: SqliteUsageStore) -> None:
    writers = [asyncio.create_task(sqlite.add_many([make_usage_record()])) for _ in range(3)]
    await asyncio.sleep(0)
    for writer in writers:
        writer.cancel()
    await asyncio.gather(*writers, return_exceptions=True)
    await sqlite.add_many([make_usage_record(principal="bob")])
    assert await count_calls(sqlite, "bob") == 1


async def test_many_old_records_are_removed_in_batches(sqlite: SqliteUsageStore) -> None:
    await sqlite.add_many([make_usage_record() for _ in range(2500)])
    assert await sqlite.purge_before(TODAY.replace(year=2027)) == 2500
