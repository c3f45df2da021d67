"""Stored speech: complete with its record or not at all, and readable by its owner only."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import grpc
import orjson
import pytest
from media.tts.v1 import tts_pb2, tts_pb2_grpc

from services.common.errors import MediaError, Reason
from services.common.records import RecordKey
from services.common.rpc.channel import call_metadata, open_stream
from services.common.rpc.status import from_rpc_error
from services.common.timing.alignment import Alignment
from services.tts.audio_store import OLD_FOLDERS
from services.tts.providers.interface import AudioChunk
from tests.fakes.object_store import EXPIRES, FakeObjectStore
from tests.fakes.records import FakeRecordStore
from tests.fakes.speech import FakeSpeechProvider
from tests.fakes.speech_service import build_servicer, serve_speech
from tests.fakes.waiting import until

CHUNKS = (
    AudioChunk(bytes(800), Alignment(("H",), (0.0,), (0.05,))),
    AudioChunk(b"\x01" * 800, Alignment(("i",), (0.05,), (0.1,))),
)
AUDIO = b"".join(chunk.audio for chunk in CHUNKS)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Suite:
    """A client of the service and its store."""

    def __init__(
        self, stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub, store: FakeObjectStore, records: FakeRecordStore
    ) -> None:
        self.stub = stub
        self.store = store
        self.records = records

    async def synthesize(
        self, principal: str = "alice", *, include_alignment: bool = False
    ) -> tts_pb2.SynthesizeResponse:
        request = tts_pb2.SynthesizeRequest(
            text="Hi", output_format="pcm_8000", store=True, include_alignment=include_alignment
        )
        return await self.stub.Synthesize(request, metadata=call_metadata(principal))

    async def find(self, audio_id: str, principal: str = "alice") -> tts_pb2.StoredAudio:
        request = tts_pb2.GetStoredAudioRequest(id=audio_id)
        return (await self.stub.GetStoredAudio(request, metadata=call_metadata(principal))).stored_audio

    async def delete(self, audio_id: str, principal: str = "alice") -> None:
        request = tts_pb2.DeleteStoredAudioRequest(id=audio_id)
        await self.stub.DeleteStoredAudio(request, metadata=call_metadata(principal))


@asynccontextmanager
async def build_suite(provider: FakeSpeechProvider, max_unary_bytes: int = 10_000) -> AsyncIterator[Suite]:
    store, records = FakeObjectStore(), FakeRecordStore()
    servicer = build_servicer(provider, store=store, records=records, max_unary_bytes=max_unary_bytes)
    async with serve_speech(servicer) as running:
        yield Suite(tts_pb2_grpc.TextToSpeechServiceStub(running.channel), store, records)


@pytest.fixture
async def suite() -> AsyncIterator[Suite]:
    async with build_suite(FakeSpeechProvider(*CHUNKS)) as running:
        yield running


async def get_reason(call: Awaitable[object]) -> Reason:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value).reason


async def test_stored_audio_is_found_by_its_id_with_its_timing(suite: Suite) -> None:
    reply = await suite.synthesize()
    stored = reply.done.stored_audio
    assert UUID.fullmatch(stored.id)
    assert reply.header.stored_audio_id == stored.id
    assert re.fullmatch(rf"audio/\d{{4}}/\d\d/{stored.id}\.pcm", stored.key)
    assert (suite.store.keys, suite.records.keys) == ([stored.key], [("alice", "audio", stored.id)])
    info, audio = suite.store.objects[stored.key]
    assert (audio, info.content_type) == (AUDIO, stored.content_type)
    assert reply.audio == AUDIO
    assert info.metadata["owner"] == "alice"

    found = await suite.find(stored.id)
    assert list(found.alignment.characters) == ["H", "i"]
    assert found.url == f"https://store.example/{stored.key}"
    assert found.url_expire_time.ToDatetime(EXPIRES.tzinfo) == EXPIRES
    assert (found.sha256, found.size_bytes, found.duration_seconds) == (
        reply.done.sha256,
        1600,
        reply.done.duration_seconds,
    )
    assert found.metadata.voice_id == reply.header.voice_id
    assert found.metadata.timestamp == stored.metadata.timestamp


async def test_the_record_has_a_key_and_no_url(suite: Suite) -> None:
    stored = (await suite.synthesize()).done.stored_audio
    (record,) = suite.records.records.values()
    assert record.object_key == stored.key
    assert b"http" not in orjson.dumps(record.document)
    assert record.document["metadata"]["voiceId"] == stored.metadata.voice_id
    assert orjson.loads(record.attachment)["character_start_times_seconds"] == [0.0, 0.05]


async def test_the_text_is_not_in_the_object_store(suite: Suite) -> None:
    await suite.synthesize()
    (info, audio) = next(iter(suite.store.objects.values()))
    assert (len(suite.store.keys), audio) == (1, AUDIO)
    assert set(info.metadata) == {"owner", "audio_id"}


async def test_timing_is_sent_only_on_request(suite: Suite) -> None:
    assert not (await suite.synthesize()).alignment.characters
    assert list((await suite.synthesize(include_alignment=True)).alignment.characters) == ["H", "i"]


async def test_a_stream_has_the_id_in_its_header_and_the_url_at_its_end(suite: Suite) -> None:
    request = tts_pb2.SynthesizeStreamRequest(text="Hi", output_format="pcm_8000", store=True)
    async with open_stream(suite.stub.SynthesizeStream(request, metadata=call_metadata("alice"))) as call:
        events = [event async for event in call]
    assert events[0].header.stored_audio_id == events[-1].done.stored_audio.id
    assert b"".join(event.chunk.audio for event in events) == AUDIO
    assert not any(event.chunk.HasField("alignment") for event in events)
    assert (await suite.find(events[0].header.stored_audio_id)).size_bytes == 1600


async def test_another_caller_cannot_find_or_delete_it(suite: Suite) -> None:
    audio_id = (await suite.synthesize()).done.stored_audio.id
    assert await get_reason(suite.find(audio_id, "bob")) is Reason.NOT_FOUND
    assert await get_reason(suite.delete(audio_id, "bob")) is Reason.NOT_FOUND
    await suite.delete(audio_id)
    assert suite.store.keys == []
    assert await get_reason(suite.find(audio_id)) is Reason.NOT_FOUND


async def test_a_malformed_id_is_refused(suite: Suite) -> None:
    assert await get_reason(suite.find("../../x")) is Reason.VALIDATION_ERROR


async def test_a_failing_store_is_an_error_and_leaves_nothing_behind(suite: Suite) -> None:
    suite.store.puts_until_failure = 0
    assert await get_reason(suite.synthesize()) is Reason.STORAGE_FAILED
    assert (suite.store.keys, suite.records.keys) == ([], [])


async def test_speech_that_is_paid_while_the_database_is_down_is_recorded_later(suite: Suite) -> None:
    suite.records.is_down = True
    stored = (await suite.synthesize()).done.stored_audio
    assert (await suite.find(stored.id)).key == stored.key
    suite.records.is_down = False
    await until(lambda: suite.records.keys == [("alice", "audio", stored.id)])


async def test_a_deletion_that_failed_half_way_can_be_repeated(suite: Suite) -> None:
    audio_id = (await suite.synthesize()).done.stored_audio.id
    suite.records.is_down = True
    assert await get_reason(suite.delete(audio_id)) is Reason.UNAVAILABLE
    suite.records.is_down = False
    suite.store.objects.clear()
    await suite.delete(audio_id)
    assert suite.records.keys == []


async def test_the_record_of_audio_that_is_gone_is_deleted(suite: Suite) -> None:
    audio_id = (await suite.synthesize()).done.stored_audio.id
    suite.store.objects.clear()
    assert await get_reason(suite.find(audio_id)) is Reason.NOT_FOUND
    assert suite.records.keys == []


def test_a_record_of_an_earlier_version_is_converted_with_its_timing() -> None:
    data = b"""{"id": "a-1", "key": "audio/2026/10/a-1.mp3", "contentType": "audio/mpeg", "sizeBytes": 3,
        "durationSeconds": 0.1, "sha256": "ab", "alignment": {"characters": ["H"], "character_start_times_seconds":
        [0.0], "character_end_times_seconds": [0.1]}, "metadata": {"modelId": "m", "voiceId": "v", "voiceName": "V",
        "provider": "elevenlabs", "outputFormat": "mp3_44100_128", "timestamp": "2026-10-05T12:00:00+00:00"}}"""
    written_at = datetime(2026, 10, 6, tzinfo=UTC)
    (record,) = OLD_FOLDERS["audio"].convert(RecordKey("alice", "audio", "a-1"), data, written_at)
    assert (record.object_key, record.created_at) == ("audio/2026/10/a-1.mp3", datetime(2026, 10, 5, 12, tzinfo=UTC))
    assert record.document["metadata"]["voiceName"] == "V"
    assert orjson.loads(record.attachment)["characters"] == ["H"]


async def test_speech_that_was_cut_is_not_stored() -> None:
    provider = FakeSpeechProvider(*CHUNKS, MediaError(Reason.GENERATION_FAILED))
    async with build_suite(provider) as suite:
        assert await get_reason(suite.synthesize()) is Reason.GENERATION_FAILED
        assert suite.store.keys == []


async def test_nothing_is_stored_unless_requested(suite: Suite) -> None:
    reply = await suite.stub.Synthesize(tts_pb2.SynthesizeRequest(text="Hi", output_format="pcm_8000"))
    assert not reply.done.HasField("stored_audio")
    assert not reply.header.stored_audio_id
    assert suite.store.keys == []


async def test_audio_that_exceeds_the_limit_of_storage_is_refused() -> None:
    async with build_suite(FakeSpeechProvider(*CHUNKS), max_unary_bytes=1599) as suite:
        request = tts_pb2.SynthesizeStreamRequest(text="Hi", output_format="pcm_8000", store=True)
        async with open_stream(suite.stub.SynthesizeStream(request)) as call:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                [event async for event in call]
        assert from_rpc_error(caught.value).reason is Reason.OUTPUT_TOO_LARGE
        assert suite.store.keys == []


async def test_stored_audio_is_listed_newest_first_for_its_owner_only(suite: Suite) -> None:
    made = [(await suite.synthesize()).done.stored_audio.id for _ in range(3)]
    await suite.synthesize("bob")
    request = tts_pb2.ListStoredAudioRequest(page_size=2)
    first = await suite.stub.ListStoredAudio(request, metadata=call_metadata("alice"))
    request.page_token = first.next_page_token
    second = await suite.stub.ListStoredAudio(request, metadata=call_metadata("alice"))
    listed = [*first.stored_audio, *second.stored_audio]
    assert {audio.id for audio in listed} == set(made)
    assert (len(first.stored_audio), second.next_page_token) == (2, "")
    assert [audio.create_time.ToDatetime() for audio in listed] == sorted(
        (audio.create_time.ToDatetime() for audio in listed), reverse=True
    )
    assert not any(audio.HasField("alignment") for audio in listed)
    assert [audio.url for audio in listed] == [f"https://store.example/{audio.key}" for audio in listed]


async def test_a_token_of_another_list_is_refused(suite: Suite) -> None:
    request = tts_pb2.ListStoredAudioRequest(page_token="nonsense")
    assert await get_reason(suite.stub.ListStoredAudio(request)) is Reason.VALIDATION_ERROR
