"""The service with the real ElevenLabs provider and a fake of its API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from media.tts.v1 import tts_pb2, tts_pb2_grpc

from services.common.rpc.channel import open_stream
from services.tts.providers.elevenlabs import ElevenLabsSettings, open_elevenlabs
from services.tts.providers.interface import SpeechProvider
from tests.fakes.elevenlabs import API_KEY, FakeElevenLabs, run_elevenlabs
from tests.fakes.speech_service import build_servicer, serve_speech

# Quoted, because this type of stub exists for type checkers only.
StartService = Callable[..., "AbstractAsyncContextManager[tts_pb2_grpc.TextToSpeechServiceAsyncStub]"]
SHAPES = ("unary", "stream", "timestamps")


@dataclass(frozen=True, slots=True)
class SpeechResult:
    """What one caller received."""

    audio: bytes
    timing: tuple[tuple[str, float, float], ...]
    header: tts_pb2.SpeechHeader
    done: tts_pb2.SpeechDone | None


@pytest.fixture
async def fake() -> AsyncIterator[FakeElevenLabs]:
    async with run_elevenlabs() as server:
        yield server


@pytest.fixture
def start_service(fake: FakeElevenLabs) -> StartService:
    """Return a function that starts the service; it takes the options of `build_servicer` and those listed here."""

    @asynccontextmanager
    async def start(
        base_url: str = "",
        max_call_characters: int | None = None,
        fallback_providers: Sequence[SpeechProvider] = (),
        **options: Any,
    ) -> AsyncIterator[tts_pb2_grpc.TextToSpeechServiceAsyncStub]:
        settings = ElevenLabsSettings(API_KEY, base_url or fake.base_url)
        async with open_elevenlabs(settings) as provider:
            if max_call_characters is not None:
                provider.capabilities = replace(
                    provider.capabilities, models={}, default_max_text_characters=max_call_characters
                )
            async with serve_speech(build_servicer(provider, *fallback_providers, **options)) as running:
                yield tts_pb2_grpc.TextToSpeechServiceStub(running.channel)

    return start


async def request_speech(
    stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub,
    shape: str,
    text: str,
    started: asyncio.Semaphore | None = None,
    **fields: Any,
) -> SpeechResult:
    """Return what a caller of this shape receives; a stream releases `started` when its first message arrives."""
    with_timing = shape != "stream"
    if shape == "unary":
        reply = await stub.Synthesize(tts_pb2.SynthesizeRequest(text=text, include_alignment=with_timing, **fields))
        return SpeechResult(reply.audio, _collect_timing([reply]), reply.header, reply.done)
    request = tts_pb2.SynthesizeStreamRequest(text=text, include_alignment=with_timing, **fields)
    async with open_stream(stub.SynthesizeStream(request)) as stream:
        messages: list[tts_pb2.SynthesizeStreamResponse] = []
        async for message in stream:
            if started is not None and not messages:
                started.release()
            messages.append(message)
    return parse_messages(messages)


def parse_messages(messages: Sequence[tts_pb2.SynthesizeStreamResponse]) -> SpeechResult:
    """Return the content of the messages of a stream; `done` is None if the stream was cut."""
    chunks = [message.chunk for message in messages if message.HasField("chunk")]
    done = messages[-1].done if messages[-1].HasField("done") else None
    return SpeechResult(b"".join(chunk.audio for chunk in chunks), _collect_timing(chunks), messages[0].header, done)


def _collect_timing(holders: list[Any]) -> tuple[tuple[str, float, float], ...]:
    return tuple(
        entry
        for holder in holders
        for entry in zip(
            holder.alignment.characters,
            holder.alignment.character_start_times_seconds,
            holder.alignment.character_end_times_seconds,
            strict=True,
        )
    )
