"""The servicer of the text-to-speech service, called over gRPC."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import grpc
import pytest
from media.common.v1 import cache_pb2
from media.tts.v1 import tts_pb2, tts_pb2_grpc

from services.common.errors import MediaError, Reason
from services.common.rpc.channel import open_stream
from services.common.rpc.status import from_rpc_error
from services.common.singleflight import SingleFlightLimits
from services.common.timing.alignment import Alignment
from services.tts.providers.interface import AudioChunk, Capabilities, Voice, VoiceSettings
from tests.fakes.speech import FakeSpeechProvider, build_voice
from tests.fakes.speech_service import build_servicer, open_speech_stub, serve_speech

FIRST = AudioChunk(bytes(16_000), Alignment(("H",), (0.0,), (0.25,)))
SECOND = AudioChunk(b"\x01" * 8000, Alignment(("i", "!"), (0.25, 0.5), (0.5, 1.0)))
DIGEST = hashlib.sha256(FIRST.audio + SECOND.audio).hexdigest()
STREAM = tts_pb2.SynthesizeStreamRequest(text="Hi!", output_format="pcm_8000")
TIMED = tts_pb2.SynthesizeStreamRequest(text="Hi!", output_format="pcm_8000", include_alignment=True)
WHOLE = tts_pb2.SynthesizeRequest(text="Hi!", output_format="pcm_8000")
TIMED_WHOLE = tts_pb2.SynthesizeRequest(text="Hi!", output_format="pcm_8000", include_alignment=True)


async def collect_events(
    stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub, request: tts_pb2.SynthesizeStreamRequest = STREAM
) -> list[tts_pb2.SynthesizeStreamResponse]:
    async with open_stream(stub.SynthesizeStream(request)) as stream:
        return [event async for event in stream]


async def test_a_stream_is_header_chunks_done() -> None:
    provider = FakeSpeechProvider(FIRST, SECOND, cost_units=3, ignored_fields=("seed", "style"))
    async with open_speech_stub(provider) as stub:
        events = await collect_events(stub, TIMED)
    assert [event.WhichOneof("event") for event in events] == ["header", "chunk", "chunk", "done"]
    assert events[0].header == tts_pb2.SpeechHeader(
        content_type="audio/pcm;rate=8000;channels=1",
        output_format="pcm_8000",
        sample_rate_hz=8000,
        voice_id="aria-id",
        voice_name="Aria",
        provider="espeak",
        cache_status=cache_pb2.CACHE_STATUS_MISS,
        provider_request_id="provider-request-1",
        ignored_fields=["seed", "style"],
    )
    assert [event.chunk.audio for event in events[1:-1]] == [FIRST.audio, SECOND.audio]
    assert list(events[2].chunk.alignment.characters) == ["i", "!"]
    assert events[-1].done == tts_pb2.SpeechDone(
        characters=3, audio_bytes=24_000, duration_seconds=1.5, sha256=DIGEST, provider_cost_units=3
    )


async def test_a_unary_response_equals_the_stream() -> None:
    async with open_speech_stub(FakeSpeechProvider(FIRST, SECOND, cost_units=3)) as stub:
        response = await stub.Synthesize(TIMED_WHOLE)
        events = await collect_events(stub, TIMED)
    assert response.audio == FIRST.audio + SECOND.audio
    assert response.header == events[0].header
    assert response.done == events[-1].done
    assert "".join(response.alignment.characters) == "Hi!"
    assert list(response.alignment.character_start_times_seconds) == [0.0, 0.25, 0.5]
    assert list(response.alignment.character_end_times_seconds) == [0.25, 0.5, 1.0]


async def test_an_unknown_cost_is_absent_and_a_cost_of_zero_is_present() -> None:
    async with open_speech_stub(FakeSpeechProvider(FIRST)) as stub:
        assert not (await stub.Synthesize(WHOLE)).done.HasField("provider_cost_units")
    async with open_speech_stub(FakeSpeechProvider(FIRST, cost_units=0)) as stub:
        assert (await stub.Synthesize(WHOLE)).done.HasField("provider_cost_units")


async def test_shared_speech_requests_timing_but_sends_it_only_on_request() -> None:
    provider = FakeSpeechProvider(FIRST, SECOND)
    async with open_speech_stub(provider) as stub:
        plain = await stub.Synthesize(WHOLE)
        timed = await stub.Synthesize(TIMED_WHOLE)
        events = await collect_events(stub)
    assert [with_alignment for _, with_alignment in provider.specs] == [True, True, True]
    assert not plain.HasField("alignment")
    assert timed.HasField("alignment")
    assert not any(event.chunk.HasField("alignment") for event in events)


async def test_unshared_speech_requests_timing_only_if_the_caller_does() -> None:
    provider = FakeSpeechProvider(FIRST)
    async with open_speech_stub(provider) as stub:
        reply = await stub.Synthesize(tts_pb2.SynthesizeRequest(text="Hi!", output_format="pcm_8000", use_cache=False))
    assert [with_alignment for _, with_alignment in provider.specs] == [False]
    assert reply.header.cache_status == cache_pb2.CACHE_STATUS_BYPASS


async def test_settings_of_zero_reach_the_provider_and_absent_settings_do_not() -> None:
    provider = FakeSpeechProvider(FIRST)
    settings: dict[str, Any] = {"stability": 0.0, "similarity_boost": 0.0, "style": 0.0, "speed": 0.7}
    async with open_speech_stub(provider) as stub:
        await stub.Synthesize(tts_pb2.SynthesizeRequest(text="Hi", use_speaker_boost=False, seed=0, **settings))
        await stub.Synthesize(tts_pb2.SynthesizeRequest(text="Hi"))
    (full, _), (bare, _) = provider.specs
    assert full.settings == VoiceSettings(0.0, 0.0, 0.0, 0.7, use_speaker_boost=False)
    assert full.seed == 0
    assert (bare.settings, bare.seed) == (VoiceSettings(), None)


async def test_every_other_field_reaches_the_provider() -> None:
    provider = FakeSpeechProvider(FIRST)
    fields: dict[str, Any] = {
        "model_id": "model-1",
        "language_code": "pt-BR",
        "previous_text": "before",
        "next_text": "after",
        "apply_text_normalization": "off",
    }
    async with open_speech_stub(provider) as stub:
        await stub.Synthesize(
            tts_pb2.SynthesizeRequest(text="Hi", previous_request_ids=["p1", "p2"], next_request_ids=["n1"], **fields)
        )
    spec, _ = provider.specs[0]
    assert {name: getattr(spec, name) for name in fields} == fields
    assert (spec.previous_request_ids, spec.next_request_ids) == (("p1", "p2"), ("n1",))


async def call_both_methods(
    provider: FakeSpeechProvider, fields: dict[str, str] | None = None, stall_seconds: float = 5
) -> MediaError:
    """Request speech by both methods, which must fail with the same error; return it."""
    wanted: dict[str, Any] = {"text": "Hi!", "output_format": "pcm_8000", **(fields or {})}
    async with open_speech_stub(provider, stall_seconds=stall_seconds) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as whole:
            await stub.Synthesize(tts_pb2.SynthesizeRequest(**wanted))
        with pytest.raises(grpc.aio.AioRpcError) as stream:
            await collect_events(stub, tts_pb2.SynthesizeStreamRequest(**wanted))
    first, second = from_rpc_error(whole.value), from_rpc_error(stream.value)
    assert (first.reason, first.message, first.violations) == (second.reason, second.message, second.violations)
    assert provider.live.now == 0
    return first


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"voice": "Unknown"}, Reason.VOICE_NOT_FOUND, "voice"),
        ({"voice": "../../etc"}, Reason.VOICE_NOT_FOUND, "voice"),
        ({"voice": "Ar\x07ia"}, Reason.VALIDATION_ERROR, "voice"),
        ({"provider": "elevenlabs"}, Reason.VALIDATION_ERROR, "provider"),
        ({"output_format": "opus_48000_64"}, Reason.VALIDATION_ERROR, "output_format"),
        ({"text": "a" * 10_001}, Reason.TEXT_TOO_LONG, "text"),
        ({"text": " \u200b"}, Reason.VALIDATION_ERROR, "text"),
    ],
)
async def test_a_wrong_request_is_refused_by_field_without_a_provider_call(
    fields: dict[str, str], reason: Reason, field: str
) -> None:
    provider = FakeSpeechProvider(FIRST, capabilities=Capabilities(frozenset({"mp3", "pcm"})))
    error = await call_both_methods(provider, fields)
    assert error.reason is reason
    assert [item.field for item in error.violations] == [field]
    assert provider.live.total == 0


async def test_a_provider_without_audio_has_failed() -> None:
    assert (await call_both_methods(FakeSpeechProvider())).reason is Reason.GENERATION_FAILED


async def test_the_refusal_of_a_provider_is_the_error_of_the_call() -> None:
    refusal = MediaError(Reason.PROVIDER_QUOTA_EXCEEDED, "No credit left.")
    assert (await call_both_methods(FakeSpeechProvider(refusal=refusal))).message == "No credit left."


async def test_a_provider_that_fails_later_fails_the_call() -> None:
    provider = FakeSpeechProvider(FIRST, MediaError(Reason.GENERATION_FAILED, "Cut on the way."))
    assert (await call_both_methods(provider)).message == "Cut on the way."


async def test_a_stalled_provider_times_out() -> None:
    provider = FakeSpeechProvider(FIRST, asyncio.Event())
    assert (await call_both_methods(provider, stall_seconds=0.05)).reason is Reason.PROVIDER_TIMEOUT


async def test_audio_that_exceeds_a_message_is_refused_early_and_can_be_streamed() -> None:
    provider = FakeSpeechProvider(FIRST, SECOND)
    async with open_speech_stub(provider, max_unary_bytes=23_999) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Synthesize(WHOLE)
        assert from_rpc_error(caught.value).reason is Reason.OUTPUT_TOO_LARGE
        assert provider.live.now == 0
        assert (await collect_events(stub))[-1].done.audio_bytes == 24_000
    async with open_speech_stub(provider, max_unary_bytes=24_000) as stub:
        assert len((await stub.Synthesize(WHOLE)).audio) == 24_000


async def test_cancellation_ends_a_provider_that_has_not_accepted() -> None:
    provider = FakeSpeechProvider(FIRST, accepts_when=asyncio.Event())
    async with open_speech_stub(provider) as stub:
        call = stub.SynthesizeStream(STREAM)
        await provider.live.wait_for(1)
        call.cancel()
        await provider.live.wait_for(0)
        assert (provider.live.total, provider.delivered, call.cancelled()) == (1, 0, True)


async def test_cancellation_ends_a_silent_provider() -> None:
    provider = FakeSpeechProvider(FIRST, asyncio.Event())
    async with open_speech_stub(provider) as stub:
        async with open_stream(stub.SynthesizeStream(STREAM)) as stream:
            async for event in stream:
                if event.WhichOneof("event") == "chunk":
                    break
            assert provider.live.now == 1
        await provider.live.wait_for(0)
        whole = stub.Synthesize(WHOLE)
        await provider.live.wait_for(1)
        whole.cancel()
        await provider.live.wait_for(0)


async def test_cancellation_ends_a_provider_that_is_faster_than_its_reader() -> None:
    provider = FakeSpeechProvider(AudioChunk(bytes(65536)), endless=True)
    async with open_speech_stub(provider) as stub:
        async with open_stream(stub.SynthesizeStream(STREAM)) as stream:
            async for event in stream:
                if event.WhichOneof("event") == "chunk":
                    break
            assert provider.live.now == 1
        await provider.live.wait_for(0)
    # Chunks that a production may be ahead of its fastest reader, and those in the buffers of the transport.
    assert provider.delivered < (SingleFlightLimits().ahead_bytes // 65536) + 16


def build_voices(provider: str, *names: str) -> list[Voice]:
    return [build_voice(name, provider) for name in names]


async def test_voices_are_listed_by_provider_in_pages() -> None:
    first = FakeSpeechProvider(name="elevenlabs", voices=build_voices("elevenlabs", "Aria", "Bella", "Clyde"))
    second = FakeSpeechProvider(voices=build_voices("espeak", "Dora", "Emil"))
    async with open_speech_stub(first, second) as stub:
        names, token = [], ""
        for _ in range(3):
            answer = await stub.ListVoices(tts_pb2.ListVoicesRequest(page_size=2, page_token=token))
            names += [item.name for item in answer.voices]
            token = answer.next_page_token
        assert (names, token) == (["Aria", "Bella", "Clyde", "Dora", "Emil"], "")
        only = await stub.ListVoices(tts_pb2.ListVoicesRequest(provider="espeak"))
        assert [item.name for item in only.voices] == ["Dora", "Emil"]
        token = (await stub.ListVoices(tts_pb2.ListVoicesRequest(page_size=1))).next_page_token
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ListVoices(tts_pb2.ListVoicesRequest(page_token=token, provider="espeak"))
        assert from_rpc_error(caught.value).violations[0].field == "page_token"


async def test_get_voice_finds_by_name_in_any_case_or_by_id() -> None:
    shown = Voice("x1", "Aria", "espeak", "custom", ("en", "pt"), {"accent": "soft"}, "https://example.org/a.mp3")
    async with open_speech_stub(FakeSpeechProvider(voices=[shown])) as stub:
        for name in ("Aria", "ARIA", "x1"):
            answer = await stub.GetVoice(tts_pb2.GetVoiceRequest(voice=name))
            assert answer.voice == tts_pb2.Voice(
                voice_id="x1",
                name="Aria",
                provider="espeak",
                type=tts_pb2.VOICE_TYPE_CUSTOM,
                language_codes=["en", "pt"],
                labels={"accent": "soft"},
                preview_url="https://example.org/a.mp3",
            )


@pytest.mark.parametrize(
    ("voice_request", "reason"),
    [
        (tts_pb2.GetVoiceRequest(voice="Unknown"), Reason.VOICE_NOT_FOUND),
        (tts_pb2.GetVoiceRequest(voice="../../etc"), Reason.VOICE_NOT_FOUND),
        (tts_pb2.GetVoiceRequest(voice="Aria", provider="elevenlabs"), Reason.VALIDATION_ERROR),
    ],
)
async def test_an_unknown_voice_is_not_found(voice_request: tts_pb2.GetVoiceRequest, reason: Reason) -> None:
    async with open_speech_stub(FakeSpeechProvider()) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetVoice(voice_request)
    assert from_rpc_error(caught.value).reason is reason


class LocksOut(FakeSpeechProvider):
    """Has no key."""

    def check_ready(self) -> None:
        raise MediaError(Reason.API_KEY_MISSING)


async def check(*providers: FakeSpeechProvider, fallbacks: tuple[str, ...] = (), **fields: Any) -> Any:
    """Check a request with these providers."""
    request = tts_pb2.SynthesizeStreamRequest(**{"text": "Hi!", **fields})
    servicer = build_servicer(*providers, fallbacks=fallbacks)
    async with serve_speech(servicer) as running:
        stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub = tts_pb2_grpc.TextToSpeechServiceStub(running.channel)
        return await stub.CheckSpeech(tts_pb2.CheckSpeechRequest(request=request))


async def test_a_check_names_what_would_speak_and_calls_no_provider() -> None:
    provider = FakeSpeechProvider(FIRST)
    found = await check(provider)
    assert (found.provider, found.voice.name, provider.specs) == ("espeak", "Aria", [])


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"voice": "Nemo"}, Reason.VOICE_NOT_FOUND, "voice"),
        ({"text": "x" * 10_001}, Reason.TEXT_TOO_LONG, "text"),
        ({"output_format": "flac_44100"}, Reason.VALIDATION_ERROR, "request.output_format"),
    ],
)
async def test_a_check_fails_as_the_request_would(fields: dict[str, Any], reason: Reason, field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await check(FakeSpeechProvider(FIRST), **fields)
    error = from_rpc_error(caught.value)
    assert (error.reason, [item.field for item in error.violations]) == (reason, [field])


async def test_a_check_fails_without_a_key_unless_a_fallback_can_speak() -> None:
    paid, free = LocksOut(FIRST, name="elevenlabs"), FakeSpeechProvider(FIRST)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await check(paid)
    assert from_rpc_error(caught.value).reason is Reason.API_KEY_MISSING
    assert (await check(paid, free, fallbacks=("espeak",))).provider == "elevenlabs"


FIVE_MIB = AudioChunk(bytes(5 * 1024 * 1024))
LONG_TEXT = "word " * 1300
"""Takes 208 seconds at least: 6.6 MB as pcm_16000, 1.7 MB as mp3_44100_64."""


async def synthesize(
    provider: FakeSpeechProvider, metadata: tuple[tuple[str, str], ...] = (), **fields: Any
) -> tts_pb2.SynthesizeResponse:
    """Call Synthesize with a channel that can receive everything."""
    async with serve_speech(build_servicer(provider, max_unary_bytes=20_000_000)) as running:
        stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub = tts_pb2_grpc.TextToSpeechServiceStub(running.channel)
        return await stub.Synthesize(tts_pb2.SynthesizeRequest(**fields), metadata=metadata)


async def catch_too_large(call: Any) -> MediaError:
    """Return the error of a call, which must be OUTPUT_TOO_LARGE and name the stream."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    error = from_rpc_error(caught.value)
    assert error.reason is Reason.OUTPUT_TOO_LARGE
    return error


