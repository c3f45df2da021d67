"""Serves text to speech: `python -m services.tts --help`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
from media.tts.v1 import tts_pb2_grpc
from prometheus_client import CollectorRegistry

from services.common.cache import TieredCache, TieredOptions, open_result_store
from services.common.diagnostics import log_diagnostics
from services.common.metrics import serve_metrics
from services.common.resilience.retry import RetryPolicy
from services.common.rpc.server import Register, serve
from services.common.runtime import run
from services.common.storage import open_object_store
from services.common.usage import UsageRecorder, open_usage
from services.common.usage.servicer import register_usage_service
from services.tts.accounting import Accounting
from services.tts.assembly import SpeechOptions, build_speech
from services.tts.audio_store import AudioStore
from services.tts.cache import COLLECTION, CachedSpeech, SpeechCodec
from services.tts.diagnostics import diagnostics
from services.tts.metrics import SpeechMetrics
from services.tts.pacing import Pacing
from services.tts.planning import PlanningOptions
from services.tts.providers.elevenlabs import ElevenLabsSettings, open_elevenlabs
from services.tts.providers.espeak import open_espeak
from services.tts.providers.interface import SpeechProvider
from services.tts.service import SERVICE_NAME, TextToSpeechServicer
from services.tts.settings import TtsSettings


async def main(settings: TtsSettings) -> None:
    """Open providers and stores and serves until asked to stop."""
    log_diagnostics(diagnostics(settings))
    registry = CollectorRegistry()
    metrics = SpeechMetrics(registry)
    async with AsyncExitStack() as stack:
        stack.enter_context(serve_metrics(registry, settings.host, settings.metrics_port, "TTS_METRICS_PORT"))
        providers = await stack.enter_async_context(_providers(settings))
        usage = await stack.enter_async_context(
            open_usage(settings.mongodb_uri.get_secret_value(), settings.database_file)
        )
        cache = await stack.enter_async_context(_cache(settings)) if settings.caching_enabled else None
        if cache is not None:
            metrics.watch_cache(lambda: cache.stats)
        store = await stack.enter_async_context(open_object_store(settings))
        speech = build_speech(providers, _speech_options(settings), cache)
        await stack.enter_async_context(speech.flights)
        servicer = TextToSpeechServicer(
            speech.planner,
            speech.synthesizer,
            providers,
            Accounting(usage, metrics),
            max_unary_bytes=settings.max_unary_bytes,
            audio_store=AudioStore(store),
        )
        await serve(_registering(servicer, usage), settings.server_options())


def _registering(servicer: TextToSpeechServicer, usage: UsageRecorder) -> Register:
    def register(server: grpc.aio.Server) -> list[str]:
        tts_pb2_grpc.add_TextToSpeechServiceServicer_to_server(servicer, server)
        return [SERVICE_NAME, register_usage_service(server, usage)]

    return register


@asynccontextmanager
async def _providers(settings: TtsSettings) -> AsyncIterator[Mapping[str, SpeechProvider]]:
    elevenlabs = ElevenLabsSettings(
        api_key=settings.elevenlabs_api_key.get_secret_value(),
        base_url=settings.elevenlabs_base_url,
        first_byte_timeout_seconds=settings.elevenlabs_first_byte_seconds,
        enable_logging=settings.elevenlabs_enable_logging,
        optimize_streaming_latency=settings.elevenlabs_optimize_streaming_latency,
    )
    async with open_elevenlabs(elevenlabs) as paid, open_espeak() as embedded:
        yield {paid.name: paid, embedded.name: embedded}


@asynccontextmanager
async def _cache(settings: TtsSettings) -> AsyncIterator[TieredCache[CachedSpeech]]:
    uri, file = settings.mongodb_uri.get_secret_value(), settings.database_file
    options = TieredOptions(ttl_seconds=settings.cache_ttl_seconds, memory_bytes=settings.cache_memory_bytes)
    async with open_result_store(uri, file, COLLECTION) as store, TieredCache(store, SpeechCodec(), options) as cache:
        yield cache


def _speech_options(settings: TtsSettings) -> SpeechOptions:
    limit = settings.elevenlabs_max_concurrent_calls
    return SpeechOptions(
        PlanningOptions(
            settings.provider_by_default,
            settings.fallback_order,
            max_text_characters=settings.max_text_characters,
            resume=settings.resume_streams,
        ),
        stall_seconds=settings.stall_seconds,
        patience_seconds=settings.patience_seconds,
        retry=RetryPolicy(max_attempts=settings.max_attempts),
        concurrency={} if limit is None else {"elevenlabs": limit},
        pacing=Pacing() if settings.pacing_enabled else None,
        reuse_sentences=settings.reuse_sentences,
    )


if __name__ == "__main__":
    run("services.tts", "Serves text to speech over gRPC.", TtsSettings, main)
