"""Usage records in a SQLite file, for a suite on one machine; several processes may share the file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date
from pathlib import Path

import orjson

from services.common.cache.interface import StoreError
from services.common.cache.sqlite_file import Schema, SqliteFile
from services.common.usage.interface import DayTotals, Group, UsageRecord, UsageStore, UsageStoreError, group_by_day

_PURGE_BATCH = 1000

# The rows of one principal and day are neighbours, so that a query reads one range of the file.
_SCHEMA = Schema(
    "usage",
    (
        (
            """
            CREATE TABLE usage_records (
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
            ) WITHOUT ROWID
            """,
            "CREATE INDEX usage_records_by_day ON usage_records (day)",
        ),
    ),
)

# A single statement is atomic by itself, so that a cancelled caller leaves no transaction open.
_ADD = """
INSERT INTO usage_records (
  record_id, at, day, principal, service, characters, cost_units, cache_status, saved_cost_units, cached_characters,
  latency_seconds, first_audio_seconds, outcome
)
SELECT
  json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'),
  json_extract(value, '$[4]'), json_extract(value, '$[5]'), json_extract(value, '$[6]'), json_extract(value, '$[7]'),
  json_extract(value, '$[8]'), json_extract(value, '$[9]'), json_extract(value, '$[10]'),
  json_extract(value, '$[11]'), json_extract(value, '$[12]')
FROM json_each(?)
WHERE true
ON CONFLICT (principal, day, record_id) DO NOTHING
"""

_DAYS = """
SELECT
  day, cache_status, outcome, COUNT(*), SUM(characters), COALESCE(SUM(cost_units), 0), SUM(cached_characters),
  SUM(saved_cost_units)
FROM usage_records
WHERE principal = ? AND day BETWEEN ? AND ? AND ? IN ('', service)
GROUP BY day, cache_status, outcome
"""

# In small batches, so that other processes can write to the file in between.
_PURGE = """
DELETE FROM usage_records
WHERE (principal, day, record_id) IN (SELECT principal, day, record_id FROM usage_records WHERE day < ? LIMIT ?)
RETURNING 1
"""


class SqliteUsageStore(UsageStore):
    """Stores usage records in a table of `file`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def add_many(self, records: Sequence[UsageRecord]) -> None:
        """Store all `records` or, on an error, none."""
        rows = orjson.dumps([_to_row(record) for record in records]).decode()
        with _translate_errors():
            await self._file.write(_ADD, (rows,))

    async def sum_days(self, principal: str, start: date, end: date, service: str = "") -> list[DayTotals]:
        """Sum the records of `principal` by day."""
        with _translate_errors():
            rows = await self._file.read(_DAYS, (principal, start.isoformat(), end.isoformat(), service))
        return group_by_day(Group(date.fromisoformat(day), *sums) for day, *sums in rows)

    async def purge_before(self, day: date) -> int:
        """Remove old records in small batches."""
        removed = 0
        with _translate_errors():
            while rows := await self._file.write(_PURGE, (day.isoformat(), _PURGE_BATCH)):
                removed += len(rows)
        return removed


@asynccontextmanager
async def open_sqlite_usage(path: Path) -> AsyncIterator[SqliteUsageStore]:
    """Yield the store in the file at `path`; opens the file on first use and closes it at the end."""
    file = SqliteFile(path, _SCHEMA)
    try:
        yield SqliteUsageStore(file)
    finally:
        await file.close()


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise UsageStoreError(str(error)) from error


def _to_row(record: UsageRecord) -> tuple[object, ...]:
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
