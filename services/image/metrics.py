"""Prometheus metrics of the image service."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.common.cache import CacheStats
from services.common.metrics import CacheCollector

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320)


class ImageMetrics:
    """The metrics of the image service.

    Args:
        registry: Registry that the metrics endpoint serves.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._calls = Counter(
            "media_image_calls",
            "Calls that ended, by method, by provider, by where the image came from and by outcome.",
            ("method", "provider", "cache", "outcome"),
            registry=registry,
        )
        self._seconds = Histogram(
            "media_image_seconds",
            "From request to stored image.",
            ("method", "cache"),
            buckets=_SECONDS,
            registry=registry,
        )

    def record_call(self, method: str, provider: str, cache: str, outcome: str, seconds: float) -> None:
        """Count a call that ended; observe its duration if it succeeded."""
        self._calls.labels(method, provider, cache, outcome).inc()
        if outcome == "OK":
            self._seconds.labels(method, cache).observe(seconds)

    def watch_cache(self, stats: Callable[[], CacheStats]) -> None:
        """Export the statistics of the cache; `stats` is called at each scrape."""
        self._registry.register(CacheCollector("media_image_cache", stats))

    def watch_workers(self, queued: Callable[[], int]) -> None:
        """Export the length of the worker pool's queue; `queued` is called at each scrape."""
        waiting = Gauge("media_image_workers_queued", "Images that wait for a worker.", registry=self._registry)
        waiting.set_function(queued)
