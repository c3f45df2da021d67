"""Streams of speech: header, chunks, done, failures and cancellation."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest

from services.common.errors import MediaError, Reason
from services.common.timing.alignment import Alignment
from services.tts.events import Done, Header, SpeechEvent
from services.tts.planning import SpeechRequest
from services.tts.providers.interface import AudioChunk
from tests.fakes.speech import FakeSpeechProvider
from tests.fakes.speech_service import build_speech_parts

ONE_SECOND = bytes(16_000)
REQUEST = SpeechRequest("Hello", output_format="pcm_8000")
FIRST, SECOND = AudioChunk(ONE_SECOND), AudioChunk(b"\x01" * 8000)


def speak(
    provider: FakeSpeechProvider, request: SpeechRequest = REQUEST, stall_seconds: float = 5
) -> AsyncGenerator[SpeechEvent, None]:
    speech = build_speech_parts(provider, stall_seconds=stall_seconds)
    return speech.synthesizer.stream(speech.planner.plan(request))


async def test_a_stream_is_header_then_chunks_then_done() -> None:
    provider = FakeSpeechProvider(FIRST, SECOND, cost_units=5, ignored_fields=("seed",))
    header, *chunks, done = [event async for event in speak(provider)]
    assert header == Header(provider.specs[0][0], "espeak", "provider-request-1", ("seed",), "miss")
    assert chunks == [FIRST, SECOND]
    digest = hashlib.sha256(FIRST.audio + SECOND.audio).hexdigest()
    assert done == Done(characters=5, audio_bytes=24_000, duration_seconds=1.5, sha256=digest, cost_units=5)
    assert (provider.live.now, provider.live.total) == (0, 1)


@pytest.mark.parametrize(("text", "characters"), [("a", 1), ("👍🏽", 2), ("é", 1), ("e\u0301", 2), ("日本語", 3)])
async def test_characters_are_code_points(text: str, characters: int) -> None:
    *_, done = [event async for event in speak(FakeSpeechProvider(FIRST), replace(REQUEST, text=text))]
    assert isinstance(done, Done)
    assert done.characters == characters


async def test_the_header_comes_with_the_first_audio() -> None:
    audio_ready = asyncio.Event()
    provider = FakeSpeechProvider(audio_ready, FIRST)
    async with aclosing(speak(provider)) as events:
        first = asyncio.ensure_future(anext(events))
        await provider.live.wait_for(1)
        assert not first.done()
        audio_ready.set()
        assert isinstance(await first, Header)
        assert await anext(events) == FIRST


async def test_a_chunk_of_timing_only_is_passed_on() -> None:
    timing = AudioChunk(b"", Alignment(("H",), (0.0,), (0.1,)))
    request = replace(REQUEST, include_alignment=True)
    events = [event async for event in speak(FakeSpeechProvider(FIRST, timing), request)]
    assert events[1:3] == [FIRST, timing]


@pytest.mark.parametrize("steps", [(), (AudioChunk(b""),), (AudioChunk(b"", Alignment(("H",), (0.0,), (0.1,))),)])
async def test_a_provider_that_delivers_no_audio_has_failed(steps: tuple[AudioChunk, ...]) -> None:
    provider = FakeSpeechProvider(*steps)
    received, error = await collect_until_failure(speak(provider))
    assert error.reason is Reason.GENERATION_FAILED
    assert not any(isinstance(event, Done) for event in received)


async def collect_until_failure(events: AsyncIterator[SpeechEvent]) -> tuple[list[SpeechEvent], MediaError]:
    received: list[SpeechEvent] = []

    async def read() -> None:
        async for event in events:
            received.append(event)  # noqa: PERF401 - events before the failure must stay in the list

    with pytest.raises(MediaError) as caught:
        await read()
    return received, caught.value


async def test_a_provider_that_sends_no_first_chunk_has_stalled() -> None:
    provider = FakeSpeechProvider(asyncio.Event())
    received, error = await collect_until_failure(speak(provider, stall_seconds=0.05))
    assert error.reason is Reason.PROVIDER_TIMEOUT
    assert "0.05 seconds" in error.message
    assert received == []
    assert provider.live.now == 0


async def test_a_provider_that_sends_no_further_chunk_has_stalled() -> None:
    provider = FakeSpeechProvider(FIRST, asyncio.Event(), SECOND)
    received, error = await collect_until_failure(speak(provider, stall_seconds=0.05))
    assert error.reason is Reason.PROVIDER_TIMEOUT
    assert received[1:] == [FIRST]
    assert provider.live.now == 0


async def test_a_slow_reader_is_not_a_stalled_provider() -> None:
    provider = FakeSpeechProvider(FIRST, SECOND)
    async with aclosing(speak(provider, stall_seconds=0.02)) as events:
        await anext(events)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.1)
        assert await anext(events) == FIRST


async def test_a_timeout_error_of_the_provider_is_not_a_stall() -> None:
    with pytest.raises(TimeoutError):
        _ = [event async for event in speak(FakeSpeechProvider(FIRST, TimeoutError()))]


async def test_after_a_refusal_there_is_no_header() -> None:
    provider = FakeSpeechProvider(refusal=MediaError(Reason.PROVIDER_BUSY, retry_after_seconds=3))
    received, error = await collect_until_failure(speak(provider))
    assert (received, error.reason, error.retry_after_seconds) == ([], Reason.PROVIDER_BUSY, 3)
    assert provider.live.now == 0


async def test_after_a_failure_there_is_no_done() -> None:
    provider = FakeSpeechProvider(FIRST, MediaError(Reason.GENERATION_FAILED))
    received, error = await collect_until_failure(speak(provider))
    assert [type(event) for event in received] == [Header, AudioChunk]
    assert error.reason is Reason.GENERATION_FAILED
    assert provider.live.now == 0


@pytest.mark.parametrize("events_read", [1, 2])
async def test_closing_the_stream_ends_the_providers_work(events_read: int) -> None:
    provider = FakeSpeechProvider(FIRST, endless=True)
    async with aclosing(speak(provider)) as events:
        for _ in range(events_read):
            await anext(events)
        assert provider.live.now == 1
    await provider.live.wait_for(0)


async def test_cancelling_a_reader_of_a_silent_provider_ends_its_work() -> None:
    provider = FakeSpeechProvider(asyncio.Event())

    async def read() -> None:
        async with aclosing(speak(provider)) as events:
            async for _ in events:
                pass

    task = asyncio.create_task(read())
    await provider.live.wait_for(1)
    task.cancel()
    await provider.live.wait_for(0)
    with pytest.raises(asyncio.CancelledError):
        await task
