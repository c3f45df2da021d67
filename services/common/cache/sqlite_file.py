"""A SQLite file that several components and processes share: private, migrated, opened on first use."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiosqlite

from services.common.cache.interface import StoreError

Row = Sequence[Any]

_CREATE_VERSIONS = "CREATE TABLE IF NOT EXISTS schema_versions (component TEXT PRIMARY KEY, version INTEGER NOT NULL)"
_GET_VERSION = "SELECT version FROM schema_versions WHERE component = ?"
_HAS_VERSIONS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_versions'"
_SET_VERSION = "INSERT OR REPLACE INTO schema_versions (component, version) VALUES (?, ?)"
_RETRY_SECONDS = 0.02
_MAX_LOG_BYTES = 64 * 1024 * 1024
_creation_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one component, as a list of migration steps."""

    component: str
    """Name under which the file records the version of the schema."""
    steps: tuple[tuple[str, ...], ...]
    """Statements of each step. A new version of the schema appends a step; released steps never change."""


@dataclass(frozen=True, slots=True)
class _Connections:
    reader: aiosqlite.Connection
    writer: aiosqlite.Connection
    stack: AsyncExitStack


class SqliteFile:
    """A connection for reading and one for writing, so that a read never waits for a write.

    Every statement is a transaction of its own, so that a cancelled caller leaves no transaction open.

    Args:
        path: The file; it and its folder are created for this user only if they do not exist.
        schema: Tables of the component.
        busy_seconds: How long to wait for the write of another process.
        durable: Whether a write must survive a power failure; each one then waits for the disk.
    """

    def __init__(self, path: Path, schema: Schema, *, busy_seconds: float = 5.0, durable: bool = False) -> None:
        self._path = path
        self._schema = schema
        self._busy_seconds = busy_seconds
        self._synchronous = "FULL" if durable else "NORMAL"
        self._opening: asyncio.Task[_Connections] | None = None
        self._closed = False

    async def read(self, statement: str, parameters: Iterable[Any] = ()) -> list[Row]:
        """Return the rows of a query.

        Raises:
            StoreError: The file cannot be read.
        """
        async with self._open_connections() as connections:
            return list(await connections.reader.execute_fetchall(statement, parameters))

    async def write(self, statement: str, parameters: Iterable[Any] = ()) -> list[Row]:
        """Run a statement that writes and return the rows of its RETURNING clause.

        Raises:
            StoreError: The file cannot be written: the disk is full, or the file is read-only, damaged or locked.
        """
        async with self._open_connections() as connections:
            return list(await connections.writer.execute_fetchall(statement, parameters))

    async def close(self) -> None:
        """Wait for running statements and close the file."""
        self._closed = True
        opening, self._opening = self._opening, None
        if opening is None:
            return
        await asyncio.wait({opening})
        if not _has_failed(opening):
            await opening.result().stack.aclose()

    @asynccontextmanager
    async def _open_connections(self) -> AsyncIterator[_Connections]:
        if self._closed:
            raise StoreError("closed")
        if self._opening is None:
            self._opening = asyncio.create_task(self._open(), name="opening a SQLite file")
            self._opening.add_done_callback(self._reset_after_failure)
        try:
            # A cancelled caller must not interrupt the opening: the half-open connection would leak.
            yield await asyncio.shield(self._opening)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(_get_cause(error)) from error
        except ValueError as error:
            if not self._closed:
                raise
            raise StoreError("closed") from error

    def _reset_after_failure(self, opening: asyncio.Task[_Connections]) -> None:
        if _has_failed(opening) and self._opening is opening:
            self._opening = None

    async def _open(self) -> _Connections:
        await asyncio.to_thread(_create_private, self._path)
        async with AsyncExitStack() as stack:
            writer = await stack.enter_async_context(self._connect())
            await self._enable_write_ahead_log(writer)
            await self._migrate(writer)
            reader = await stack.enter_async_context(self._connect())
            await reader.execute_fetchall("PRAGMA query_only = ON")
            return _Connections(reader, writer, stack.pop_all())

    def _connect(self) -> aiosqlite.Connection:
        return aiosqlite.connect(self._path, timeout=self._busy_seconds, isolation_level=None)

    async def _enable_write_ahead_log(self, writer: aiosqlite.Connection) -> None:
        """Switch to the write-ahead log, with retries.

        SQLite does not wait for another process that switches at the same moment.
        """
        give_up_at = time.monotonic() + self._busy_seconds
        while True:
            try:
                await writer.execute_fetchall("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up_at:
                    raise
            await asyncio.sleep(_RETRY_SECONDS)
        # NORMAL may lose the last entries on a power failure but never damages the file, and a killed process none.
        await writer.execute_fetchall(f"PRAGMA synchronous = {self._synchronous}")
        await writer.execute_fetchall(f"PRAGMA journal_size_limit = {_MAX_LOG_BYTES}")

    async def _migrate(self, writer: aiosqlite.Connection) -> None:
        # The first check takes no lock, so that a read-only file can be read.
        if await self._read_version(writer) == len(self._schema.steps):
            return
        await writer.execute_fetchall("BEGIN IMMEDIATE")
        version = await self._read_version(writer)
        if version > len(self._schema.steps):
            raise StoreError("written by a newer version")
        for step in self._schema.steps[version:]:
            for statement in step:
                await writer.execute_fetchall(statement)
        await writer.execute_fetchall(_CREATE_VERSIONS)
        await writer.execute_fetchall(_SET_VERSION, (self._schema.component, len(self._schema.steps)))
        await writer.execute_fetchall("COMMIT")

    async def _read_version(self, writer: aiosqlite.Connection) -> int:
        if not list(await writer.execute_fetchall(_HAS_VERSIONS)):
            return 0
        rows = list(await writer.execute_fetchall(_GET_VERSION, (self._schema.component,)))
        return int(rows[0][0]) if rows else 0


def _create_private(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Closing any descriptor of a file releases all POSIX locks that this process has on it, even those of an open
    # database. So this function opens only a file that does not exist yet, and only in one thread at a time.
    with _creation_lock:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            return


def _has_failed(task: asyncio.Task[_Connections]) -> bool:
    return task.cancelled() or task.exception() is not None


def _get_cause(error: Exception) -> str:
    return getattr(error, "sqlite_errorname", None) or type(error).__name__
