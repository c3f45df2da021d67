"""The MongoDB store: its documents and indexes, and unreachable, silent or incompatible servers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.monitoring import CommandListener

from services.common.cache.interface import Collection, StoreError
from services.common.cache.mongo import ClientFactory, open_mongo_database, open_mongo_store
from services.common.settings import ConfigurationError
from tests.conftest import LogLines
from tests.fakes.clocks import Clocks
from tests.unit.common.cache.backends import DRIVERS, MONGO_URI, MongoBackend
from tests.unit.common.cache.conftest import FIELDS, NOON, make_entry

SPEECH = Collection()

in_both_drivers = pytest.mark.parametrize("driver", DRIVERS.values(), ids=list(DRIVERS))


async def collect_failures(port: int, driver: ClientFactory) -> set[str]:
    """Return the causes of the failures of every operation at a server that does not answer."""
    uri = f"mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=50"
    async with open_mongo_store(uri, SPEECH, driver) as store:
        attempts = (store.get("a"), store.put(make_entry()), store.delete("a"), store.purge_expired())
        errors = await asyncio.gather(*attempts, return_exceptions=True)
    assert {type(error) for error in errors} == {StoreError}
    return {str(error) for error in errors}


async def test_an_unreachable_server_is_an_error() -> None:
    # Only with Motor: PyMongo's own client leaks a socket if it is closed while it connects.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert await collect_failures(taken.getsockname()[1], DRIVERS["motor"]) == {"ServerSelectionTimeoutError"}


@in_both_drivers
async def test_a_silent_server_is_an_error(driver: ClientFactory) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert await collect_failures(silent.getsockname()[1], driver) == {"ServerSelectionTimeoutError"}


@in_both_drivers
async def test_an_invalid_connection_string_names_the_variable_and_no_password(driver: ClientFactory) -> None:
    for uri in ("mongodb://", "mongodb://user:p@ss:word@host/"):
        with pytest.raises(ConfigurationError, match=r"^MONGODB_URI: ") as raised:
            async with open_mongo_store(uri, SPEECH, driver):
                raise AssertionError("it was accepted")
        assert "word" not in str(raised.value)


async def test_timeouts_are_short_unless_the_connection_string_sets_them() -> None:
    created: list[dict[str, Any]] = []

    def create_client(uri: str, **options: Any) -> Any:
        created.append(options)
        return DRIVERS["motor"](uri, **options)

    for uri in ("mongodb://127.0.0.1:1/", "mongodb://127.0.0.1:1/?SocketTimeoutMS=9000"):
        async with open_mongo_database(uri, create_client) as database:
            assert database.name == "media"
    assert created[0]["serverSelectionTimeoutMS"] <= 1000
    assert set(created[0]) - set(created[1]) == {"socketTimeoutMS"}


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

    @property
    def indexes(self) -> list[dict[str, Any]]:
        """The indexes that the commands create."""
        return [dict(index) for command in self.commands for index in command.get("indexes", [])]


if MONGO_URI:

    @pytest.fixture(params=DRIVERS.values(), ids=list(DRIVERS))
    def backend(request: pytest.FixtureRequest) -> Iterator[MongoBackend]:
        opened = MongoBackend(request.param)
        yield opened
        opened.drop()

    def read_document(backend: MongoBackend) -> dict[str, Any]:
        with MongoClient[dict[str, Any]](backend.uri, tz_aware=True) as client:
            (document,) = client.get_default_database()["TTSCache"].find()
            return document

    async def test_a_document_has_the_agreed_fields(backend: MongoBackend) -> None:
        async with open_mongo_store(backend.uri, SPEECH, backend.client_factory) as store:
            await store.put(make_entry())
        document = read_document(backend)
        assert document.pop("_id") is not None
        assert bytes(document.pop("audioData")) == make_entry().data
        assert len(document.pop("dataSha256")) == 64
        assert document == {
            "cacheKey": "a" * 64,
            "audioUrl": None,
            **FIELDS,
            "createdAt": NOON,
            "expiresAt": NOON + timedelta(seconds=60),
        }

    @pytest.mark.parametrize("first", ["put", "purge"])
    async def test_both_indexes_are_created_once(backend: MongoBackend, log_lines: LogLines, first: str) -> None:
        commands = RecordedCommands()

        def create_client(uri: str, **options: Any) -> Any:
            return backend.client_factory(uri, event_listeners=[commands], **options)

        async with open_mongo_store(backend.uri, SPEECH, create_client) as store:
            await (store.put(make_entry()) if first == "put" else store.purge_expired())
            await asyncio.gather(*(store.put(make_entry(str(number))) for number in range(5)))
            await store.purge_expired()
        assert [dict(index["key"]) for index in commands.indexes] == [{"cacheKey": 1}, {"expiresAt": 1}]
        assert commands.indexes[0]["unique"] is True
        assert commands.indexes[1]["expireAfterSeconds"] == 0
        refused = [line for line in log_lines() if line["event"].startswith("the server refuses an index")]
        assert len(refused) <= 1

    async def test_a_refused_index_is_logged(backend: MongoBackend, log_lines: LogLines) -> None:
        with MongoClient[dict[str, Any]](backend.uri) as client:
            client.get_default_database()["TTSCache"].insert_many([{"cacheKey": "twice"}, {"cacheKey": "twice"}])
        async with open_mongo_store(backend.uri, SPEECH, backend.client_factory) as store:
            for _ in range(2):
                await store.put(make_entry())
            assert await store.get("a" * 64) == make_entry()
        refused = [line["index"] for line in log_lines() if line["event"].startswith("the server refuses an index")]
        assert refused.count("cacheKey") == 1

    async def test_an_entry_that_no_document_can_hold_is_skipped(backend: MongoBackend, log_lines: LogLines) -> None:
        generous = Collection(max_entry_bytes=32 * 1024 * 1024)
        async with open_mongo_store(backend.uri, generous, backend.client_factory) as store:
            await store.put(make_entry("large", bytes(17_000_000)))
            await store.put(make_entry("number", n=2**64))
            await store.put(make_entry("surrogate", text="\ud800"))
            await store.put(make_entry("object", thing=object()))
            assert [await store.get(key) for key in ("large", "number", "surrogate", "object")] == [None] * 4
        assert sum(line["event"] == "a result is not stored" for line in log_lines()) == 4

    @pytest.mark.parametrize(
        "changes",
        [{"audioData": "text"}, {"audioData": None}, {"dataSha256": 7}, {"expiresAt": None}, {"createdAt": "noon"}],
        ids=lambda changes: next(iter(changes)),
    )
    async def test_a_corrupt_document_is_deleted(
        backend: MongoBackend, clocks: Clocks, changes: dict[str, object]
    ) -> None:
        async with open_mongo_store(backend.uri, SPEECH, backend.client_factory, now=clocks.steady().now) as store:
            await store.put(make_entry())
            backend.set(SPEECH, "a" * 64, changes)
            assert await store.get("a" * 64) is None
            assert store.corrupt_entries == 1
            await store.put(make_entry())
            assert await store.get("a" * 64) == make_entry()
