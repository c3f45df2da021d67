"""Clocks that tests set: a wall clock, which may jump, and a monotonic clock."""

from __future__ import annotations

from services.common.cache.interface import ExpiryClock

START_SECONDS = 1_800_000_000.0


class Clocks:
    """The clocks of a machine; `steady()` returns the expiry clock of a new process."""

    def __init__(self) -> None:
        self.wall_seconds = START_SECONDS
        self.monotonic_seconds = 5000.0

    def steady(self) -> ExpiryClock:
        """Return the expiry clock of a process that starts now."""
        return ExpiryClock(lambda: self.wall_seconds, lambda: self.monotonic_seconds)

    def pass_seconds(self, seconds: float) -> None:
        """Advance both clocks."""
        self.wall_seconds += seconds
        self.monotonic_seconds += seconds

    def set_wall(self, seconds: float) -> None:
        """Move the wall clock by `seconds`, which may be negative, without advancing the monotonic clock."""
        self.wall_seconds += seconds
