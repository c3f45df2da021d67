"""The usage stores that share one contract; MongoDB only where `MEDIA_TEST_MONGO_URI` names a server."""

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
from services.common.usage.interface import UsageStore
from services.common.usage.mongo import open_mongo_usage
from services.common.usage.sqlite import open_sqlite_usage

MONGO_URI = os.environ.get("MEDIA_TEST_MONGO_URI", "")
RETENTION_DAYS = 400

Open = Callable[[Path, str], AbstractAsyncContextManager[UsageStore]]


def choose_unused_database(uri: str) -> str:
    """Return `uri` with the name of an unused database."""
    return urlsplit(uri)._replace(path=f"/usage_{secrets.token_hex(8)}").geturl()


def _open_sqlite(folder: Path, _uri: str) -> AbstractAsyncContextManager[UsageStore]:
    return open_sqlite_usage(folder / "media.sqlite")


def _make_mongo_opener(client_factory: ClientFactory) -> Open:
    return lambda _folder, uri: open_mongo_usage(uri, RETENTION_DAYS, client_factory)


_STORES: dict[str, Open] = {"sqlite": _open_sqlite}
if MONGO_URI:
    _STORES |= {"motor": _make_mongo_opener(AsyncIOMotorClient), "pymongo": _make_mongo_opener(AsyncMongoClient)}


@pytest.fixture
async def mongo_uri() -> AsyncIterator[str]:
    """Yield the URI of an unused database; empty without a server."""
    uri = choose_unused_database(MONGO_URI) if MONGO_URI else ""
    yield uri
    if uri:
        async with AsyncMongoClient[dict[str, object]](uri) as client:
            await client.drop_database(client.get_default_database())


@pytest.fixture(params=list(_STORES))
async def store(request: pytest.FixtureRequest, tmp_path: Path, mongo_uri: str) -> AsyncIterator[UsageStore]:
    """Yield an empty store of each kind."""
    async with _STORES[request.param](tmp_path, mongo_uri) as opened:
        yield opened
