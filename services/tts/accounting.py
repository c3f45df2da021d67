"""Records usage and metrics of every call, including failed and cancelled ones."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import UTC, datetime

from services.common.cache import CacheStatus
from services.common.errors import MediaError, Reason
from services.common.usage import UsageRecord, UsageRecorder
from services.tts.events import Done, Header, SpeechEvent
from services.tts.metrics import SpeechMetrics
from services.tts.providers.interface import AudioChunk


class Accounting:
    """Records usage and metrics of calls while their events pass through.

    Args:
        usage: Receives one record per call; None to record nothing.
        metrics: Counters of the service.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self,
        usage: UsageRecorder | None,
        metrics: SpeechMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._usage = usage
        self._metrics = metrics
        self._clock = clock

    async def watch(
        self, events: AsyncGenerator[SpeechEvent, None], principal: str, text: str
    ) -> AsyncGenerator[SpeechEvent, None]:
        """Yield `events`, and record the call of `principal` when it ends."""
        began = self._clock()
        outcome = Reason.CANCELLED.name
        header: Header | None = None
        done: Done | None = None
        first_audio_seconds: float | None = None
        try:
            async with aclosing(events):
                async for event in events:
                    match event:
                        case Header():
                            header = event
                        case AudioChunk() if first_audio_seconds is None and event.audio:
                            first_audio_seconds = self._clock() - began
                        case Done():
                            # Count success before the last message is sent: a caller that leaves now has everything.
                            done, outcome = event, "OK"
                    yield event
        except MediaError as error:
            outcome = error.reason.name
            raise
        except Exception:
            outcome = Reason.INTERNAL.name
            raise
        finally:
            status = _get_cache_status(header)
            seconds = self._clock() - began
            self._metrics.record_call(header.provider if header else "", status, outcome, first_audio_seconds)
            if header is not None and done is not None:
                self._metrics.record_timing_repairs(header.provider, done.timing_repairs)
            if self._usage is not None:
                self._usage.record(
                    _build_usage_record(principal, len(text), header, done, seconds, first_audio_seconds, outcome)
                )


def _get_cache_status(header: Header | None) -> CacheStatus:
    return header.cache_status if header is not None else "bypass"


def _build_usage_record(
    principal: str,
    characters: int,
    header: Header | None,
    done: Done | None,
    seconds: float,
    first_audio_seconds: float | None,
    outcome: str,
) -> UsageRecord:
    status, paid = _get_cache_status(header), _take_cost(header, done)
    # A caller that joined pays only if the caller that started the production has left.
    shared = status in ("hit", "joined") and not paid
    cached = 0 if done is None else characters if shared else done.cached_characters
    return UsageRecord(
        at=datetime.now(UTC),
        principal=principal,
        characters=characters,
        cost_units=None if shared else paid,
        cache_status=status,
        saved_cost_units=done.saved_cost_units if done is not None else 0,
        cached_characters=cached,
        latency_seconds=seconds,
        first_audio_seconds=first_audio_seconds,
        outcome=outcome,
    )


def _take_cost(header: Header | None, done: Done | None) -> int | None:
    """Return the cost of the call; a caller that leaves its own production pays what was charged so far."""
    if done is not None:
        return done.cost_units
    return header.cost_report.take() if header is not None and header.cache_status in ("miss", "bypass") else None
