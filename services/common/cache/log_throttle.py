"""Holds a log line down to one a minute, and counts what it held back."""

from __future__ import annotations

from collections.abc import Callable


class LogThrottle:
    """Lets one through per interval.

    Args:
        interval_seconds: Least time between two.
        monotonic: Seconds since any moment, never decreasing.
    """

    def __init__(self, interval_seconds: float, monotonic: Callable[[], float]) -> None:
        self._interval_seconds = interval_seconds
        self._monotonic = monotonic
        self._next_at: float | None = None
        self._held_back = 0

    def turn(self) -> int | None:
        """Return how many were held back since the last one, or None where this one is held back too."""
        now = self._monotonic()
        if self._next_at is not None and now < self._next_at:
            self._held_back += 1
            return None
        self._next_at = now + self._interval_seconds
        held_back, self._held_back = self._held_back, 0
        return held_back
