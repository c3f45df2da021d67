"""Stored speech: complete with its record or not at all, and readable by its owner only."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import grpc
import orjson
import pytest
from media.tts.v1 import tts_pb2, tts_pb2_grpc

from services.common.errors import MediaError, Reason
from services.common.rpc.channel import call_metadata, open_stream
from services.common.rpc.status import from_rpc_error
from services.common.timing.alignment import Alignment
from services.tts.providers.interface import AudioChunk
from tests.fakes.object_store import EXPIRES, FakeObjectStore
from tests.fakes.speech import FakeSpeechProvider
from tests.fakes.speech_service import build_servicer, serve_speech

CHUNKS = (
    AudioChunk(bytes(800), Alignment(("H",), (0.0,), (0.05,))),
    AudioChunk(b"\x01" * 800, Alignment(("i",), (0.05,), (0.1,))),
)
AUDIO = b"".join(chunk.audio for chunk in CHUNKS)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Suite:
    """A client of the service and its store."""

    def __init__(self, stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub, store: FakeObjectStore) -> None:
        self.stub = stub
        self.store = store

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
    store = FakeObjectStore()
    servicer = build_servicer(provider, store=store, max_unary_bytes=max_unary_bytes)
    async with serve_speech(servicer) as running:
        yield Suite(tts_pb2_grpc.TextToSpeechServiceStub(running.channel), store)


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
    assert suite.store.keys == [stored.key, f"records/audio/alice/{stored.id}.json"]
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
    record = orjson.loads(suite.store.objects[f"records/audio/alice/{stored.id}.json"][1])
    assert "url" not in record
    assert record["key"] == stored.key
    assert set(record["metadata"]) >= {"modelId", "voiceId", "timestamp"}
    assert record["alignment"]["character_start_times_seconds"] == [0.0, 0.05]


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


@pytest.mark.parametrize("puts", [0, 1])
async def test_a_failing_store_is_an_error_and_leaves_nothing_behind(suite: Suite, puts: int) -> None:
    suite.store.puts_until_failure = puts
    assert await get_reason(suite.synthesize()) is Reason.STORAGE_FAILED
    assert suite.store.keys == []


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
