"""Limits a repeated log line to one per interval and counts the lines it suppresses."""

from __future__ import annotations

from collections.abc import Callable


class LogThrottle:
    """Allows one log line per interval.

    Args:
        interval_seconds: Least time between two lines.
        monotonic: Monotonic clock, in seconds.
    """

    def __init__(self, interval_seconds: float, monotonic: Callable[[], float]) -> None:
        self._interval_seconds = interval_seconds
        self._monotonic = monotonic
        self._next_at: float | None = None
        self._suppressed_since = 0
        self.suppressed = 0
        """How many lines were suppressed between the last allowed line and the one before it."""

    def allows(self) -> bool:
        """Return whether a line may be logged now; a refused line is counted."""
        now = self._monotonic()
        if self._next_at is not None and now < self._next_at:
            self._suppressed_since += 1
            return False
        self._next_at = now + self._interval_seconds
        self.suppressed, self._suppressed_since = self._suppressed_since, 0
        return True
