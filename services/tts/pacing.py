"""Lets audio gather while the listener has enough to hear, so that it travels in few large messages."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pacing:
    """When to stop taking audio from a provider, and for how long."""

    lead_seconds: float = 0.5
    """What a listener must have ahead before a rest; more than `rest_seconds`."""
    rest_seconds: float = 0.25
    """Length of a rest; a stream ends later by this at most."""
    large_bytes: int = 32 * 1024
    """A chunk of this size shows that audio comes faster than it is asked for: there is nothing to gather."""

    def __post_init__(self) -> None:
        """Raise ValueError where a listener would run dry."""
        if not 0 <= self.rest_seconds < self.lead_seconds:
            raise ValueError("a rest must be shorter than the lead that allows it")


class PlaybackClock:
    """Somebody who hears audio from the moment its first chunk is there, and is never told to wait.

    Args:
        pacing: When there is time to rest; None for never.
        clock: Returns seconds on a clock that never goes back.
    """

    def __init__(self, pacing: Pacing | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._pacing = pacing
        self._clock = clock
        self._began_seconds: float | None = None

    def rest_seconds(self, chunk_bytes: int, sent_seconds: float) -> float:
        """Return how long to rest now; 0 for not at all.

        Args:
            chunk_bytes: Size of the chunk that was told last.
            sent_seconds: How much audio was told so far, that chunk included.
        """
        if self._pacing is None:
            return 0.0
        now_seconds = self._clock()
        if self._began_seconds is None:
            self._began_seconds = now_seconds
        lead_seconds = sent_seconds - (now_seconds - self._began_seconds)
        gathers = chunk_bytes < self._pacing.large_bytes and lead_seconds > self._pacing.lead_seconds
        return self._pacing.rest_seconds if gathers else 0.0
