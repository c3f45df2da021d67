"""GenerationRecords: records and intents belong to their owner, and the first intent wins."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import MediaError, Reason
from services.common.records import Record, RecordKey
from services.video.probe import MediaFile, StreamInfo
from services.video.records import OLD_FOLDERS, GenerationRecord, GenerationRecords, Intent
from services.video.video_store import Destination, StoredVideo
from tests.fakes.records import FakeRecordStore, build_records
from tests.fakes.waiting import until

STREAMS = (
    StreamInfo("video", "h264", 6.041667, 1364, 768, 24_000 / 1001, packets=145),
    StreamInfo("audio", "aac", 5.9, sample_rate_hz=44_100, channels=2, packets=254),
    StreamInfo("subtitle", "mov_text", 5.0, packets=3),
)
VIDEO = StoredVideo("videos/2026/11/one.mp4", "ab" * 32, MediaFile("mp4", 123_456, STREAMS))
RECORD = GenerationRecord(
    "p-1", "replicate", "minimax/hailuo-02", "a cat", 6, "768p", Destination("users/alice/cat.mp4", True)
)
AT = datetime(2026, 11, 5, 12, 30, 15, 250_000, tzinfo=UTC)
INTENT = Intent("ab" * 32, AT)
PLACES = st.builds(Destination, st.text(), st.booleans())
RECORDS = st.builds(
    GenerationRecord,
    prediction_id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", fullmatch=True),
    provider=st.text(),
    model=st.text(),
    prompt=st.text(),
    seconds=st.integers(0, 60),
    resolution=st.text(),
    destination=PLACES,
    video=st.sampled_from((None, VIDEO, StoredVideo("videos/x.mp4", "", MediaFile("mp4", 0, ())))),
)


class VanishingRecords(FakeRecordStore):
    """A store with a record that vanishes before the writer can read it."""

    async def create(self, record: Record) -> None:
        """Store a record, or reject it and remove the existing one."""
        try:
            await super().create(record)
        except MediaError:
            await self.delete(record.key)
            raise


@pytest.fixture
def store() -> FakeRecordStore:
    return FakeRecordStore()


@pytest.fixture
def records(store: FakeRecordStore) -> GenerationRecords:
    return GenerationRecords(build_records(store))


async def catch_reason(records: GenerationRecords, prediction_id: str, principal: str) -> Reason:
    with pytest.raises(MediaError) as caught:
        await records.find(prediction_id, principal)
    return caught.value.reason


@given(RECORDS, st.sampled_from(("alice", "", "someone with/a long name")))
async def test_a_record_is_read_as_it_was_written(record: GenerationRecord, principal: str) -> None:
    records = GenerationRecords(build_records())
    await records.write(record, principal)
    assert await records.find(record.prediction_id, principal) == record


async def test_a_record_replaces_an_earlier_one(records: GenerationRecords, store: FakeRecordStore) -> None:
    await records.write(RECORD, "alice")
    await records.write(replace(RECORD, video=VIDEO), "alice")
    assert (await records.find("p-1", "alice")).video == VIDEO
    assert store.keys == [("alice", "video-generation", "p-1")]


async def test_a_record_contains_a_key_and_no_url(records: GenerationRecords, store: FakeRecordStore) -> None:
    await records.write(replace(RECORD, video=VIDEO), "alice")
    (record,) = store.records.values()
    assert record.object_key == VIDEO.key
    assert b"http" not in orjson.dumps(record.document)


async def test_another_principal_does_not_find_the_record(records: GenerationRecords) -> None:
    await records.write(RECORD, "alice")
    assert await catch_reason(records, "p-1", "bob") is Reason.NOT_FOUND
    assert await catch_reason(records, "p-1", "") is Reason.NOT_FOUND
    assert await catch_reason(records, "p-2", "alice") is Reason.NOT_FOUND


async def test_an_unreadable_store_is_an_error(records: GenerationRecords, store: FakeRecordStore) -> None:
    await records.write(RECORD, "alice")
    store.is_down = True
    assert await catch_reason(records, "p-1", "alice") is Reason.UNAVAILABLE


async def test_the_first_intent_wins_and_the_second_gets_it(records: GenerationRecords) -> None:
    assert await records.add_intent("order-1", "alice", INTENT) is None
    second = Intent("cd" * 32, AT + timedelta(seconds=5))
    assert await records.add_intent("order-1", "alice", second) == INTENT
    assert await records.add_intent("order-1", "alice", second) == INTENT


async def test_the_same_request_id_of_another_principal_is_independent(records: GenerationRecords) -> None:
    assert await records.add_intent("order-1", "alice", INTENT) is None
    assert await records.add_intent("order-1", "bob", INTENT) is None
    assert await records.add_intent("order-2", "alice", INTENT) is None


async def test_a_bound_intent_returns_its_prediction_id(records: GenerationRecords) -> None:
    await records.add_intent("order-1", "alice", INTENT)
    await records.bind_intent("order-1", "alice", INTENT, "p-1")
    assert await records.add_intent("order-1", "alice", INTENT) == replace(INTENT, prediction_id="p-1")


async def test_a_withdrawn_intent_can_be_added_again(records: GenerationRecords, store: FakeRecordStore) -> None:
    await records.add_intent("order-1", "alice", INTENT)
    await records.withdraw_intent("order-1", "alice")
    await records.withdraw_intent("order-1", "alice")
    assert not store.keys
    assert await records.add_intent("order-1", "alice", INTENT) is None


async def test_an_intent_that_vanishes_before_it_is_read_is_written_again() -> None:
    records = GenerationRecords(build_records(VanishingRecords()))
    await records.add_intent("order-1", "alice", Intent("cd" * 32, AT))
    assert await records.add_intent("order-1", "alice", INTENT) is None
    assert await records.find_intent("order-1", "alice") == INTENT


async def test_times_are_stored_in_utc(records: GenerationRecords) -> None:
    await records.add_intent("order-1", "alice", Intent("", AT.astimezone(timezone(timedelta(hours=5, minutes=30)))))
    found = await records.add_intent("order-1", "alice", INTENT)
    assert found is not None
    assert (found.at, found.at.tzinfo) == (AT, UTC)


async def test_a_failing_store_is_an_error_and_has_no_intent(
    records: GenerationRecords, store: FakeRecordStore
) -> None:
    store.is_down = True
    with pytest.raises(MediaError) as caught:
        await records.add_intent("order-1", "alice", INTENT)
    assert caught.value.reason is Reason.UNAVAILABLE
    store.is_down = False
    assert await records.add_intent("order-1", "alice", INTENT) is None


async def test_a_record_and_an_intent_may_have_the_same_id(records: GenerationRecords) -> None:
    await records.write(replace(RECORD, prediction_id="same"), "alice")
    assert await records.add_intent("same", "alice", INTENT) is None
    assert (await records.find("same", "alice")).provider == "replicate"


async def test_an_intent_is_found_by_its_request_id(records: GenerationRecords) -> None:
    assert await records.find_intent("order-1", "alice") is None
    await records.add_intent("order-1", "alice", INTENT)
    assert await records.find_intent("order-1", "alice") == INTENT
    await records.bind_intent("order-1", "alice", INTENT, "p-1")
    assert await records.find_intent("order-1", "alice") == replace(INTENT, prediction_id="p-1")
    await records.withdraw_intent("order-1", "alice")
    assert await records.find_intent("order-1", "alice") is None


async def test_another_principal_does_not_find_the_intent(records: GenerationRecords) -> None:
    await records.add_intent("order-1", "alice", INTENT)
    await records.write(replace(RECORD, prediction_id="order-2"), "alice")
    for name, principal in (("order-1", "bob"), ("order-1", ""), ("order-2", "alice")):
        assert await records.find_intent(name, principal) is None


async def test_an_unreadable_store_is_not_a_missing_intent(records: GenerationRecords, store: FakeRecordStore) -> None:
    await records.add_intent("order-1", "alice", INTENT)
    store.is_down = True
    with pytest.raises(MediaError) as caught:
        await records.find_intent("order-1", "alice")
    assert caught.value.reason is Reason.UNAVAILABLE


async def test_a_paid_generation_is_found_while_the_database_is_down(
    records: GenerationRecords, store: FakeRecordStore
) -> None:
    await records.add_intent("order-1", "alice", INTENT)
    store.is_down = True
    await records.write(RECORD, "alice")
    await records.bind_intent("order-1", "alice", INTENT, "p-1")
    assert await records.find("p-1", "alice") == RECORD
    store.is_down = False
    await until(lambda: ("alice", "video-generation", "p-1") in store.keys)
    assert await records.add_intent("order-1", "alice", INTENT) == replace(INTENT, prediction_id="p-1")


async def test_a_record_of_an_earlier_version_becomes_a_generation_and_a_video() -> None:
    data = b"""{"predictionId": "p-1", "provider": "replicate", "model": "minimax/hailuo-02", "prompt": "a cat",
        "seconds": 6,
        "resolution": "768p", "objectKey": "users/alice/cat.mp4", "overwrite": true, "video": {"key": "videos/a.mp4",
        "sha256": "ab", "media": {"container": "mp4", "sizeBytes": 3, "streams": []}}}"""
    key = RecordKey("alice", "video-generation", "p-1")
    generation, video = OLD_FOLDERS[key.kind].convert(key, data, AT)
    assert (generation.key, generation.created_at) == (key, AT)
    assert (video.key, video.object_key) == (RecordKey("alice", "video", "videos/a.mp4"), "videos/a.mp4")
    store = FakeRecordStore()
    for record in (generation, video):
        await store.create(record)
    found = await GenerationRecords(build_records(store)).find("p-1", "alice")
    assert found == replace(RECORD, video=StoredVideo("videos/a.mp4", "ab", MediaFile("mp4", 3, ())))


async def test_an_intent_of_an_earlier_version_keeps_its_prediction() -> None:
    data = b'{"fingerprint": "f", "at": "2026-11-05T12:30:15.250000+00:00", "predictionId": "p-1"}'
    key = RecordKey("alice", "video-request", "order-1")
    store = FakeRecordStore()
    for record in OLD_FOLDERS[key.kind].convert(key, data, AT):
        await store.create(record)
    found = await GenerationRecords(build_records(store)).find_intent("order-1", "alice")
    assert found == Intent("f", AT, "p-1")
