"""The text-to-speech service over engines of a test's choice, on a free port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from media.tts.v1 import tts_pb2_grpc

from services.tts.providers.interface import SpeechProvider
from services.tts.service import SERVICE_NAME, TextToSpeechServicer
from services.tts.synthesis import SynthesisOptions, Synthesizer
from tests.fakes.grpc_server import served


def servicer_of(
    *providers: SpeechProvider, stall_seconds: float = 5, max_unary_bytes: int = 1_000_000
) -> TextToSpeechServicer:
    """Returns the service with these providers, the first being the default."""
    by_name = {provider.name: provider for provider in providers}
    options = SynthesisOptions(providers[0].name, stall_seconds)
    return TextToSpeechServicer(Synthesizer(by_name, options), by_name, max_unary_bytes=max_unary_bytes)


@asynccontextmanager
async def stub_for(
    *providers: SpeechProvider, stall_seconds: float = 5, max_unary_bytes: int = 1_000_000
) -> AsyncIterator[tts_pb2_grpc.TextToSpeechServiceAsyncStub]:
    """Runs the service with these providers; returns a stub for it."""
    servicer = servicer_of(*providers, stall_seconds=stall_seconds, max_unary_bytes=max_unary_bytes)

    def register(server: grpc.aio.Server) -> list[str]:
        tts_pb2_grpc.add_TextToSpeechServiceServicer_to_server(servicer, server)
        return [SERVICE_NAME]

    async with served(register) as running:
        yield tts_pb2_grpc.TextToSpeechServiceStub(running.channel)
