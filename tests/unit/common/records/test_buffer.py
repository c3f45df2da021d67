"""BufferedRecords: records of paid work survive a database that is down, slow or full."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.common.errors import MediaError, Reason
from services.common.records import BufferedRecords, BufferOptions, Record
from tests.fakes.records import FakeRecordStore
from tests.fakes.waiting import until

RECORD = Record("alice", "audio", "one", datetime(2026, 11, 5, tzinfo=UTC), "audio/one.mp3", attachment=b"timing")
FAST = BufferOptions(pause_seconds=0.001, longest_pause_seconds=0.001)
PATIENT = BufferOptions(pause_seconds=3600, longest_pause_seconds=3600)


class HeldRecordStore(FakeRecordStore):
    """A store whose writes wait until the test releases them."""

    def __init__(self) -> None:
        super().__init__()
        self.released = asyncio.Event()
        self.is_writing = asyncio.Event()

    async def replace(self, record: Record) -> None:
        """Store a record after the release."""
        self.is_writing.set()
        await self.released.wait()
        await super().replace(record)


@pytest.fixture
def store() -> FakeRecordStore:
    return FakeRecordStore()


async def test_a_saved_record_is_written_before_the_call_returns(store: FakeRecordStore) -> None:
    async with BufferedRecords(store) as records:
        await records.save(RECORD)
        assert (store.records, records.waiting) == ({RECORD.key: RECORD}, 0)


async def test_a_record_waits_while_the_database_is_down_and_can_be_read(store: FakeRecordStore) -> None:
    store.is_down = True
    async with BufferedRecords(store, FAST) as records:
        await records.save(RECORD)
        assert await records.get(RECORD.key) == RECORD
        assert records.waiting == 1
        store.is_down = False
        await until(lambda: records.waiting == 0)
    assert store.records == {RECORD.key: RECORD}


async def test_only_the_newest_version_of_a_waiting_record_is_written(store: FakeRecordStore) -> None:
    store.is_down = True
    newer = replace(RECORD, document={"version": 2})
    async with BufferedRecords(store, PATIENT) as records:
        await records.save(RECORD)
        await records.save(newer)
        assert (records.waiting, await records.get(RECORD.key)) == (1, newer)
        store.is_down = False
    assert store.records == {RECORD.key: newer}


async def test_a_version_that_arrives_during_a_write_is_written_after_it() -> None:
    store = HeldRecordStore()
    newer = replace(RECORD, document={"version": 2})
    async with BufferedRecords(store, FAST) as records:
        first = asyncio.create_task(records.save(RECORD))
        await store.is_writing.wait()
        second = asyncio.create_task(records.save(newer))
        await asyncio.sleep(0)
        store.released.set()
        await asyncio.gather(first, second)
        assert (store.records, records.waiting) == ({RECORD.key: newer}, 0)


async def test_a_slow_database_delays_a_call_for_a_limited_time_only() -> None:
    store = HeldRecordStore()
    async with BufferedRecords(store, replace(FAST, save_seconds=0.01)) as records:
        await records.save(RECORD)
        assert records.waiting == 1
        store.released.set()
    assert store.records == {RECORD.key: RECORD}


async def test_a_cancelled_call_still_writes_its_record() -> None:
    store = HeldRecordStore()
    async with BufferedRecords(store, FAST) as records:
        saving = asyncio.create_task(records.save(RECORD))
        await store.is_writing.wait()
        saving.cancel()
        assert (await asyncio.gather(saving, return_exceptions=True))[0].__class__ is asyncio.CancelledError
        store.released.set()
    assert store.records == {RECORD.key: RECORD}


async def test_a_waiting_record_can_be_deleted(store: FakeRecordStore) -> None:
    async with BufferedRecords(store, PATIENT) as records:
        store.is_down = True
        await records.save(RECORD)
        store.is_down = False
        assert await records.delete(RECORD.key)
        assert not await records.delete(RECORD.key)
        assert await records.get(RECORD.key) is None
    assert store.records == {}


async def test_a_record_that_is_deleted_while_it_is_written_does_not_come_back() -> None:
    store = HeldRecordStore()
    async with BufferedRecords(store, FAST) as records:
        saving = asyncio.create_task(records.save(RECORD))
        await store.is_writing.wait()
        deleting = asyncio.create_task(records.delete(RECORD.key))
        await asyncio.sleep(0)
        store.released.set()
        await asyncio.gather(saving, deleting)
    assert store.records == {}


async def test_new_work_is_refused_when_too_many_records_wait(store: FakeRecordStore) -> None:
    async with BufferedRecords(store, replace(PATIENT, max_waiting=2)) as records:
        store.is_down = True
        for name in ("one", "two"):
            records.check_room()
            await records.save(replace(RECORD, id=name))
        with pytest.raises(MediaError) as caught:
            records.check_room()
        assert caught.value.reason is Reason.UNAVAILABLE
        # Work that was accepted before may exceed the bound: it is lost and does not fail.
        await records.save(replace(RECORD, id="three"))
        assert records.waiting == 2
        store.is_down = False
    assert [record_id for _, _, record_id in store.keys] == ["one", "two"]


async def test_the_last_attempt_is_made_at_the_end(store: FakeRecordStore) -> None:
    async with BufferedRecords(store, PATIENT) as records:
        store.is_down = True
        await records.save(RECORD)
        await records.save(replace(RECORD, id="two"))
        store.is_down = False
    assert len(store.records) == 2


async def test_a_database_that_hangs_does_not_stop_the_end() -> None:
    store = HeldRecordStore()
    async with BufferedRecords(store, replace(FAST, save_seconds=0.001, close_seconds=0.01)) as records:
        await records.save(RECORD)
    assert records.waiting == 1


async def test_an_attachment_that_is_too_large_is_dropped_and_the_record_is_written(store: FakeRecordStore) -> None:
    async with BufferedRecords(store, FAST) as records:
        await records.save(replace(RECORD, attachment=bytes(65 * 1024 * 1024)))
        await until(lambda: records.waiting == 0)
    assert store.records == {RECORD.key: replace(RECORD, attachment=b"")}


async def test_a_created_record_is_written_at_once_or_not_at_all(store: FakeRecordStore) -> None:
    async with BufferedRecords(store, FAST) as records:
        store.is_down = True
        with pytest.raises(MediaError) as caught:
            await records.create(RECORD)
        assert (caught.value.reason, records.waiting) == (Reason.UNAVAILABLE, 0)