async def test_what_a_default_client_cannot_receive_is_refused_before_it_is_paid() -> None:
    provider = FakeSpeechProvider(FIRST)
    error = await catch_too_large(synthesize(provider, text=LONG_TEXT, output_format="pcm_16000"))
    assert "SynthesizeStream" in error.message
    assert provider.specs == []
    await synthesize(provider, text=LONG_TEXT, output_format="mp3_44100_64")
    await synthesize(provider, (("x-max-response-bytes", "10000000"),), text=LONG_TEXT, output_format="pcm_16000")
    assert len(provider.specs) == 2


async def test_a_response_is_as_large_as_its_caller_can_receive() -> None:
    error = await catch_too_large(synthesize(FakeSpeechProvider(FIVE_MIB), text="Hi!", output_format="pcm_8000"))
    assert error.metadata["max_bytes"] == str(4 * 1024 * 1024)
    provider, stated = FakeSpeechProvider(FIVE_MIB), (("x-max-response-bytes", str(6 * 1024 * 1024)),)
    response = await synthesize(provider, stated, text="Hi!", output_format="pcm_8000")
    assert response.audio == FIVE_MIB.audio


@pytest.mark.parametrize("stated", ["0", "-1", "many", "9" * 30])
async def test_a_malformed_limit_is_that_of_a_default_client(stated: str) -> None:
    call = synthesize(
        FakeSpeechProvider(FIVE_MIB), (("x-max-response-bytes", stated),), text="Hi!", output_format="pcm_8000"
    )
    await catch_too_large(call)


async def test_every_message_of_a_stream_fits_a_default_client() -> None:
    timing = Alignment(("H", "i", "!"), (0.0, 1.0, 2.0), (1.0, 2.0, 300.0))
    provider = FakeSpeechProvider(AudioChunk(FIVE_MIB.audio, timing))
    async with open_speech_stub(provider) as stub:
        _, *chunks, _ = await collect_events(stub, TIMED)
    assert b"".join(event.chunk.audio for event in chunks) == FIVE_MIB.audio
    assert all(event.ByteSize() <= 1_100_000 for event in chunks)
    assert ["".join(event.chunk.alignment.characters) for event in chunks] == ["", "", "", "", "Hi!"]


async def test_stored_audio_that_is_too_large_is_refused_before_it_is_paid() -> None:
    provider = FakeSpeechProvider(FIRST)
    async with open_speech_stub(provider, max_unary_bytes=1_000_000) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await collect_events(
                stub, tts_pb2.SynthesizeStreamRequest(text=LONG_TEXT, output_format="pcm_16000", store=True)
            )
    assert from_rpc_error(caught.value).reason is Reason.OUTPUT_TOO_LARGE
    assert provider.specs == []
