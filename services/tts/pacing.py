"""Pauses reading while the listener has enough audio, so that more gathers and travels in fewer messages."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pacing:
    """When to pause reading from a provider, and for how long."""

    lead_seconds: float = 0.5
    """Audio that the listener must have in advance before a pause; more than `rest_seconds`."""
    rest_seconds: float = 0.25
    """Length of a pause; a stream ends later by this at most."""
    large_bytes: int = 32 * 1024
    """A chunk of this size shows that audio arrives in large parts already, and a pause gains nothing."""

    def __post_init__(self) -> None:
        """Raise ValueError if a pause could interrupt the playback."""
        if not 0 <= self.rest_seconds < self.lead_seconds:
            raise ValueError("rest_seconds must be at least 0 and less than lead_seconds")


class PlaybackClock:
    """Estimates how far a listener is that plays the audio from its first chunk on without a break.

    Args:
        pacing: When to pause; None for never.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, pacing: Pacing | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._pacing = pacing
        self._clock = clock
        self._began_seconds: float | None = None

    def rest_seconds(self, chunk_bytes: int, sent_seconds: float) -> float:
        """Return how long to pause now; 0 for no pause.

        Args:
            chunk_bytes: Size of the last chunk sent.
            sent_seconds: Length of the audio sent so far, including that chunk.
        """
        if self._pacing is None:
            return 0.0
        now_seconds = self._clock()
        if self._began_seconds is None:
            self._began_seconds = now_seconds
        lead_seconds = sent_seconds - (now_seconds - self._began_seconds)
        gathers = chunk_bytes < self._pacing.large_bytes and lead_seconds > self._pacing.lead_seconds
        return self._pacing.rest_seconds if gathers else 0.0
