"""Prometheus metrics of the video service."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.common.metrics import OK

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1280)


class VideoMetrics:
    """Metrics of the video service.

    Args:
        registry: Registry that serves the metrics.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._calls = Counter(
            "media_video_calls",
            "Calls that ended, by method, by provider and by outcome.",
            ("method", "provider", "outcome"),
            registry=registry,
        )
        self._seconds = Histogram(
            "media_video_seconds",
            "Seconds from the request to the stored video.",
            ("method", "provider"),
            buckets=_SECONDS,
            registry=registry,
        )

    def count_call(self, method: str, provider: str, outcome: str, seconds: float) -> None:
        """Count one call; observe its duration if it succeeded."""
        self._calls.labels(method, provider, outcome).inc()
        if outcome == OK:
            self._seconds.labels(method, provider).observe(seconds)

    def add_gauges(self, waiting: Callable[[], int], running: Callable[[], int]) -> None:
        """Add gauges that read the queue for ffmpeg and the running generations at each scrape."""
        queue = Gauge("media_video_ffmpeg_waiting", "Runs that wait for ffmpeg.", registry=self._registry)
        queue.set_function(waiting)
        generations = Gauge("media_video_productions", "Generations that run.", registry=self._registry)
        generations.set_function(running)
