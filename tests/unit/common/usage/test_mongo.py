"""The MongoDB usage store: its commands, its documents and an unreachable server."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandListener

from services.common.cache.mongo import ClientFactory
from services.common.settings import ConfigurationError
from services.common.usage.interface import UsageStoreError
from services.common.usage.mongo import COLLECTION, open_mongo_usage
from tests.fakes.usage import NOON, TODAY, make_usage_record
from tests.unit.common.usage.conftest import MONGO_URI, RETENTION_DAYS

in_both_drivers = pytest.mark.parametrize("client", [AsyncIOMotorClient, AsyncMongoClient], ids=["motor", "pymongo"])


@in_both_drivers
async def test_an_unreachable_server_is_an_error(client: ClientFactory, tmp_path: Path) -> None:
    # A socket file, because PyMongo's own client leaks a network socket when it is closed while it connects.
    address = quote(str(tmp_path / "absent.sock"), safe="")
    async with open_mongo_usage(f"mongodb://{address}/?serverSelectionTimeoutMS=50", RETENTION_DAYS, client) as store:
        for attempt in (
            store.add_many([make_usage_record()]),
            store.sum_days("alice", TODAY, TODAY),
            store.purge_before(TODAY),
        ):
            with pytest.raises(UsageStoreError, match="ServerSelectionTimeoutError"):
                await attempt


async def test_an_invalid_connection_string_names_its_variable() -> None:
    with pytest.raises(ConfigurationError, match="MONGODB_URI"):
        async with open_mongo_usage("postgres://localhost", RETENTION_DAYS):
            pass


class RecordedCommands(CommandListener):
    """Records the commands that are sent."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []

    def started(self, event: Any) -> None:
        self.commands.append(dict(event.command))

    def succeeded(self, event: Any) -> None:
        pass

    def failed(self, event: Any) -> None:
        pass


if MONGO_URI:

    @in_both_drivers
    async def test_indexes_and_expiry_are_created_once(client: ClientFactory, mongo_uri: str) -> None:
        recorded = RecordedCommands()

        def create_client(uri: str, **options: Any) -> Any:
            return client(uri, event_listeners=[recorded], **options)

        async with open_mongo_usage(mongo_uri, RETENTION_DAYS, create_client) as store:
            for _ in range(2):
                await store.add_many([make_usage_record()])
        indexes = [index for command in recorded.commands for index in command.get("indexes", [])]
        assert [dict(index["key"]) for index in indexes] == [{"principal": 1, "day": 1}, {"day": 1}, {"at": 1}]
        assert indexes[-1]["expireAfterSeconds"] == RETENTION_DAYS * 24 * 60 * 60

    async def test_a_document_holds_exactly_the_fields_of_the_record(mongo_uri: str) -> None:
        record = make_usage_record(cost_units=5, first_audio_seconds=0.25)
        async with open_mongo_usage(mongo_uri, RETENTION_DAYS) as store:
            await store.add_many([record])
        async with AsyncMongoClient[dict[str, Any]](mongo_uri, tz_aware=True) as client:
            found = await client.get_default_database()[COLLECTION].find_one({})
        assert found == {
            "_id": record.record_id,
            "at": NOON,
            "day": "2026-01-31",
            "principal": "alice",
            "service": "tts",
            "characters": 10,
            "costUnits": 5,
            "cacheStatus": "miss",
            "savedCostUnits": 0,
            "cachedCharacters": 0,
            "latencySeconds": 0.5,
            "firstAudioSeconds": 0.25,
            "outcome": "OK",
        }
