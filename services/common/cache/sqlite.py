"""The embedded result store: a SQLite file that is bounded in bytes and shared by several processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from services.common.cache.interface import (
    Collection,
    CorruptEntryError,
    Entry,
    ExpiryClock,
    Store,
    digest,
    log_skipped_entry,
    verify,
)
from services.common.cache.sqlite_file import Schema, SqliteFile

DEFAULT_MAX_BYTES = 1024 * 1024 * 1024

SCHEMA = Schema(
    "cache",
    (
        (
            """
            CREATE TABLE cache_entries (
                collection TEXT NOT NULL,
                cache_key TEXT NOT NULL,
                fields BLOB NOT NULL,
                sha256 TEXT NOT NULL,
                size_bytes INTEGER NOT NULL,
                created_at_ms INTEGER NOT NULL,
                expires_at_ms INTEGER NOT NULL,
                data BLOB NOT NULL,
                PRIMARY KEY (collection, cache_key)
            )
            """,
            "CREATE INDEX cache_entries_by_expiry ON cache_entries (collection, expires_at_ms)",
            "CREATE INDEX cache_entries_by_age ON cache_entries (collection, created_at_ms, size_bytes)",
        ),
    ),
)

_GET = """
SELECT fields, sha256, created_at_ms, expires_at_ms, data FROM cache_entries WHERE collection = ? AND cache_key = ?
"""
_PUT = """
INSERT OR REPLACE INTO cache_entries
    (collection, cache_key, fields, sha256, size_bytes, created_at_ms, expires_at_ms, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_DELETE = "DELETE FROM cache_entries WHERE collection = ? AND cache_key = ?"
_PURGE = """
DELETE FROM cache_entries WHERE rowid IN (
    SELECT rowid FROM cache_entries WHERE collection = ? AND expires_at_ms <= ? LIMIT ?
) RETURNING 1
"""
_PURGE_BATCH = 200
_TOTAL = "SELECT total(size_bytes) FROM cache_entries WHERE collection = ?"
_EVICT = """
DELETE FROM cache_entries WHERE rowid IN (
    SELECT rowid FROM (
        SELECT rowid, sum(size_bytes) OVER (ORDER BY created_at_ms DESC, rowid DESC) AS newer_and_own_bytes
        FROM cache_entries WHERE collection = ?
    ) WHERE newer_and_own_bytes > ?
)
"""
_SHARE_AFTER_EVICTION = 0.9
# Summing all sizes is slow in a full file, so a process checks the bound only after it has written this share of it.
_SHARE_BETWEEN_CHECKS = 0.01


class SqliteStore(Store):
    """Entries of one collection in a SQLite file.

    Args:
        file: The file, opened with `SCHEMA`.
        collection: Collection of the entries.
        max_bytes: Most bytes of the collection, accurate to 1 % per process; the oldest entries are evicted.
        now: Called for the current time.
    """

    def __init__(self, file: SqliteFile, collection: Collection, max_bytes: int, now: Callable[[], datetime]) -> None:
        super().__init__(collection)
        self._file = file
        self._max_bytes = max_bytes
        self._now = now
        self._unchecked_bytes = max_bytes

    async def _read(self, key: str) -> Entry | None:
        rows = await self._file.read(_GET, (self.collection.name, key))
        if not rows:
            return None
        fields, sha256, created_at_ms, expires_at_ms, data = rows[0]
        return Entry(
            key, _parse_fields(fields), await verify(data, sha256), _from_ms(created_at_ms), _from_ms(expires_at_ms)
        )

    async def put(self, entry: Entry) -> None:
        """Store `entry` and evict older entries if the collection has grown too large.

        Raises:
            StoreError: The file cannot be written.
        """
        try:
            fields = orjson.dumps(dict(entry.fields))
        except orjson.JSONEncodeError:
            log_skipped_entry(entry, self.collection, "fields")
            return
        size_bytes = len(entry.data) + len(fields)
        if len(entry.data) > self.collection.max_entry_bytes or size_bytes > self._max_bytes:
            log_skipped_entry(entry, self.collection, "size")
            return
        times = (_to_ms(entry.created_at), _to_ms(entry.expires_at))
        sha256 = await digest(entry.data)
        await self._file.write(
            _PUT, (self.collection.name, entry.cache_key, fields, sha256, size_bytes, *times, entry.data)
        )
        self._unchecked_bytes += size_bytes
        if self._unchecked_bytes >= self._max_bytes * _SHARE_BETWEEN_CHECKS:
            self._unchecked_bytes = 0
            await self._evict()

    async def delete(self, key: str) -> None:
        """Delete the entry of `key`, if there is one.

        Raises:
            StoreError: The file cannot be written.
        """
        await self._file.write(_DELETE, (self.collection.name, key))

    async def purge_expired(self) -> int:
        """Delete every expired entry, in small batches so that other processes can write in between.

        Raises:
            StoreError: The file cannot be written.
        """
        now_ms = _to_ms(self._now())
        purged = 0
        while rows := await self._file.write(_PURGE, (self.collection.name, now_ms, _PURGE_BATCH)):
            purged += len(rows)
        return purged

    async def close(self) -> None:
        """Close the file."""
        await self._file.close()

    async def _evict(self) -> None:
        # Read from the file, since other processes write to it too.
        ((total_bytes,),) = await self._file.write(_TOTAL, (self.collection.name,))
        if total_bytes > self._max_bytes:
            await self._file.write(_EVICT, (self.collection.name, int(self._max_bytes * _SHARE_AFTER_EVICTION)))


@asynccontextmanager
async def open_sqlite_store(
    path: Path,
    collection: Collection,
    *,
    max_bytes: int = DEFAULT_MAX_BYTES,
    busy_seconds: float = 5.0,
    now: Callable[[], datetime] | None = None,
) -> AsyncIterator[SqliteStore]:
    """Yield the store in the file at `path`; opens the file on first use and closes it at the end.

    Args:
        path: The file; several collections and processes may share it.
        collection: Collection of the entries.
        max_bytes: Most bytes of the collection, accurate to 1 % per process; the oldest entries are evicted.
        busy_seconds: How long to wait for the write of another process.
        now: Called for the current time.
    """
    store = SqliteStore(
        SqliteFile(path, SCHEMA, busy_seconds=busy_seconds), collection, max_bytes, now or ExpiryClock().now
    )
    try:
        yield store
    finally:
        await store.close()


def _parse_fields(content: object) -> dict[str, Any]:
    try:
        fields = orjson.loads(content) if isinstance(content, bytes) else None
    except orjson.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict):
        raise CorruptEntryError("the fields cannot be read")
    return fields


def _to_ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _from_ms(time_ms: object) -> datetime:
    if not isinstance(time_ms, int):
        raise CorruptEntryError("a time is missing")
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        raise CorruptEntryError("a time is out of range") from None
