"""open_records: the database of the settings, old files that are moved at the start, and a metric."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from services.common.cache.settings import DatabaseSettings
from services.common.records import OldFolder, Record, RecordKey, open_records
from services.common.settings import ConfigurationError
from services.common.storage import ObjectSpec
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.waiting import eventually, until

KEY = RecordKey("alice", "audio", "one")


def convert(key: RecordKey, data: bytes, written_at: datetime) -> Sequence[Record]:
    """Convert a test file."""
    return [Record(key.owner, key.kind, key.id, written_at, orjson.loads(data)["key"])]


FOLDERS = {"audio": OldFolder("audio", convert)}


def make_settings(folder: Path, mongodb_uri: str = "") -> DatabaseSettings:
    return DatabaseSettings(_env_file=None, state_dir=folder, mongodb_uri=SecretStr(mongodb_uri))


@pytest.fixture(params=["sqlite", "mongo"])
def settings(request: pytest.FixtureRequest, tmp_path: Path, mongo_uri: str) -> DatabaseSettings:
    """Settings of each database; without a MongoDB server, of SQLite twice."""
    return make_settings(tmp_path, mongo_uri if request.param == "mongo" else "")


async def test_two_processes_see_the_same_records(settings: DatabaseSettings) -> None:
    store, record = FakeObjectStore(), Record("alice", "audio", "one", datetime(2026, 11, 5, tzinfo=UTC))
    async with (
        open_records(settings, store, {}, CollectorRegistry()) as first,
        open_records(settings, store, {}, CollectorRegistry()) as second,
    ):
        await first.save(record)
        assert await second.get(KEY) == record


async def test_files_of_earlier_versions_are_moved_at_the_start(settings: DatabaseSettings) -> None:
    store = FakeObjectStore()
    for number in range(3):
        spec = ObjectSpec("application/json", {"owner": "alice"})
        await store.put(f"records/audio/alice/{number}.json", b'{"key": "a"}', spec)
    async with open_records(settings, store, FOLDERS, CollectorRegistry()) as records:
        await until(lambda: not store.keys)
        page = await records.list_page("alice", "audio", page_size=10)
    assert {record.id for record in page.records} == {"0", "1", "2"}


async def test_an_object_store_that_is_down_does_not_stop_the_start(tmp_path: Path) -> None:
    store = FakeObjectStore()
    store.unreadable = True
    async with open_records(make_settings(tmp_path), store, FOLDERS, CollectorRegistry()) as records:
        await records.save(Record("alice", "audio", "one", datetime(2026, 11, 5, tzinfo=UTC)))


async def test_a_database_that_is_down_does_not_stop_the_start_and_is_counted(tmp_path: Path) -> None:
    (tmp_path / "media.sqlite3").write_bytes(b"not a database" * 100)
    registry = CollectorRegistry()

    async def count_waiting() -> float | None:
        return registry.get_sample_value("media_records_waiting")

    async with open_records(make_settings(tmp_path), FakeObjectStore(), {}, registry) as records:
        assert await count_waiting() == 0
        await records.save(Record("alice", "audio", "one", datetime(2026, 11, 5, tzinfo=UTC)))
        assert await eventually(count_waiting) == 1
        (tmp_path / "media.sqlite3").unlink()


async def test_a_wrong_uri_names_its_variable(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, "mongodb://")
    with pytest.raises(ConfigurationError, match="MONGODB_URI"):
        async with open_records(settings, FakeObjectStore(), {}, CollectorRegistry()):
            pass
