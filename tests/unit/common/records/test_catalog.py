"""Catalog: a record describes an object that exists, and URLs keep the order of their keys."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.common.errors import MediaError, Reason
from services.common.records import Record
from services.common.records.catalog import DEFAULT_PAGE_SIZE, Catalog
from services.common.storage import ObjectSpec
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.records import FakeRecordStore, build_records

RECORD = Record("alice", "image", "images/a.png", datetime(2026, 11, 5, tzinfo=UTC), "images/a.png")


@pytest.fixture
def store() -> FakeObjectStore:
    return FakeObjectStore()


@pytest.fixture
def database() -> FakeRecordStore:
    return FakeRecordStore()


@pytest.fixture
def catalog(store: FakeObjectStore, database: FakeRecordStore) -> Catalog:
    return Catalog("image", build_records(database), store)


async def test_a_record_is_found_while_its_object_exists(
    catalog: Catalog, store: FakeObjectStore, database: FakeRecordStore
) -> None:
    await store.put(RECORD.object_key, b"x", ObjectSpec("image/png"))
    await catalog.records.save(RECORD)
    assert await catalog.find("alice", RECORD.id) == RECORD
    assert await catalog.find("bob", RECORD.id) is None
    await store.delete(RECORD.object_key)
    assert await catalog.find("alice", RECORD.id) is None
    assert database.records == {}


async def test_a_store_that_fails_does_not_delete_records(
    catalog: Catalog, store: FakeObjectStore, database: FakeRecordStore
) -> None:
    await catalog.records.save(RECORD)
    store.unreadable = True
    with pytest.raises(MediaError) as caught:
        await catalog.find("alice", RECORD.id)
    assert caught.value.reason is Reason.STORAGE_FAILED
    assert len(database.records) == 1


async def test_the_default_page_is_bounded(catalog: Catalog) -> None:
    for number in range(DEFAULT_PAGE_SIZE + 1):
        await catalog.records.save(Record("alice", "image", str(number), RECORD.created_at))
    assert len((await catalog.list_page("alice", 0, "")).records) == DEFAULT_PAGE_SIZE


async def test_urls_are_in_the_order_of_their_keys(catalog: Catalog) -> None:
    keys = [f"images/{number}.png" for number in range(20)]
    assert [item.url for item in await catalog.build_urls(keys)] == [f"https://store.example/{key}" for key in keys]


async def test_an_error_of_the_store_is_raised_as_it_is(catalog: Catalog) -> None:
    with pytest.raises(MediaError) as caught:
        await catalog.build_urls(["a", "not a key", "b"])
    assert caught.value.reason is Reason.VALIDATION_ERROR
