"""The contract of the record stores: one creator wins, records are complete, and lists are newest first."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.common.errors import MediaError, Reason
from services.common.records import Record, RecordKey, RecordPage, RecordStore
from services.common.records.interface import MAX_ATTACHMENT_BYTES, MAX_DOCUMENT_BYTES, pack, unpack
from tests.fakes.records import FakeRecordStore
from tests.unit.common.records.conftest import Open

AT = datetime(2026, 11, 5, 12, 30, 15, 250_000, tzinfo=UTC)
RECORD = Record("alice", "audio", "one", AT, "audio/2026/11/one.mp3", {"metadata": {"a.b$": "x"}}, b"timing")
# Seeds of images have 64 bits without a sign, which BSON has not.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
    lambda item: st.lists(item, max_size=3) | st.dictionaries(st.text(), item, max_size=3),
    max_leaves=8,
)
RECORDS = st.builds(
    Record,
    owner=st.text(max_size=80),
    kind=st.sampled_from(("audio", "image")),
    id=st.text(min_size=1, max_size=80),
    created_at=st.integers(0, 4_102_444_800_000).map(lambda ms: AT.replace(microsecond=0) + timedelta(milliseconds=ms)),
    object_key=st.text(max_size=40),
    document=st.dictionaries(st.text(), JSON, max_size=3),
    attachment=st.binary(max_size=200),
)


@pytest.fixture(params=["database", "fake"])
def any_store(request: pytest.FixtureRequest, store: RecordStore) -> RecordStore:
    """Return a real store, or the fake that the other tests use: it must behave the same."""
    return store if request.param == "database" else FakeRecordStore()


async def list_ids(store: RecordStore, page: RecordPage | None = None, page_size: int = 2) -> list[str]:
    """Return the ids of all pages of alice's audio."""
    found: list[str] = []
    token = ""
    while True:
        page = await store.list_page("alice", "audio", page_size=page_size, page_token=token)
        assert len(page.records) <= page_size
        found += [record.id for record in page.records]
        token = page.next_page_token
        if not token:
            return found


async def catch_reason(store: RecordStore, token: str) -> Reason:
    with pytest.raises(MediaError) as caught:
        await store.list_page("alice", "audio", page_size=2, page_token=token)
    return caught.value.reason


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(record=RECORDS)
async def test_a_record_is_read_as_it_was_written(store: RecordStore, record: Record) -> None:
    await store.replace(record)
    assert await store.get(record.key) == record


async def test_the_first_creator_wins(any_store: RecordStore) -> None:
    await any_store.create(RECORD)
    with pytest.raises(MediaError) as caught:
        await any_store.create(replace(RECORD, document={}))
    assert caught.value.reason is Reason.ALREADY_EXISTS
    assert await any_store.get(RECORD.key) == RECORD


async def test_one_of_several_creators_at_once_wins(open_store: Open) -> None:
    async with open_store() as first, open_store() as second:
        records = [replace(RECORD, document={"creator": number}) for number in range(8)]
        results = await asyncio.gather(
            *((first, second)[number % 2].create(record) for number, record in enumerate(records)),
            return_exceptions=True,
        )
        winners = [number for number, result in enumerate(results) if result is None]
        losers = [result.reason for result in results if isinstance(result, MediaError)]
        found = await first.get(RECORD.key)
    assert len(winners) == 1
    assert losers == [Reason.ALREADY_EXISTS] * 7
    assert found == records[winners[0]]


async def test_a_replaced_record_is_new_in_all_fields(any_store: RecordStore) -> None:
    newer = replace(RECORD, created_at=AT + timedelta(hours=1), object_key="b", document={"b": [1.5]}, attachment=b"")
    await any_store.replace(RECORD)
    await any_store.replace(newer)
    assert await any_store.get(RECORD.key) == newer
    assert await list_ids(any_store) == ["one"]


async def test_a_record_is_deleted_once(any_store: RecordStore) -> None:
    await any_store.create(RECORD)
    assert await any_store.delete(RECORD.key)
    assert not await any_store.delete(RECORD.key)
    assert await any_store.get(RECORD.key) is None
    await any_store.create(RECORD)


