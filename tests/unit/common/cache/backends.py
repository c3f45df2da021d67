"""One interface for every kind of result store, so that the same tests run over all of them."""

from __future__ import annotations

import os
import secrets
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, MongoClient

from services.common.cache.interface import Collection, Store
from services.common.cache.mongo import DIGEST_FIELD, ClientFactory, open_mongo_store
from services.common.cache.sqlite import open_sqlite_store
from tests.fakes.result_store import FakeStore, StoredEntries

MONGO_URI = os.environ.get("MEDIA_TEST_MONGO_URI", "")
DRIVERS: Mapping[str, ClientFactory] = {"motor": AsyncIOMotorClient, "pymongo": AsyncMongoClient}

Now = Callable[[], datetime]


class Backend(ABC):
    """The storage of one kind of result store, with a way to change its entries from outside."""

    @abstractmethod
    def open(self, collection: Collection, now: Now) -> AbstractAsyncContextManager[Store]:
        """Open another store over the same storage."""

    @abstractmethod
    def damage(self, collection: Collection, key: str, data: bytes | None = None, digest: str | None = None) -> None:
        """Change the stored data or digest of an entry from outside."""


class FakeBackend(Backend):
    def __init__(self, _folder: Path) -> None:
        self._shelves: dict[str, StoredEntries] = {}

    @asynccontextmanager
    async def open(self, collection: Collection, now: Now) -> AsyncIterator[Store]:
        store = FakeStore(self._shelves.setdefault(collection.name, StoredEntries()), collection, now)
        yield store
        await store.close()

    def damage(self, collection: Collection, key: str, data: bytes | None = None, digest: str | None = None) -> None:
        entry, sha256 = self._shelves[collection.name].entries[key]
        changed = entry if data is None else replace(entry, data=data)
        self._shelves[collection.name].entries[key] = (changed, digest or sha256)


class SqliteBackend(Backend):
    def __init__(self, folder: Path) -> None:
        self.path = folder / "state" / "media.sqlite"

    def open(self, collection: Collection, now: Now) -> AbstractAsyncContextManager[Store]:
        return open_sqlite_store(self.path, collection, now=now)

    def damage(self, collection: Collection, key: str, data: bytes | None = None, digest: str | None = None) -> None:
        for column, value in (("data", data), ("sha256", digest)):
            if value is not None:
                self.set(collection, key, column, value)

    def set(self, collection: Collection, key: str, column: str, value: object) -> None:
        """Set one column of an entry."""
        statement = f"UPDATE cache_entries SET {column} = ? WHERE collection = ? AND cache_key = ?"  # noqa: S608 - ours
        with closing(sqlite3.connect(self.path)) as connection, connection:
            assert connection.execute(statement, (value, collection.name, key)).rowcount == 1


class MongoBackend(Backend):
    def __init__(self, client_factory: ClientFactory) -> None:
        database = f"cache_{secrets.token_hex(8)}"
        self.uri = urlsplit(MONGO_URI)._replace(path=f"/{database}").geturl()
        self.client_factory = client_factory

    def open(self, collection: Collection, now: Now) -> AbstractAsyncContextManager[Store]:
        return open_mongo_store(self.uri, collection, self.client_factory, now=now)

    def damage(self, collection: Collection, key: str, data: bytes | None = None, digest: str | None = None) -> None:
        changes = {collection.data_field: data, DIGEST_FIELD: digest}
        self.set(collection, key, {name: value for name, value in changes.items() if value is not None})

    def set(self, collection: Collection, key: str, changes: Mapping[str, object]) -> None:
        """Set some fields of a document."""
        with MongoClient[dict[str, Any]](self.uri) as client:
            documents = client.get_default_database()[collection.name]
            assert documents.update_one({"cacheKey": key}, {"$set": changes}).matched_count == 1

    def drop(self) -> None:
        """Remove the whole database."""
        with MongoClient[dict[str, Any]](self.uri) as client:
            client.drop_database(client.get_default_database())


def _make_mongo_backend(driver: ClientFactory) -> Callable[[Path], Backend]:
    return lambda _folder: MongoBackend(driver)


KINDS: dict[str, Callable[[Path], Backend]] = {"fake": FakeBackend, "sqlite": SqliteBackend}
if MONGO_URI:
    KINDS |= {name: _make_mongo_backend(driver) for name, driver in DRIVERS.items()}
