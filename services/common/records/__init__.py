"""Records of stored media and of paid requests: private to their owners, in the database of cache and usage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from prometheus_client import CollectorRegistry, Gauge

from services.common.cache.settings import DatabaseSettings
from services.common.records.buffer import BufferedRecords, BufferOptions
from services.common.records.interface import MAX_PAGE_SIZE, Record, RecordKey, RecordPage, RecordStore
from services.common.records.migration import MigratingRecords, OldFolder
from services.common.records.sqlite import open_sqlite_records
from services.common.storage import ObjectStore

__all__ = [
    "MAX_PAGE_SIZE",
    "BufferOptions",
    "BufferedRecords",
    "OldFolder",
    "Record",
    "RecordKey",
    "RecordPage",
    "RecordStore",
    "open_records",
]


@asynccontextmanager
async def open_records(
    settings: DatabaseSettings, store: ObjectStore, folders: Mapping[str, OldFolder], registry: CollectorRegistry
) -> AsyncIterator[BufferedRecords]:
    """Yield the records of a service; a database that is down does not delay the start.

    Args:
        settings: Names the database: MongoDB, or else a SQLite file.
        store: The object store, which may hold records of earlier versions.
        folders: The folders of such records that the service moves into the database, by kind.
        registry: Exposes the number of records that wait for the database.

    Raises:
        ConfigurationError: MONGODB_URI is not a connection string.
    """
    async with _open_store(settings) as database:
        migrating = MigratingRecords(database, store, folders)
        async with BufferedRecords(migrating) as records:
            gauge = Gauge("media_records_waiting", "Records that wait for the database.", registry=registry)
            gauge.set_function(lambda: records.waiting)
            migration = asyncio.create_task(migrating.run(), name="migration of records")
            try:
                yield records
            finally:
                migration.cancel()
                await asyncio.gather(migration, return_exceptions=True)


def _open_store(settings: DatabaseSettings) -> AbstractAsyncContextManager[RecordStore]:
    uri = settings.mongodb_uri.get_secret_value()
    if not uri:
        return open_sqlite_records(settings.database_file)
    from services.common.records.mongo import open_mongo_records  # noqa: PLC0415 - costs 30 MB and is often not needed

    return open_mongo_records(uri)
