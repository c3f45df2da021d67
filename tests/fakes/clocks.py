"""Clocks that tests set: one on the wall, which may be wrong, and one that only goes forward."""

from __future__ import annotations

from services.common.cache.expiry_clock import ExpiryClock

START_SECONDS = 1_800_000_000.0


class Clocks:
    """What a machine knows of time; `steady()` is the clock of a process that starts now."""

    def __init__(self) -> None:
        self.wall_seconds = START_SECONDS
        self.monotonic_seconds = 5000.0

    def steady(self) -> ExpiryClock:
        """Return the clock of a process that starts now."""
        return ExpiryClock(lambda: self.wall_seconds, lambda: self.monotonic_seconds)

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass."""
        self.wall_seconds += seconds
        self.monotonic_seconds += seconds

    def set_wall(self, seconds: float) -> None:
        """Move the hands of the wall clock by `seconds`, forward or back, while no time passes."""
        self.wall_seconds += seconds
