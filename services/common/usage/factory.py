"""Opens the usage recorder of a process, in the same database as the cache."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from services.common.usage.recorder import RecorderOptions, UsageRecorder
from services.common.usage.sqlite import open_sqlite_usage
from services.common.usage.store import UsageStore


@asynccontextmanager
async def open_usage(
    mongodb_uri: str,
    sqlite_path: Path,
    options: RecorderOptions = RecorderOptions(),  # noqa: B008 - frozen
) -> AsyncIterator[UsageRecorder]:
    """Yield the usage recorder and its store; a database that is down does not delay the start.

    Args:
        mongodb_uri: Connection string of MongoDB; empty for the SQLite file.
        sqlite_path: The file; the cache and other processes may share it.
        options: Bounds, intervals and retention.

    Raises:
        ConfigurationError: `mongodb_uri` is not a connection string.
    """
    async with (
        _open_store(mongodb_uri, sqlite_path, options.retention_days) as store,
        UsageRecorder(store, options) as recorder,
    ):
        yield recorder


def _open_store(mongodb_uri: str, sqlite_path: Path, retention_days: int) -> AbstractAsyncContextManager[UsageStore]:
    if not mongodb_uri:
        return open_sqlite_usage(sqlite_path)
    from services.common.usage.mongo import open_mongo_usage  # noqa: PLC0415 - costs 30 MB and is often not needed

    return open_mongo_usage(mongodb_uri, retention_days)
