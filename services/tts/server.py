"""The speech process: opens providers, stores and the cache, and serves until it is stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import grpc
from media.tts.v1 import tts_pb2_grpc
from prometheus_client import CollectorRegistry

from services.common.cache import TieredCache, open_cache
from services.common.diagnostics import log_diagnostics
from services.common.metrics import serve_metrics
from services.common.records import open_records
from services.common.resilience.concurrency_limiter import ConcurrencyLimiter
from services.common.resilience.retry import ProviderPolicy, Retrier, RetryPolicy
from services.common.rpc.server import serve
from services.common.singleflight import SingleFlight
from services.common.storage import open_object_store
from services.common.usage import open_usage
from services.common.usage.servicer import register_usage_service
from services.tts.accounting import Accounting
from services.tts.audio_store import OLD_FOLDERS, AudioStore
from services.tts.cache import COLLECTION, CachedSpeech, SpeechCodec
from services.tts.diagnostics import diagnose_speech
from services.tts.events import SpeechEvent, estimate_size_bytes
from services.tts.metrics import SpeechMetrics
from services.tts.planning import Planner, PlanningOptions
from services.tts.providers.elevenlabs import ElevenLabsSettings, open_elevenlabs
from services.tts.providers.espeak import open_espeak
from services.tts.providers.interface import SpeechProvider
from services.tts.service import SERVICE_NAME, TextToSpeechServicer
from services.tts.settings import TtsSettings
from services.tts.synthesis import SynthesisOptions, Synthesizer
from services.tts.utterance import Pacing, UtteranceOptions


async def main(settings: TtsSettings) -> None:
    """Open providers and stores, and serve until the process is stopped."""
    log_diagnostics(diagnose_speech(settings))
    registry = CollectorRegistry()
    metrics = SpeechMetrics(registry)
    async with AsyncExitStack() as stack:
        stack.enter_context(serve_metrics(registry, settings.host, settings.metrics_port, "TTS_METRICS_PORT"))
        providers = await stack.enter_async_context(_open_providers(settings))
        usage = await stack.enter_async_context(
            open_usage(settings.mongodb_uri.get_secret_value(), settings.database_file)
        )
        cache = (
            await stack.enter_async_context(open_cache(settings, COLLECTION, SpeechCodec()))
            if settings.caching_enabled
            else None
        )
        if cache is not None:
            metrics.watch_cache(lambda: cache.stats)
        store = await stack.enter_async_context(open_object_store(settings))
        records = await stack.enter_async_context(open_records(settings, store, OLD_FOLDERS, registry))
        speech = build_speech(providers, _build_speech_options(settings), cache)
        await stack.enter_async_context(speech.flights)
        servicer = TextToSpeechServicer(
            speech.planner,
            speech.synthesizer,
            providers,
            Accounting(usage, metrics),
            max_unary_bytes=settings.max_unary_bytes,
            audio_store=AudioStore(store, records),
        )

        def register(server: grpc.aio.Server) -> list[str]:
            tts_pb2_grpc.add_TextToSpeechServiceServicer_to_server(servicer, server)
            return [SERVICE_NAME, register_usage_service(server, usage)]

        await serve(register, settings.server_options())


@asynccontextmanager
async def _open_providers(settings: TtsSettings) -> AsyncIterator[Mapping[str, SpeechProvider]]:
    elevenlabs = ElevenLabsSettings(
        api_key=settings.elevenlabs_api_key.get_secret_value(),
        base_url=settings.elevenlabs_base_url,
        first_byte_timeout_seconds=settings.elevenlabs_first_byte_seconds,
        enable_logging=settings.elevenlabs_enable_logging,
        optimize_streaming_latency=settings.elevenlabs_optimize_streaming_latency,
    )
    async with open_elevenlabs(elevenlabs) as paid, open_espeak() as embedded:
        yield {paid.name: paid, embedded.name: embedded}


def _build_speech_options(settings: TtsSettings) -> SpeechOptions:
    limit = settings.elevenlabs_max_concurrent_calls
    return SpeechOptions(
        PlanningOptions(
            settings.provider_by_default,
            settings.fallback_order,
            max_text_characters=settings.max_text_characters,
            resume=settings.resume_streams,
        ),
        stall_seconds=settings.stall_seconds,
        wait_seconds=settings.wait_seconds,
        retry=RetryPolicy(max_attempts=settings.max_attempts),
        concurrency={} if limit is None else {"elevenlabs": limit},
        pacing=Pacing() if settings.pacing_enabled else None,
        reuse_sentences=settings.reuse_sentences,
    )


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """How speech is planned, produced, shared and cached."""

    planning: PlanningOptions
    """Defaults and limits of requests."""
    stall_seconds: float = 10.0
    """Longest silence of a provider."""
    wait_seconds: float = 30.0
    """Longest wait for permits and between attempts, over all providers of a request."""
    retry: RetryPolicy = RetryPolicy()
    """When a provider is called again."""
    concurrency: Mapping[str, int] = field(default_factory=dict)
    """Most concurrent calls by provider; a provider not listed is unlimited until it reports its limit."""
    max_queue: int = 1000
    """Most calls that wait for a permit, per provider."""
    pacing: Pacing | None = Pacing()
    """When to pause reading of a stream, so that audio gathers; None for never."""
    reuse_sentences: bool = False
    """Whether each sentence is cached by itself."""


@dataclass(frozen=True, slots=True)
class SpeechComponents:
    """The wired parts that produce speech."""

    planner: Planner
    synthesizer: Synthesizer
    flights: SingleFlight[SpeechEvent]


def build_speech(
    providers: Mapping[str, SpeechProvider], options: SpeechOptions, cache: TieredCache[CachedSpeech] | None = None
) -> SpeechComponents:
    """Return the wired parts; the caller must enter the context of `flights` while it uses them."""
    policy = ProviderPolicy(
        limiters={
            name: ConcurrencyLimiter(name, options.concurrency.get(name), options.max_queue) for name in providers
        },
        retrier=Retrier(options.retry),
        wait_seconds=options.wait_seconds,
        stall_seconds=options.stall_seconds,
    )
    flights: SingleFlight[SpeechEvent] = SingleFlight(estimate_size_bytes)
    synthesis = SynthesisOptions(
        UtteranceOptions(stall_seconds=options.stall_seconds, pacing=options.pacing),
        reuse_sentences=options.reuse_sentences,
    )
    return SpeechComponents(
        Planner(providers, options.planning), Synthesizer(policy, cache, flights, synthesis), flights
    )