@pytest.mark.parametrize(
    "key", [RecordKey("bob", "audio", "one"), RecordKey("", "audio", "one"), RecordKey("alice", "image", "one")]
)
async def test_owner_and_kind_separate_records(any_store: RecordStore, key: RecordKey) -> None:
    await any_store.create(RECORD)
    assert await any_store.get(key) is None
    assert not await any_store.delete(key)
    assert (await any_store.list_page(key.owner, key.kind, page_size=10)).records == ()
    await any_store.create(replace(RECORD, owner=key.owner, kind=key.kind))
    assert await any_store.get(RECORD.key) == RECORD


async def test_lists_are_newest_first_and_page_by_page_complete(any_store: RecordStore) -> None:
    for number in (3, 0, 6, 1, 5, 2, 4):
        await any_store.create(replace(RECORD, id=str(number), created_at=AT + timedelta(seconds=number)))
    assert await list_ids(any_store) == ["6", "5", "4", "3", "2", "1", "0"]
    assert await list_ids(any_store, page_size=7) == ["6", "5", "4", "3", "2", "1", "0"]


async def test_records_of_the_same_time_are_listed_once_each(any_store: RecordStore) -> None:
    for number in range(5):
        await any_store.create(replace(RECORD, id=str(number)))
    assert sorted(await list_ids(any_store)) == ["0", "1", "2", "3", "4"]


async def test_a_page_continues_where_the_last_ended_while_records_come_and_go(any_store: RecordStore) -> None:
    for number in range(4):
        await any_store.create(replace(RECORD, id=str(number), created_at=AT + timedelta(seconds=number)))
    first = await any_store.list_page("alice", "audio", page_size=2)
    await any_store.create(replace(RECORD, id="new", created_at=AT + timedelta(days=1)))
    await any_store.delete(replace(RECORD, id="2").key)
    second = await any_store.list_page("alice", "audio", page_size=2, page_token=first.next_page_token)
    assert [record.id for record in (*first.records, *second.records)] == ["3", "2", "1", "0"]


async def test_lists_leave_attachments_out(any_store: RecordStore) -> None:
    await any_store.create(RECORD)
    assert (await any_store.list_page("alice", "audio", page_size=1)).records == (replace(RECORD, attachment=b""),)


@pytest.mark.parametrize("token", ["x", "é", "YXVkaW86", "aW1hZ2U6MDAwMDAxNzY0MzM5NDE1LTAwMDAwMDAwMDAwMDAwMDA", "=="])
async def test_a_token_of_another_list_is_refused(any_store: RecordStore, token: str) -> None:
    assert await catch_reason(any_store, token) is Reason.VALIDATION_ERROR


async def test_the_timing_of_a_long_speech_fits(store: RecordStore) -> None:
    times = [number / 1000 for number in range(100_000)]
    timing = orjson.dumps({"characters": ["界"] * len(times), "starts": times, "ends": times})
    await store.create(replace(RECORD, attachment=timing))
    found = await store.get(RECORD.key)
    assert found is not None
    assert found.attachment == timing


@pytest.mark.parametrize(
    "record",
    [
        replace(RECORD, document={"a": "x" * MAX_DOCUMENT_BYTES}),
        replace(RECORD, attachment=bytes(MAX_ATTACHMENT_BYTES + 1)),
        replace(RECORD, attachment=hashlib.shake_256(b"noise").digest(15 * 1024 * 1024)),
    ],
    ids=["document", "attachment", "attachment that cannot be compressed"],
)
async def test_a_record_that_is_too_large_is_refused(any_store: RecordStore, record: Record) -> None:
    with pytest.raises(MediaError) as caught:
        await any_store.create(record)
    assert caught.value.reason is Reason.OUTPUT_TOO_LARGE
    assert await any_store.get(RECORD.key) is None


@given(st.binary(max_size=2000))
def test_packing_is_reversible(data: bytes) -> None:
    assert unpack(pack(data)) == data


async def test_records_outlive_the_process(open_store: Open) -> None:
    async with open_store() as opened:
        await opened.create(RECORD)
    async with open_store() as opened:
        assert await opened.get(RECORD.key) == RECORD
