"""What the operator's dashboards count of videos."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.common.rpc.outcome import OK

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1280)


class VideoMetrics:
    """Counters of the video service.

    Args:
        registry: Where they are found by whoever asks for them.
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
            "From request to stored video.",
            ("method", "provider"),
            buckets=_SECONDS,
            registry=registry,
        )

    def call_ended(self, method: str, provider: str, outcome: str, seconds: float) -> None:
        """Count one call."""
        self._calls.labels(method, provider, outcome).inc()
        if outcome == OK:
            self._seconds.labels(method, provider).observe(seconds)

    def watch(self, waiting: Callable[[], int], at_work: Callable[[], int]) -> None:
        """Show, whenever somebody asks, how many wait for ffmpeg and how many videos are being made."""
        line = Gauge("media_video_ffmpeg_waiting", "Videos that wait for a place for ffmpeg.", registry=self._registry)
        line.set_function(waiting)
        videos = Gauge("media_video_productions", "Videos that are being made.", registry=self._registry)
        videos.set_function(at_work)
