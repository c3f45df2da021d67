"""Records in MongoDB, for a suite on several machines."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any

import orjson
from bson import Binary
from pymongo import WriteConcern
from pymongo.errors import DuplicateKeyError, PyMongoError

from services.common.cache.mongo import ClientFactory, open_mongo_database
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
    unpack,
)

log = logger(__name__)

COLLECTION = "Records"

# The database of Motor or of PyMongo's asynchronous client: both offer the same methods but share no type.
Database = Any


class MongoRecordStore(RecordStore):
    """Stores records as documents of one collection.

    Args:
        database: Database of the collection.
    """

    def __init__(self, database: Database) -> None:
        # A record of a payment must survive the loss of a server.
        self._documents = database.get_collection(COLLECTION, write_concern=WriteConcern("majority"))
        self._indexing = asyncio.Lock()
        self._indexed = False

    async def create(self, record: Record) -> None:
        """Insert a document, unless there is one with the same key."""
        document = await asyncio.to_thread(_to_document, record)
        with _translate_errors():
            await self._ensure_index()
            try:
                await self._documents.insert_one(document)
            except DuplicateKeyError:
                raise build_exists_error() from None

    async def replace(self, record: Record) -> None:
        """Insert a document or overwrite it."""
        document = await asyncio.to_thread(_to_document, record)
        with _translate_errors():
            await self._ensure_index()
            try:
                await self._documents.replace_one({"_id": document["_id"]}, document, upsert=True)
            except DuplicateKeyError:
                # Another process inserted it between the search and the insert of the server.
                await self._documents.replace_one({"_id": document["_id"]}, document)

    async def get(self, key: RecordKey) -> Record | None:
        """Return a record with its attachment, or None."""
        with _translate_errors():
            document = await self._documents.find_one({"_id": _build_id(key)})
        return await asyncio.to_thread(_from_document, document) if document is not None else None

    async def delete(self, key: RecordKey) -> bool:
        """Delete a document and return whether it existed."""
        with _translate_errors():
            result = await self._documents.delete_one({"_id": _build_id(key)})
        return bool(result.deleted_count)

    async def list_page(self, owner: str, kind: str, *, page_size: int, page_token: str = "") -> RecordPage:
        """Read a range of the index, without attachments."""
        query = {"owner": owner, "kind": kind, "position": {"$lt": parse_token(kind, page_token)}}
        with _translate_errors():
            await self._ensure_index()
            cursor = self._documents.find(query, {"attachment": False}).sort("position", -1).limit(page_size + 1)
            found = [_from_document(document) async for document in cursor]
        return build_page(kind, found, page_size)

    async def _ensure_index(self) -> None:
        async with self._indexing:
            if not self._indexed:
                await self._documents.create_index([("owner", 1), ("kind", 1), ("position", -1)])
                self._indexed = True


@asynccontextmanager
async def open_mongo_records(uri: str, client_factory: ClientFactory | None = None) -> AsyncIterator[MongoRecordStore]:
    """Yield the store in the database that `uri` names; connects on first use.

    Args:
        uri: Connection string.
        client_factory: Creates the driver's client; the default is that of the cache.

    Raises:
        ConfigurationError: `uri` is not a connection string.
    """
    chosen = {"client_factory": client_factory} if client_factory else {}
    async with open_mongo_database(uri, **chosen) as database:
        yield MongoRecordStore(database)


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except PyMongoError as error:
        log.warning("the database of records failed", cause=type(error).__name__)
        raise build_unavailable_error() from None


def _build_id(key: RecordKey) -> str:
    """Return the digest of owner, kind and id: of fixed length, whatever they contain."""
    return hashlib.sha256(orjson.dumps([key.owner, key.kind, key.id])).hexdigest()


def _to_document(record: Record) -> dict[str, object]:
    return {
        "_id": _build_id(record.key),
        "owner": record.owner,
        "kind": record.kind,
        "id": record.id,
        "position": record.position,
        "createdAt": record.created_at,
        "objectKey": record.object_key,
        "document": dump_document(record),
        "attachment": Binary(pack(record.attachment)),
    }


def _from_document(document: Mapping[str, Any]) -> Record:
    created_at: datetime = document["createdAt"]
    return Record(
        document["owner"],
        document["kind"],
        document["id"],
        created_at,
        document["objectKey"],
        orjson.loads(document["document"]),
        unpack(bytes(document.get("attachment", b""))),
    )
