"""The record stores that share one contract; MongoDB only where `MEDIA_TEST_MONGO_URI` names a server."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient

from services.common.cache.mongo import ClientFactory
from services.common.records import RecordStore
from services.common.records.mongo import open_mongo_records
from services.common.records.sqlite import open_sqlite_records

MONGO_URI = os.environ.get("MEDIA_TEST_MONGO_URI", "")

Open = Callable[[], AbstractAsyncContextManager[RecordStore]]


def _make_mongo_opener(
    client_factory: ClientFactory,
) -> Callable[[Path, str], AbstractAsyncContextManager[RecordStore]]:
    return lambda _folder, uri: open_mongo_records(uri, client_factory)


_STORES: dict[str, Callable[[Path, str], AbstractAsyncContextManager[RecordStore]]] = {
    "sqlite": lambda folder, _uri: open_sqlite_records(folder / "media.sqlite3")
}
if MONGO_URI:
    _STORES |= {"motor": _make_mongo_opener(AsyncIOMotorClient), "pymongo": _make_mongo_opener(AsyncMongoClient)}


@pytest.fixture
async def mongo_uri() -> AsyncIterator[str]:
    """Yield the URI of an unused database; empty without a server."""
    uri = urlsplit(MONGO_URI)._replace(path=f"/records_{secrets.token_hex(8)}").geturl() if MONGO_URI else ""
    yield uri
    if uri:
        async with AsyncMongoClient[dict[str, object]](uri) as client:
            await client.drop_database(client.get_default_database())


@pytest.fixture(params=list(_STORES))
def open_store(request: pytest.FixtureRequest, tmp_path: Path, mongo_uri: str) -> Open:
    """Return a function that opens the same database at each call, as every process does."""
    return lambda: _STORES[request.param](tmp_path, mongo_uri)


@pytest.fixture
async def store(open_store: Open) -> AsyncIterator[RecordStore]:
    """Yield an empty store of each kind."""
    async with open_store() as opened:
        yield opened
