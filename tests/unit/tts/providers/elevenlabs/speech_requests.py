"""Requests and readers for the tests of the provider."""

from __future__ import annotations

from services.tts.formats import FORMATS
from services.tts.providers.interface import AudioChunk, SpeechProvider, SpeechSpec, Voice

VOICE = Voice("21m00Tcm4TlvDq8ikWAM", "Rachel", "elevenlabs", "account")
TEXT = "Hello there, this is a test."


def build_spec(output_format: str = "mp3_44100_128", text: str = TEXT) -> SpeechSpec:
    """Return a request with the required values only."""
    return SpeechSpec(text=text, voice=VOICE, output_format=FORMATS[output_format])


async def read_all_chunks(
    provider: SpeechProvider, spec: SpeechSpec, *, with_alignment: bool = False
) -> list[AudioChunk]:
    """Return all chunks of the provider."""
    async with provider.synthesize(spec, with_alignment=with_alignment) as stream:
        return [chunk async for chunk in stream.chunks]


def join_chunks(chunks: list[AudioChunk]) -> bytes:
    """Return the audio of all chunks."""
    return b"".join(chunk.audio for chunk in chunks)
