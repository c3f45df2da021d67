"""Serves media.tts.v1.TextToSpeechService: `python -m services.tts --help`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
from media.tts.v1 import tts_pb2_grpc

from services.common.guard import Limits
from services.common.runtime import run
from services.common.server import ServerOptions, serve
from services.tts.providers.elevenlabs import ElevenLabsSettings, open_elevenlabs
from services.tts.providers.espeak import open_espeak
from services.tts.providers.interface import SpeechProvider
from services.tts.service import SERVICE_NAME, TextToSpeechServicer
from services.tts.settings import TtsSettings
from services.tts.synthesis import SynthesisOptions, Synthesizer


async def main(settings: TtsSettings) -> None:
    """Opens the providers and serves until asked to stop."""
    async with _providers(settings) as providers:
        synthesizer = Synthesizer(
            providers,
            SynthesisOptions(
                default_provider=settings.provider_by_default,
                stall_seconds=settings.stall_seconds,
                max_text_characters=settings.max_text_characters,
            ),
        )
        servicer = TextToSpeechServicer(synthesizer, providers, max_unary_bytes=settings.max_unary_bytes)

        def register(server: grpc.aio.Server) -> list[str]:
            tts_pb2_grpc.add_TextToSpeechServiceServicer_to_server(servicer, server)
            return [SERVICE_NAME]

        await serve(register, _server_options(settings))


@asynccontextmanager
async def _providers(settings: TtsSettings) -> AsyncIterator[Mapping[str, SpeechProvider]]:
    elevenlabs = ElevenLabsSettings(
        api_key=settings.elevenlabs_api_key.get_secret_value(),
        base_url=settings.elevenlabs_base_url,
        first_byte_timeout_seconds=settings.elevenlabs_first_byte_seconds,
        enable_logging=settings.elevenlabs_enable_logging,
        optimize_streaming_latency=settings.elevenlabs_optimize_streaming_latency,
    )
    async with AsyncExitStack() as stack:
        opened: list[SpeechProvider] = [
            await stack.enter_async_context(open_elevenlabs(elevenlabs)),
            await stack.enter_async_context(open_espeak()),
        ]
        yield {provider.name: provider for provider in opened}


def _server_options(settings: TtsSettings) -> ServerOptions:
    return ServerOptions(
        host=settings.host,
        port=settings.port,
        port_variable="TTS_PORT",
        limits=Limits(concurrent_rpcs=settings.max_concurrent_rpcs, deadline_seconds=settings.max_call_seconds),
        reflection=settings.reflection,
        notice_seconds=settings.drain_notice_seconds,
        grace_seconds=settings.drain_grace_seconds,
    )


if __name__ == "__main__":
    run("services.tts", "Serves text to speech over gRPC.", TtsSettings, main)
