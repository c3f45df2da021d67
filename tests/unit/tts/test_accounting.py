"""Usage and metrics of each call, however it ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from services.common.cache import CacheStats, CacheStatus
from services.common.errors import MediaError, Reason
from services.common.usage import UsageRecord, UsageRecorder
from services.tts.accounting import Accounting
from services.tts.events import CostReport, Done, Header, SpeechEvent
from services.tts.formats import FORMATS
from services.tts.metrics import SpeechMetrics
from services.tts.providers.interface import AudioChunk, SpeechSpec
from tests.fakes.speech import build_voice
from tests.fakes.usage import Ledger

TEXT = "Hello"
SPEC = SpeechSpec(TEXT, build_voice(), FORMATS["pcm_8000"])
CHUNK = AudioChunk(b"\x00\x00")


async def call(
    status: CacheStatus, *rest: SpeechEvent | Exception, charged: int | None = 5
) -> AsyncIterator[SpeechEvent]:
    yield Header(SPEC, "espeak", cache_status=status, cost_report=CostReport(charged))
    for step in rest:
        if isinstance(step, Exception):
            raise step
        yield step


def build_done(cost_units: int | None = 5, saved_cost_units: int = 0, cached_characters: int = 0) -> Done:
    return Done(5, 2, 1.0, "", cost_units, cached_characters=cached_characters, saved_cost_units=saved_cost_units)


async def account(
    events: AsyncIterator[SpeechEvent], leaves_after: int | None = None
) -> tuple[UsageRecord, CollectorRegistry]:
    ledger, registry = Ledger(), CollectorRegistry()
    accounting = Accounting(cast("UsageRecorder", ledger), SpeechMetrics(registry))
    generator = cast("AsyncGenerator[SpeechEvent, None]", events)
    received = 0
    async with aclosing(accounting.watch(generator, "alice", TEXT)) as watched:
        try:
            async for _ in watched:
                received += 1
                if received == leaves_after:
                    break
        except (MediaError, RuntimeError):
            pass
    (record,) = ledger.records
    return record, registry


@pytest.mark.parametrize(
    ("status", "end", "cost", "saved", "cached"),
    [
        ("miss", build_done(), 5, 0, 0),
        ("bypass", build_done(), 5, 0, 0),
        ("miss", build_done(3, 2, 2), 3, 2, 2),
        ("hit", build_done(0, 5, 5), None, 5, 5),
        ("joined", build_done(0, 5), None, 5, 5),
        ("joined", build_done(), 5, 0, 0),
    ],
)
async def test_a_whole_call_is_recorded_with_cost_and_savings(
    status: CacheStatus, end: Done, cost: int | None, saved: int, cached: int
) -> None:
    record, registry = await account(call(status, CHUNK, end))
    assert (record.principal, record.outcome, record.characters) == ("alice", "OK", 5)
    assert (record.cost_units, record.saved_cost_units, record.cached_characters) == (cost, saved, cached)
    assert record.first_audio_seconds is not None
    labels = {"provider": "espeak", "cache": status, "outcome": "OK"}
    assert registry.get_sample_value("media_speech_calls_total", labels) == 1


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [(MediaError(Reason.PROVIDER_BUSY), "PROVIDER_BUSY"), (RuntimeError("secret"), "INTERNAL")],
)
async def test_a_failed_call_is_recorded_with_its_reason(failure: Exception, outcome: str) -> None:
    record, _ = await account(call("miss", CHUNK, failure))
    # The provider charges what it accepted, even if the call failed later.
    assert (record.outcome, record.cost_units) == (outcome, 5)


async def test_a_call_that_the_caller_left_is_recorded_as_cancelled() -> None:
    record, _ = await account(call("miss", CHUNK, CHUNK, build_done()), leaves_after=2)
    assert (record.outcome, record.cost_units) == ("CANCELLED", 5)


async def test_a_joined_caller_that_leaves_pays_nothing() -> None:
    record, _ = await account(call("joined", CHUNK, CHUNK, build_done()), leaves_after=2)
    assert (record.outcome, record.cost_units) == ("CANCELLED", None)


async def test_a_caller_that_leaves_after_the_last_message_is_a_success() -> None:
    record, _ = await account(call("miss", CHUNK, build_done()), leaves_after=3)
    assert record.outcome == "OK"


def test_cache_statistics_are_exposed_at_a_scrape() -> None:
    registry = CollectorRegistry()
    SpeechMetrics(registry).watch_cache(lambda: CacheStats(hits_memory=3))
    assert registry.get_sample_value("media_speech_cache_total", {"event": "hits_memory"}) == 3
