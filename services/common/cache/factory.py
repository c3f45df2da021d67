"""The factory of the result store: MongoDB if a connection string is set, otherwise one SQLite file."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from services.common.cache.interface import Collection, Store
from services.common.cache.sqlite import DEFAULT_MAX_BYTES, open_sqlite_store


def open_result_store(
    mongodb_uri: str, sqlite_path: Path, collection: Collection, *, sqlite_max_bytes: int = DEFAULT_MAX_BYTES
) -> AbstractAsyncContextManager[Store]:
    """Return the context of the store; the store connects or opens its file on first use.

    Args:
        mongodb_uri: Connection string; empty for the SQLite file.
        sqlite_path: The file; several collections and processes may share it.
        collection: Collection of the entries.
        sqlite_max_bytes: Most bytes that the collection may take in the file. MongoDB is bounded on its server.

    Raises:
        ConfigurationError: On entering, `mongodb_uri` is not a connection string.
    """
    if not mongodb_uri:
        return open_sqlite_store(sqlite_path, collection, max_bytes=sqlite_max_bytes)
    from services.common.cache.mongo import open_mongo_store  # noqa: PLC0415 - costs 30 MB and is often not needed

    return open_mongo_store(mongodb_uri, collection)
