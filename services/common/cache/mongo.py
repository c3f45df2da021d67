"""The shared result store, a MongoDB collection; usage/mongo.py shares its connection code."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bson import Binary
from bson.errors import BSONError
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import ConfigurationError as BadUriError
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError

from services.common.cache.interface import (
    Collection,
    CorruptEntryError,
    Entry,
    ExpiryClock,
    Store,
    StoreError,
    digest,
    log_skipped_entry,
    verify,
)
from services.common.log import logger
from services.common.settings import ConfigurationError

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorDatabase
    from pymongo import AsyncMongoClient
    from pymongo.asynchronous.database import AsyncDatabase

    Client = AsyncIOMotorClient[dict[str, Any]] | AsyncMongoClient[dict[str, Any]]
    Database = AsyncIOMotorDatabase[dict[str, Any]] | AsyncDatabase[dict[str, Any]]

log = logger(__name__)

ClientFactory = Callable[..., Any]
"""Creates the client: `AsyncIOMotorClient` or PyMongo's `AsyncMongoClient`, which share the methods used here."""

DIGEST_FIELD = "dataSha256"
"""Field of a document that holds the digest of its data."""

DEFAULT_DATABASE = "media"
"""Database to use if the connection string names none."""

_OPTIONS: Mapping[str, Any] = {
    "appname": "media-suite",
    "connectTimeoutMS": 1000,
    "maxPoolSize": 16,
    "serverSelectionTimeoutMS": 1000,
    "socketTimeoutMS": 3000,
    "waitQueueTimeoutMS": 1000,
}
_INDEXES: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("cacheKey", {"unique": True}),
    ("expiresAt", {"expireAfterSeconds": 0}),
)
_ENCODING_ERRORS = (BSONError, OverflowError, UnicodeError, TypeError)


class MongoStore(Store):
    """Entries of one collection as MongoDB documents.

    Args:
        database: Database of the collection.
        collection: Collection of the entries.
        now: Called for the current time.
    """

    def __init__(self, database: Database, collection: Collection, now: Callable[[], datetime]) -> None:
        super().__init__(collection)
        self._documents = database[collection.name]
        self._now = now
        self._indexing = asyncio.Lock()
        self._indexed = False
        self._own_fields = {
            "_id",
            "cacheKey",
            collection.data_field,
            DIGEST_FIELD,
            "createdAt",
            "expiresAt",
        }

    async def _read(self, key: str) -> Entry | None:
        try:
            document = await self._documents.find_one({"cacheKey": key})
        except PyMongoError as error:
            raise StoreError(type(error).__name__) from error
        except BSONError:
            raise CorruptEntryError("the document cannot be read") from None
        if document is None:
            return None
        fields = {name: value for name, value in document.items() if name not in self._own_fields}
        if fields.get(self.collection.url_field) is None:
            fields.pop(self.collection.url_field, None)
        data = await verify(document.get(self.collection.data_field), document.get(DIGEST_FIELD))
        return Entry(key, fields, data, _get_time(document, "createdAt"), _get_time(document, "expiresAt"))

    async def put(self, entry: Entry) -> None:
        """Store `entry`; if another process stores the same key at the same moment, its entry may win.

        Raises:
            StoreError: The server cannot be written.
        """
        if len(entry.data) > self.collection.max_entry_bytes:
            log_skipped_entry(entry, self.collection, "size")
            return
        document = await self._to_document(entry)
        try:
            await self._ensure_indexes()
            await self._documents.replace_one({"cacheKey": entry.cache_key}, document, upsert=True)
        except DuplicateKeyError:
            log.debug("another process stored the same key first", collection=self.collection.name)
        except PyMongoError as error:
            raise StoreError(type(error).__name__) from error
        except _ENCODING_ERRORS as error:
            log_skipped_entry(entry, self.collection, type(error).__name__)

    async def delete(self, key: str) -> None:
        """Delete the document of `key`, if there is one.

        Raises:
            StoreError: The server cannot be written.
        """
        try:
            await self._documents.delete_one({"cacheKey": key})
        except PyMongoError as error:
            raise StoreError(type(error).__name__) from error

    async def purge_expired(self) -> int:
        """Delete every expired document, for servers without TTL indexes.

        Raises:
            StoreError: The server cannot be written.
        """
        try:
            await self._ensure_indexes()
            return int((await self._documents.delete_many({"expiresAt": {"$lte": self._now()}})).deleted_count)
        except PyMongoError as error:
            raise StoreError(type(error).__name__) from error

    async def close(self) -> None:
        """Do nothing: `open_mongo_database` closes the client, which may serve other collections."""

    async def _to_document(self, entry: Entry) -> dict[str, Any]:
        return {
            "cacheKey": entry.cache_key,
            self.collection.data_field: Binary(entry.data),
            self.collection.url_field: None,
            **entry.fields,
            DIGEST_FIELD: await digest(entry.data),
            "createdAt": entry.created_at,
            "expiresAt": entry.expires_at,
        }

    async def _ensure_indexes(self) -> None:
        async with self._indexing:
            if self._indexed:
                return
            for field, options in _INDEXES:
                await self._ensure_index(field, options)
            self._indexed = True

    async def _ensure_index(self, field: str, options: Mapping[str, Any]) -> None:
        try:
            await self._documents.create_index(field, **options)
        except OperationFailure as error:
            # Some compatible servers refuse TTL indexes. Only the disk space used between two purges depends on them.
            log.warning(
                "the server refuses an index; the store works without it",
                collection=self.collection.name,
                index=field,
                code=error.code,
            )


@asynccontextmanager
async def open_mongo_database(uri: str, client_factory: ClientFactory = AsyncIOMotorClient) -> AsyncIterator[Database]:
    """Yield the database that `uri` names, or `media`; the client connects on first use.

    Args:
        uri: Connection string. Its timeouts override the short defaults of this module.
        client_factory: Creates the client.

    Raises:
        ConfigurationError: `uri` is not a connection string.
    """
    lower_uri = uri.lower()
    options = {name: value for name, value in _OPTIONS.items() if f"{name.lower()}=" not in lower_uri}
    try:
        client: Client = client_factory(uri, tz_aware=True, **options)
        database = client.get_default_database(DEFAULT_DATABASE)
    except (BadUriError, ValueError):
        raise ConfigurationError(
            "MONGODB_URI: must be a connection string, mongodb://HOST:PORT/DATABASE or mongodb+srv://HOST/DATABASE. "
            "See docs/configuration.md."
        ) from None
    try:
        yield database
    finally:
        # The close method of PyMongo's client is a coroutine, that of Motor is not.
        closing = client.close()
        if inspect.isawaitable(closing):
            await closing


@asynccontextmanager
async def open_mongo_store(
    uri: str,
    collection: Collection,
    client_factory: ClientFactory = AsyncIOMotorClient,
    *,
    now: Callable[[], datetime] | None = None,
) -> AsyncIterator[MongoStore]:
    """Yield the store in a collection of the database that `uri` names; connects on first use.

    Args:
        uri: Connection string.
        collection: Collection of the entries.
        client_factory: Creates the client.
        now: Called for the current time.

    Raises:
        ConfigurationError: `uri` is not a connection string.
    """
    async with open_mongo_database(uri, client_factory) as database:
        yield MongoStore(database, collection, now or ExpiryClock().now)


def _get_time(document: Mapping[str, Any], name: str) -> datetime:
    value = document.get(name)
    if not isinstance(value, datetime):
        raise CorruptEntryError("a time is missing")
    return value
