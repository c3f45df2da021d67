"""The clock for expiry: a wall clock that is set back does not revive expired entries."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from services.common.cache.interface import Entry

_SKEW = timedelta(seconds=5)


class ExpiryClock:
    """Returns the later of two times: the wall clock, and its value at the start plus the time since.

    A wall clock that jumps forward therefore expires entries, and one that jumps back prolongs none.

    Args:
        wall: Wall clock, in seconds since 1970 (UTC).
        monotonic: Monotonic clock, in seconds.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self.monotonic = monotonic
        self._offset_seconds = wall() - monotonic()

    def now(self) -> datetime:
        """Return the time in UTC, to the millisecond, which is the precision of the stores."""
        seconds = max(self._wall(), self._offset_seconds + self.monotonic())
        return datetime.fromtimestamp(int(seconds * 1000) / 1000, UTC)

    def seconds_left(self, entry: Entry) -> float:
        """Return how long `entry` may still be served; 0 or less if it has expired.

        An entry that was created in the future was written with a wrong clock, so its expiry is not trusted.
        """
        now = self.now()
        if entry.created_at > now + _SKEW:
            return 0.0
        return min(entry.expires_at - now, entry.expires_at - entry.created_at).total_seconds()
