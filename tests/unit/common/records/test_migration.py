"""Records of earlier versions: every file becomes a record once, however often and by how many it is moved."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import orjson
import pytest

from services.common.errors import MediaError, Reason
from services.common.records import OldFolder, Record, RecordKey
from services.common.records.migration import MigratingRecords
from services.common.storage import ObjectInfo, ObjectSpec
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.records import FakeRecordStore

KEY = RecordKey("alice", "audio", "one")
PATH = "records/audio/alice/one.json"
LONG_NAME = "auth0|" + "x" * 80


def convert(key: RecordKey, data: bytes, written_at: datetime) -> Sequence[Record]:
    """Convert a test file."""
    return [Record(key.owner, key.kind, key.id, written_at, orjson.loads(data)["key"])]


FOLDERS = {"audio": OldFolder("audio", convert)}


class FailingStore(FakeObjectStore):
    """An object store that fails after some deletions, as if the process had ended."""

    def __init__(self) -> None:
        super().__init__()
        self.deletions_until_failure: int | None = None

    async def delete(self, key: str) -> bool:
        """Delete an object, or fail."""
        if self.deletions_until_failure == 0:
            raise MediaError(Reason.STORAGE_FAILED)
        if self.deletions_until_failure is not None:
            self.deletions_until_failure -= 1
        return await super().delete(key)


@pytest.fixture
def store() -> FailingStore:
    return FailingStore()


@pytest.fixture
def database() -> FakeRecordStore:
    return FakeRecordStore()


@pytest.fixture
def records(database: FakeRecordStore, store: FailingStore) -> MigratingRecords:
    return MigratingRecords(database, store, FOLDERS)


def put_file(store: FakeObjectStore, path: str = PATH, owner: str = "alice", data: bytes = b'{"key": "a"}') -> None:
    # As an earlier version stored it, whose keys had signs that new keys must not have.
    info = ObjectInfo(path, len(data), "application/json", "tag", datetime.now(UTC), {"owner": owner})
    store.objects[path] = info, data


async def test_all_files_are_moved_and_deleted(
    records: MigratingRecords, database: FakeRecordStore, store: FailingStore
) -> None:
    for number in range(250):
        put_file(store, f"records/audio/alice/{number}.json")
    put_file(store, "records/audio/~0123/one.json", LONG_NAME)
    put_file(store, "records/videos/alice/other-service.json")
    put_file(store, "audio/2026/11/one.mp3")
    assert await records.move_all() == 251
    assert store.keys == ["audio/2026/11/one.mp3", "records/videos/alice/other-service.json"]
    assert len(database.records) == 251
    found = await records.get(RecordKey(LONG_NAME, "audio", "one"))
    assert found is not None
    assert found.object_key == "a"
    assert await records.move_all() == 0


async def test_an_interrupted_pass_is_continued(
    records: MigratingRecords, database: FakeRecordStore, store: FailingStore
) -> None:
    for number in range(5):
        put_file(store, f"records/audio/alice/{number}.json")
    store.deletions_until_failure = 2
    with pytest.raises(MediaError):
        await records.move_all()
    # The third is in both places now.
    assert (len(store.keys), len(database.records)) == (3, 3)
    store.deletions_until_failure = None
    assert await records.move_all() == 3
    assert (store.keys, len(database.records)) == ([], 5)


async def test_several_processes_may_move_at_once(database: FakeRecordStore, store: FailingStore) -> None:
    for number in range(20):
        put_file(store, f"records/audio/alice/{number}.json")
    await asyncio.gather(*(MigratingRecords(database, store, FOLDERS).move_all() for _ in range(3)))
    assert (store.keys, len(database.records)) == ([], 20)


async def test_a_file_that_is_not_moved_yet_is_found(
    records: MigratingRecords, database: FakeRecordStore, store: FailingStore
) -> None:
    put_file(store)
    found = await records.get(KEY)
    assert found is not None
    assert (found.owner, found.object_key) == ("alice", "a")
    assert (store.keys, list(database.records)) == ([], [KEY])


async def test_another_owner_does_not_find_the_file(records: MigratingRecords, store: FailingStore) -> None:
    put_file(store)
    for owner in ("bob", "", LONG_NAME):
        assert await records.get(RecordKey(owner, "audio", "one")) is None
    assert store.keys == [PATH]


async def test_a_record_cannot_be_created_while_its_file_exists(
    records: MigratingRecords, database: FakeRecordStore, store: FailingStore
) -> None:
    put_file(store)
    with pytest.raises(MediaError) as caught:
        await records.create(Record("alice", "audio", "one", datetime.now(UTC), "new"))
    assert caught.value.reason is Reason.ALREADY_EXISTS
    assert database.records[KEY].object_key == "a"


async def test_a_record_of_the_database_is_newer_than_its_file(
    records: MigratingRecords, database: FakeRecordStore, store: FailingStore
) -> None:
    newer = Record("alice", "audio", "one", datetime.now(UTC), "new")
    put_file(store)
    await records.replace(newer)
    assert await records.get(KEY) == newer
    await records.move_all()
    assert (store.keys, database.records) == ([], {KEY: newer})


async def test_a_deleted_record_does_not_come_back_from_its_file(
    records: MigratingRecords, database: FakeRecordStore, store: FailingStore
) -> None:
    put_file(store)
    assert await records.delete(KEY)
    assert not await records.delete(KEY)
    assert await records.move_all() == 0
    assert (store.keys, database.records) == ([], {})


@pytest.mark.parametrize("mark", ["~", "="])
async def test_a_file_of_a_caller_with_a_long_name_is_found(
    records: MigratingRecords, store: FailingStore, mark: str
) -> None:
    digest = hashlib.sha256(LONG_NAME.encode()).hexdigest()[:32]
    put_file(store, f"records/audio/{mark}{digest}/one.json", LONG_NAME)
    assert await records.get(RecordKey(LONG_NAME, "audio", "one")) is not None
    assert store.keys == []


@pytest.mark.parametrize("data", [b"not json", b"[]", b"{}", b"\xff"])
async def test_a_file_that_cannot_be_read_stays_and_stops_nothing(
    records: MigratingRecords, store: FailingStore, data: bytes
) -> None:
    put_file(store, data=data)
    put_file(store, "records/audio/alice/two.json")
    assert await records.move_all() == 1
    assert store.keys == [PATH]
    assert await records.get(KEY) is None


async def test_a_file_without_an_owner_is_found_by_its_owner(records: MigratingRecords, store: FailingStore) -> None:
    await store.put(PATH, b'{"key": "a"}', ObjectSpec("application/json"))
    assert await records.move_all() == 0
    assert (await records.get(KEY)) is not None


async def test_an_object_store_that_fails_is_not_a_missing_record(
    records: MigratingRecords, store: FailingStore
) -> None:
    store.unreadable = True
    with pytest.raises(MediaError) as caught:
        await records.get(KEY)
    assert caught.value.reason is Reason.STORAGE_FAILED


async def test_an_id_that_is_no_part_of_a_key_has_no_file(records: MigratingRecords) -> None:
    assert await records.get(RecordKey("alice", "audio", "../../x y")) is None
    await records.create(Record("alice", "audio", "../../x y", datetime.now(UTC)))


async def test_a_kind_without_old_files_does_not_look_for_them(records: MigratingRecords, store: FailingStore) -> None:
    store.unreadable = True
    assert await records.get(RecordKey("alice", "image", "one")) is None


async def test_the_search_for_files_ends_after_two_empty_passes(
    records: MigratingRecords, store: FailingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.common.records.migration._PASS_SECONDS", 0)
    put_file(store)
    await records.run()
    store.unreadable = True
    assert await records.get(RecordKey("alice", "audio", "two")) is None
