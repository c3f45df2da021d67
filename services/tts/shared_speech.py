"""Speech that callers share: from the cache, or from one production for all concurrent requests."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from services.common.cache import TieredCache
from services.common.singleflight import SingleFlight
from services.tts.cache import CachedSpeech, SpeechRecorder, build_cache_key, replay
from services.tts.events import CostReport, Done, Header, Plan, SpeechEvent, with_cache_status

Produce = Callable[[Plan], AsyncGenerator[SpeechEvent, None]]
"""Called with a plan to produce its speech, with timing, when there is nothing to share yet."""


class SharedSpeech:
    """Pays once for speech that several callers request, at the same time or one after the other.

    Args:
        cache: Cache of whole utterances; None for no cache.
        flights: The productions that are running; the owner of this object opens and closes it.
    """

    def __init__(self, cache: TieredCache[CachedSpeech] | None, flights: SingleFlight[SpeechEvent]) -> None:
        self._cache = cache
        self._flights = flights

    async def stream(self, plan: Plan, produce: Produce) -> AsyncGenerator[SpeechEvent, None]:
        """Yield the speech of `plan`: cached, from the production that is running, or from a new one."""
        key = build_cache_key(plan)
        if (cached := await self._find_cached(key)) is not None:
            for event in replay(cached, plan):
                yield event
            return
        with self._flights.subscribe(key, lambda: self._record(key, plan, produce)) as subscription:
            costs = CostReport()
            async for event in subscription.items():
                if isinstance(event, Header):
                    costs = event.cost_report
                # The first subscriber to reach the end reports the cost: the one that started it may have left.
                due = costs.take() if isinstance(event, Done) else None
                if isinstance(event, Done) and (due or not subscription.joined):
                    yield replace(event, cost_units=due)
                else:
                    yield with_cache_status(event, "joined") if subscription.joined else event

    async def _find_cached(self, key: str) -> CachedSpeech | None:
        if self._cache is None or key in self._flights:
            return None
        # A production may have ended while get() was waiting. Without the second look it would be paid for twice.
        return await self._cache.get(key) or self._cache.peek(key)

    async def _record(self, key: str, plan: Plan, produce: Produce) -> AsyncGenerator[SpeechEvent, None]:
        """Produce the speech for all subscribers, and cache it."""
        recorder = SpeechRecorder(plan)
        async with aclosing(produce(plan)) as events:
            async for original in events:
                event = replace(original, cache_status="miss") if isinstance(original, Header) else original
                recorder.feed(event)
                if (
                    isinstance(event, Done)
                    and self._cache is not None
                    and (entry := recorder.build_entry()) is not None
                ):
                    # Cache before yielding the end: a caller that starts after it must find the entry.
                    self._cache.put(key, entry)
                yield event
