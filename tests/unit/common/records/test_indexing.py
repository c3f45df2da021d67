"""ObjectIndex: objects of earlier versions get a record once; a restart continues where the last process ended."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from services.common.errors import MediaError, Reason
from services.common.records import Record, RecordKey
from services.common.records.indexing import ObjectIndex
from services.common.storage import ObjectInfo, ObjectPage, ObjectSpec
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.records import FakeRecordStore, build_records


class CountingStore(FakeObjectStore):
    """A store that counts the pages that were read, and fails after some."""

    def __init__(self) -> None:
        super().__init__()
        self.pages = 0
        self.pages_until_failure = 1000

    async def list(self, prefix: str, *, page_size: int = 100, page_token: str = "") -> ObjectPage:
        """Return a page, or fail."""
        if self.pages == self.pages_until_failure:
            raise MediaError(Reason.STORAGE_FAILED)
        self.pages += 1
        return await super().list(prefix, page_size=page_size, page_token=page_token)


async def describe(info: ObjectInfo) -> Record | None:
    """Describe an image."""
    if info.content_type != "image/png":
        return None
    return Record(info.metadata["owner"], "image", info.key, info.modified_at, info.key)


async def put(store: FakeObjectStore, key: str, content_type: str = "image/png") -> None:
    await store.put(key, b"x", ObjectSpec(content_type, {"owner": "alice"}))


def build_index(database: FakeRecordStore, store: FakeObjectStore) -> ObjectIndex:
    return ObjectIndex(build_records(database), store, "image", ("images/", "users/"), describe)


def list_images(database: FakeRecordStore) -> list[str]:
    return sorted(key.id for key in database.records if key.kind == "image")


async def test_objects_of_all_prefixes_get_a_record_once() -> None:
    store, database = CountingStore(), FakeRecordStore()
    keys = [f"images/{number:03}.png" for number in range(150)] + ["users/alice/a.png"]
    for key in keys:
        await put(store, key)
    await put(store, "users/alice/a.mp4", "video/mp4")
    await put(store, "audio/b.png")
    await build_index(database, store).index_all()
    assert list_images(database) == keys
    pages = store.pages
    await build_index(database, store).index_all()
    assert store.pages == pages


async def test_an_existing_record_is_kept() -> None:
    store, database = CountingStore(), FakeRecordStore()
    await put(store, "images/a.png")
    record = Record("alice", "image", "images/a.png", datetime(2026, 11, 5, tzinfo=UTC), "images/a.png", {"a": 1})
    await database.create(record)
    await build_index(database, store).index_all()
    assert database.records[record.key] == record


async def test_a_restart_continues_where_the_last_process_ended() -> None:
    store, database = CountingStore(), FakeRecordStore()
    for number in range(250):
        await put(store, f"images/{number:03}.png")
    store.pages_until_failure = 2
    with pytest.raises(MediaError):
        await build_index(database, store).index_all()
    assert len(list_images(database)) == 200
    store.pages_until_failure = 1000
    await build_index(database, store).index_all()
    # The third page of images, and the one of users.
    assert (len(list_images(database)), store.pages) == (250, 4)


async def test_several_processes_may_index_at_once() -> None:
    store, database = CountingStore(), FakeRecordStore()
    for number in range(50):
        await put(store, f"images/{number:03}.png")
    await asyncio.gather(*(build_index(database, store).index_all() for _ in range(3)))
    assert len(list_images(database)) == 50
    assert RecordKey("", "index", "image") in database.records
