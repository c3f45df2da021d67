"""Prometheus metrics of the speech service."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

from services.common.cache import CacheStats
from services.common.metrics import CacheCollector

_FIRST_AUDIO_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class SpeechMetrics:
    """Counters of the speech service.

    Args:
        registry: The registry that exposes them.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._calls = Counter(
            "media_speech_calls",
            "Calls that ended, by provider, by where the result came from (miss, hit, joined, bypass) and by outcome.",
            ("provider", "cache", "outcome"),
            registry=registry,
        )
        self._timing_repairs = Counter(
            "media_speech_timing_repairs",
            "Calls whose timing from the provider was repaired, by provider and by what was wrong: respelled, foreign, "
            "incomplete, beyond_audio.",
            ("provider", "repair"),
            registry=registry,
        )
        self._first_audio = Histogram(
            "media_speech_first_audio_seconds",
            "Time from the request to the first audio.",
            ("cache",),
            buckets=_FIRST_AUDIO_SECONDS,
            registry=registry,
        )

    def record_call(self, provider: str, cache: str, outcome: str, first_audio_seconds: float | None) -> None:
        """Count one call."""
        self._calls.labels(provider, cache, outcome).inc()
        if first_audio_seconds is not None:
            self._first_audio.labels(cache).observe(first_audio_seconds)

    def record_timing_repairs(self, provider: str, repairs: Iterable[str]) -> None:
        """Count one call for each kind of repair of its timing."""
        for repair in repairs:
            self._timing_repairs.labels(provider, repair).inc()

    def watch_cache(self, stats: Callable[[], CacheStats]) -> None:
        """Expose the statistics of the cache at every scrape."""
        self._registry.register(CacheCollector("media_speech_cache", stats))
