"""Usage records in an SQLite file, for a suite on one machine; several processes may share the file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date
from functools import partial
from pathlib import Path

import aiosqlite
import orjson

from services.common.usage.record import UsageRecord
from services.common.usage.store import UsageStore, UsageStoreError
from services.common.usage.totals import DayTotals, Group, by_day

_BUSY_SECONDS = 5.0
_PURGED_AT_ONCE = 1000
_ROWS_FETCHED_AT_ONCE = 64

# The rows of one principal and day lie side by side, so a question reads one stretch of the file.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS usage_records (
  record_id TEXT NOT NULL,
  at TEXT NOT NULL,
  day TEXT NOT NULL,
  principal TEXT NOT NULL,
  service TEXT NOT NULL,
  characters INTEGER NOT NULL,
  cost_units INTEGER,
  cache_status TEXT NOT NULL,
  saved_cost_units INTEGER NOT NULL,
  cached_characters INTEGER NOT NULL,
  latency_seconds REAL NOT NULL,
  first_audio_seconds REAL,
  outcome TEXT NOT NULL,
  PRIMARY KEY (principal, day, record_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS usage_records_by_day ON usage_records (day);
"""

# One statement is whole or absent by itself, so that no cancelled caller leaves a transaction open.
_ADD = """
INSERT OR IGNORE INTO usage_records (
  record_id, at, day, principal, service, characters, cost_units, cache_status, saved_cost_units, cached_characters,
  latency_seconds, first_audio_seconds, outcome
)
SELECT
  json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'),
  json_extract(value, '$[4]'), json_extract(value, '$[5]'), json_extract(value, '$[6]'), json_extract(value, '$[7]'),
  json_extract(value, '$[8]'), json_extract(value, '$[9]'), json_extract(value, '$[10]'),
  json_extract(value, '$[11]'), json_extract(value, '$[12]')
FROM json_each(?)
"""

_DAYS = """
SELECT
  day, cache_status, outcome, COUNT(*), SUM(characters), COALESCE(SUM(cost_units), 0), SUM(cached_characters),
  SUM(saved_cost_units)
FROM usage_records
WHERE principal = ? AND day BETWEEN ? AND ?
GROUP BY day, cache_status, outcome
"""

# In small steps: other processes write to the file between them.
_PURGE = """
DELETE FROM usage_records
WHERE (principal, day, record_id) IN (SELECT principal, day, record_id FROM usage_records WHERE day < ? LIMIT ?)
RETURNING 1
"""


class SqliteUsageStore(UsageStore):
    """Keeps usage records in the SQLite file at `path`, which is made if it is not there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opening: asyncio.Task[aiosqlite.Connection] | None = None
        self._turn = asyncio.Lock()

    async def add_many(self, records: Sequence[UsageRecord]) -> None:
        """Keeps all `records` or, on an error, none."""
        await self._run(_ADD, (orjson.dumps([_row(record) for record in records]).decode(),))

    async def days(self, principal: str, start: date, end: date) -> list[DayTotals]:
        """Sums the records of `principal` by day."""
        rows = await self._run(_DAYS, (principal, start.isoformat(), end.isoformat()))
        return by_day(Group(date.fromisoformat(day), *sums) for day, *sums in rows)

    async def purge_before(self, day: date) -> int:
        """Removes old records step by step."""
        removed = 0
        while step := len(await self._run(_PURGE, (day.isoformat(), _PURGED_AT_ONCE))):
            removed += step
        return removed

    async def close(self) -> None:
        """Closes the file once what runs on it has ended."""
        async with self._turn:
            await self._let_go()

    async def _run(self, statement: str, parameters: tuple[object, ...]) -> list[sqlite3.Row]:
        async with self._turn:
            try:
                connection = await self._connection()
                return list(await connection.execute_fetchall(statement, parameters))
            except (sqlite3.Error, OSError) as error:
                # The file may have been moved, replaced or mended: the next attempt looks anew.
                await self._let_go()
                raise UsageStoreError(type(error).__name__) from error

    async def _connection(self) -> aiosqlite.Connection:
        if self._opening is None:
            self._opening = asyncio.create_task(_connect(self._path))
        # Whoever is cancelled here leaves the connection to the next caller, or to close().
        return await asyncio.shield(self._opening)

    async def _let_go(self) -> None:
        opening, self._opening = self._opening, None
        if opening is None:
            return
        try:
            await (await opening).close()
        except (sqlite3.Error, OSError):
            return


async def _connect(path: Path) -> aiosqlite.Connection:
    return await aiosqlite.Connection(partial(_open, path), _ROWS_FETCHED_AT_ONCE)


def _open(path: Path) -> sqlite3.Connection:
    """Opens the file; runs in the connection's thread, where it may block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    with _closed_on_error(connection):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_SCHEMA)
    return connection


@contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _row(record: UsageRecord) -> tuple[object, ...]:
    return (
        record.record_id,
        record.at.astimezone(UTC).isoformat(timespec="milliseconds"),
        record.day.isoformat(),
        record.principal,
        record.service,
        record.characters,
        record.cost_units,
        record.cache_status,
        record.saved_cost_units,
        record.cached_characters,
        record.latency_seconds,
        record.first_audio_seconds,
        record.outcome,
    )
