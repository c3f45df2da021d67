"""Records in a SQLite file, for a suite on one machine; several processes may share the file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import orjson

from services.common.cache.interface import StoreError
from services.common.cache.sqlite_file import Row, Schema, SqliteFile
from services.common.log import logger
from services.common.records.interface import (
    Record,
    RecordKey,
    RecordPage,
    RecordStore,
    build_exists_error,
    build_page,
    build_unavailable_error,
    dump_document,
    pack,
    parse_token,
    to_utc,
    unpack,
)

log = logger(__name__)

# The index has the order of lists, so that a page is one range of it.
_SCHEMA = Schema(
    "records",
    (
        (
            """
            CREATE TABLE records (
                owner TEXT NOT NULL,
                kind TEXT NOT NULL,
                id TEXT NOT NULL,
                position TEXT NOT NULL,
                created_ms INTEGER NOT NULL,
                object_key TEXT NOT NULL,
                document TEXT NOT NULL,
                attachment BLOB NOT NULL,
                PRIMARY KEY (owner, kind, id)
            )
            """,
            "CREATE INDEX records_by_position ON records (owner, kind, position)",
        ),
    ),
)
_INSERT = """
INSERT INTO records (owner, kind, id, position, created_ms, object_key, document, attachment)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_CREATE = f"{_INSERT} ON CONFLICT (owner, kind, id) DO NOTHING RETURNING 1"
_REPLACE = f"""
{_INSERT}
ON CONFLICT (owner, kind, id) DO UPDATE SET
  position = excluded.position, created_ms = excluded.created_ms, object_key = excluded.object_key,
  document = excluded.document, attachment = excluded.attachment
"""
_GET = "SELECT id, created_ms, object_key, document, attachment FROM records WHERE owner = ? AND kind = ? AND id = ?"
_DELETE = "DELETE FROM records WHERE owner = ? AND kind = ? AND id = ? RETURNING 1"
_LIST = """
SELECT id, created_ms, object_key, document, x'' FROM records
WHERE owner = ? AND kind = ? AND position < ? ORDER BY position DESC LIMIT ?
"""


class SqliteRecordStore(RecordStore):
    """Stores records in a table of `file`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def create(self, record: Record) -> None:
        """Insert a row, unless there is one with the same key."""
        row = await asyncio.to_thread(_to_row, record)
        with _translate_errors():
            created = await self._file.write(_CREATE, row)
        if not created:
            raise build_exists_error()

    async def replace(self, record: Record) -> None:
        """Insert a row or overwrite it."""
        row = await asyncio.to_thread(_to_row, record)
        with _translate_errors():
            await self._file.write(_REPLACE, row)

    async def get(self, key: RecordKey) -> Record | None:
        """Return a record with its attachment, or None."""
        with _translate_errors():
            rows = await self._file.read(_GET, (key.owner, key.kind, key.id))
        return await asyncio.to_thread(_from_row, key.owner, key.kind, rows[0]) if rows else None

    async def delete(self, key: RecordKey) -> bool:
        """Delete a row and return whether it existed."""
        with _translate_errors():
            return bool(await self._file.write(_DELETE, (key.owner, key.kind, key.id)))

    async def list_page(self, owner: str, kind: str, *, page_size: int, page_token: str = "") -> RecordPage:
        """Read a range of the index."""
        before = parse_token(kind, page_token)
        with _translate_errors():
            rows = await self._file.read(_LIST, (owner, kind, before, page_size + 1))
        return build_page(kind, [_from_row(owner, kind, row) for row in rows], page_size)


@asynccontextmanager
async def open_sqlite_records(path: Path) -> AsyncIterator[SqliteRecordStore]:
    """Yield the store in the file at `path`; opens the file on first use and closes it at the end."""
    file = SqliteFile(path, _SCHEMA, durable=True)
    try:
        yield SqliteRecordStore(file)
    finally:
        await file.close()


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        log.warning("the database of records failed", cause=error.cause)
        raise build_unavailable_error() from None


def _to_row(record: Record) -> Row:
    return (
        record.owner,
        record.kind,
        record.id,
        record.position,
        record.created_ms,
        record.object_key,
        dump_document(record),
        pack(record.attachment),
    )


def _from_row(owner: str, kind: str, row: Row) -> Record:
    record_id, created_ms, object_key, document, attachment = row
    return Record(owner, kind, record_id, to_utc(created_ms), object_key, orjson.loads(document), unpack(attachment))
