"""Starts the service around the real provider and the fake API, as its process does."""

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
from tests.fakes.elevenlabs import API_KEY, FakeElevenLabs, fake_elevenlabs
from tests.fakes.speech_service import build_servicer, serve_speech

# Quoted: this kind of stub is known to type checkers only.
Speaking = Callable[..., "AbstractAsyncContextManager[tts_pb2_grpc.TextToSpeechServiceAsyncStub]"]
SHAPES = ("unary", "stream", "timestamps")


@dataclass(frozen=True, slots=True)
class Heard:
    """What one caller received."""

    audio: bytes
    timing: tuple[tuple[str, float, float], ...]
    header: tts_pb2.SpeechHeader
    done: tts_pb2.SpeechDone | None


@pytest.fixture
async def fake() -> AsyncIterator[FakeElevenLabs]:
    async with fake_elevenlabs() as server:
        yield server


@pytest.fixture
def speaking(fake: FakeElevenLabs) -> Speaking:
    """Starts the service in front of the fake; takes the options of `build_servicer` and those listed here."""

    @asynccontextmanager
    async def start(
        base_url: str = "",
        get_max_call_characters: int | None = None,
        stand_ins: Sequence[SpeechProvider] = (),
        **options: Any,
    ) -> AsyncIterator[tts_pb2_grpc.TextToSpeechServiceAsyncStub]:
        settings = ElevenLabsSettings(API_KEY, base_url or fake.base_url)
        async with open_elevenlabs(settings) as provider:
            if get_max_call_characters is not None:
                provider.capabilities = replace(
                    provider.capabilities, max_text_characters={}, default_max_text_characters=get_max_call_characters
                )
            async with serve_speech(build_servicer(provider, *stand_ins, **options)) as running:
                yield tts_pb2_grpc.TextToSpeechServiceStub(running.channel)

    return start


async def ask(
    stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub,
    shape: str,
    text: str,
    listening: asyncio.Semaphore | None = None,
    **fields: Any,
) -> Heard:
    """Return what a caller of this shape receives; a stream releases `listening` when it begins."""
    timed = shape != "stream"
    if shape == "unary":
        reply = await stub.Synthesize(tts_pb2.SynthesizeRequest(text=text, include_alignment=timed, **fields))
        return Heard(reply.audio, _timing([reply]), reply.header, reply.done)
    request = tts_pb2.SynthesizeStreamRequest(text=text, include_alignment=timed, **fields)
    async with open_stream(stub.SynthesizeStream(request)) as stream:
        messages: list[tts_pb2.SynthesizeStreamResponse] = []
        async for message in stream:
            if listening is not None and not messages:
                listening.release()
            messages.append(message)
    return parse_messages(messages)


def parse_messages(messages: Sequence[tts_pb2.SynthesizeStreamResponse]) -> Heard:
    """Return the content of the messages of a stream; without `done` its place holds None."""
    chunks = [message.chunk for message in messages if message.HasField("chunk")]
    done = messages[-1].done if messages[-1].HasField("done") else None
    return Heard(b"".join(chunk.audio for chunk in chunks), _timing(chunks), messages[0].header, done)


def _timing(holders: list[Any]) -> tuple[tuple[str, float, float], ...]:
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
