"""The text-to-speech service with fake providers, on a free port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from media.tts.v1 import tts_pb2_grpc
from prometheus_client import CollectorRegistry

from services.common.cache import TieredCache
from services.common.records import RecordStore
from services.common.resilience.retry import RetryPolicy
from services.common.storage import ObjectStore
from services.common.usage import UsageRecorder
from services.tts.accounting import Accounting
from services.tts.audio_store import AudioStore
from services.tts.cache import CachedSpeech
from services.tts.metrics import SpeechMetrics
from services.tts.planning import PlanningOptions
from services.tts.providers.interface import SpeechProvider
from services.tts.server import SpeechComponents, SpeechOptions, build_speech
from services.tts.service import SERVICE_NAME, TextToSpeechServicer
from tests.fakes.grpc_server import ServerAndChannel, run_test_server
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.records import build_records

ONE_ATTEMPT = RetryPolicy(max_attempts=1)


def build_speech_parts(
    *providers: SpeechProvider,
    stall_seconds: float = 5,
    fallbacks: tuple[str, ...] = (),
    resume: bool = True,
    reuse_sentences: bool = False,
    cache: TieredCache[CachedSpeech] | None = None,
) -> SpeechComponents:
    """Return the parts that produce speech with these providers, without retries or pauses."""
    by_name = {provider.name: provider for provider in providers}
    planning = PlanningOptions(providers[0].name, fallbacks, max_text_characters=10_000, resume=resume)
    options = SpeechOptions(
        planning, stall_seconds=stall_seconds, retry=ONE_ATTEMPT, pacing=None, reuse_sentences=reuse_sentences
    )
    return build_speech(by_name, options, cache)


def build_servicer(
    *providers: SpeechProvider,
    max_unary_bytes: int = 1_000_000,
    usage: UsageRecorder | None = None,
    store: ObjectStore | None = None,
    records: RecordStore | None = None,
    **options: Any,
) -> TextToSpeechServicer:
    """Return the service with these providers and the options of `build_speech_parts`."""
    speech = build_speech_parts(*providers, **options)
    accounting = Accounting(usage, SpeechMetrics(CollectorRegistry()))
    by_name = {provider.name: provider for provider in providers}
    return TextToSpeechServicer(
        speech.planner,
        speech.synthesizer,
        by_name,
        accounting,
        max_unary_bytes=max_unary_bytes,
        audio_store=AudioStore(store or FakeObjectStore(), build_records(records)),
    )


@asynccontextmanager
async def serve_speech(servicer: TextToSpeechServicer) -> AsyncIterator[ServerAndChannel]:
    """Run the service on a free port."""

    def register(server: grpc.aio.Server) -> list[str]:
        tts_pb2_grpc.add_TextToSpeechServiceServicer_to_server(servicer, server)
        return [SERVICE_NAME]

    async with run_test_server(register) as running:
        yield running


@asynccontextmanager
async def open_speech_stub(
    *providers: SpeechProvider, stall_seconds: float = 5, max_unary_bytes: int = 1_000_000
) -> AsyncIterator[tts_pb2_grpc.TextToSpeechServiceAsyncStub]:
    """Run the service with these providers; yield a stub for it."""
    servicer = build_servicer(*providers, stall_seconds=stall_seconds, max_unary_bytes=max_unary_bytes)
    async with serve_speech(servicer) as running:
        yield tts_pb2_grpc.TextToSpeechServiceStub(running.channel)
