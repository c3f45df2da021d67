"""Usage records in MongoDB, for a suite on several machines."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date
from typing import Any

from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError

from services.common.cache.mongo import ClientFactory, open_mongo_database
from services.common.log import logger
from services.common.usage.interface import DayTotals, Group, UsageRecord, UsageStore, UsageStoreError, group_by_day

log = logger(__name__)

COLLECTION = "Usage"

_DAY_SECONDS = 24 * 60 * 60
_DUPLICATE_KEY = 11000

# The sums of a group, each with its summand.
_SUMS: Mapping[str, object] = {
    "calls": 1,
    "characters": "$characters",
    "cost_units": "$costUnits",
    "cached_characters": "$cachedCharacters",
    "saved_cost_units": "$savedCostUnits",
}

# The database of Motor or of PyMongo's asynchronous client: both offer the same methods but share no type.
Database = Any


class MongoUsageStore(UsageStore):
    """Stores usage records as documents of one collection.

    Args:
        database: Database of the collection.
        retention_days: Number of days after which the server may remove a record by itself, if it can.
    """

    def __init__(self, database: Database, retention_days: int) -> None:
        self._documents = database[COLLECTION]
        self._expire_after_seconds = retention_days * _DAY_SECONDS
        self._indexing = asyncio.Lock()
        self._indexed = False

    async def add_many(self, records: Sequence[UsageRecord]) -> None:
        """Store the records; after an error some may be stored, and adding them again is safe."""
        with _translate_errors():
            await self._ensure_indexes()
            try:
                await self._documents.insert_many([_to_document(record) for record in records], ordered=False)
            except BulkWriteError as error:
                if not _has_only_duplicates(error):
                    raise

    async def sum_days(self, principal: str, start: date, end: date, service: str = "") -> list[DayTotals]:
        """Sum the records of `principal` by day, on the server."""
        match: dict[str, object] = {
            "principal": principal,
            "day": {"$gte": start.isoformat(), "$lte": end.isoformat()},
        }
        if service:
            match["service"] = service
        found: dict[tuple[str, str, str], dict[str, int]] = {}
        with _translate_errors():
            for name, summand in _SUMS.items():
                async for key, value in self._read_sums(match, summand):
                    found.setdefault(key, dict.fromkeys(_SUMS, 0))[name] = value
        return group_by_day(
            Group(date.fromisoformat(day), cache_status, outcome, **sums)
            for (day, cache_status, outcome), sums in found.items()
        )

    async def purge_before(self, day: date) -> int:
        """Remove old records, even if the server expires them by itself."""
        with _translate_errors():
            result = await self._documents.delete_many({"day": {"$lt": day.isoformat()}})
        return int(result.deleted_count)

    async def _read_sums(
        self, match: Mapping[str, object], summand: object
    ) -> AsyncIterator[tuple[tuple[str, str, str], int]]:
        # One sum per query: FerretDB may compute only the first of several sums and return 0 for the others,
        # without an error (FerretDB issue 4616).
        key = {"day": "$day", "cacheStatus": "$cacheStatus", "outcome": "$outcome"}
        cursor = self._documents.aggregate([{"$match": match}, {"$group": {"_id": key, "sum": {"$sum": summand}}}])
        if inspect.isawaitable(cursor):
            cursor = await cursor
        async for row in cursor:
            group = row["_id"]
            yield (group["day"], group["cacheStatus"], group["outcome"]), row["sum"]

    async def _ensure_indexes(self) -> None:
        async with self._indexing:
            if self._indexed:
                return
            await self._documents.create_index([("principal", 1), ("day", 1)])
            await self._documents.create_index([("day", 1)])
            await self._create_expiry_index()
            self._indexed = True

    async def _create_expiry_index(self) -> None:
        try:
            await self._documents.create_index([("at", 1)], expireAfterSeconds=self._expire_after_seconds)
        except OperationFailure as error:
            log.info("the server does not expire usage records; this process purges them", server_code=error.code)


@asynccontextmanager
async def open_mongo_usage(
    uri: str, retention_days: int, client_factory: ClientFactory | None = None
) -> AsyncIterator[MongoUsageStore]:
    """Yield the store in the database that `uri` names; connects on first use.

    Args:
        uri: Connection string.
        retention_days: Number of days after which the server may remove a record by itself, if it can.
        client_factory: Creates the driver's client; the default is that of the cache.

    Raises:
        ConfigurationError: `uri` is not a connection string.
    """
    chosen = {"client_factory": client_factory} if client_factory else {}
    async with open_mongo_database(uri, **chosen) as database:
        yield MongoUsageStore(database, retention_days)


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except PyMongoError as error:
        raise UsageStoreError(type(error).__name__) from error


def _has_only_duplicates(error: BulkWriteError) -> bool:
    details = error.details or {}
    codes = {item["code"] for item in details.get("writeErrors", [])}
    return codes == {_DUPLICATE_KEY} and not details.get("writeConcernErrors")


def _to_document(record: UsageRecord) -> dict[str, object]:
    return {
        "_id": record.record_id,
        "at": record.at.astimezone(UTC),
        "day": record.day.isoformat(),
        "principal": record.principal,
        "service": record.service,
        "characters": record.characters,
        "costUnits": record.cost_units,
        "cacheStatus": record.cache_status,
        "savedCostUnits": record.saved_cost_units,
        "cachedCharacters": record.cached_characters,
        "latencySeconds": record.latency_seconds,
        "firstAudioSeconds": record.first_audio_seconds,
        "outcome": record.outcome,
    }
