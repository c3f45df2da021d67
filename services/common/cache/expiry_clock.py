"""A clock for expiry: what a wall clock that is set back would bring to life again stays dead."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from services.common.cache.interface import Entry

_SKEW = timedelta(seconds=5)


class ExpiryClock:
    """Tells the time as the later of two: the wall clock, and the wall clock at the start plus the time since.

    So a wall clock that jumps forward expires what it should, and one that jumps back prolongs nothing.

    Args:
        wall: Seconds since 1970 in UTC.
        monotonic: Seconds since any moment, never decreasing.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self.monotonic = monotonic
        self._offset_seconds = wall() - monotonic()

    def now(self) -> datetime:
        """Return the time in UTC, to the millisecond, as stores keep it."""
        seconds = max(self._wall(), self._offset_seconds + self.monotonic())
        return datetime.fromtimestamp(int(seconds * 1000) / 1000, UTC)

    def seconds_left(self, entry: Entry) -> float:
        """Return how long `entry` may still be served; 0 or less if it may not.

        An entry from the future was written by a clock that was wrong, so its expiry means nothing.
        """
        now = self.now()
        if entry.created_at > now + _SKEW:
            return 0.0
        return min(entry.expires_at - now, entry.expires_at - entry.created_at).total_seconds()
