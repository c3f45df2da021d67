"""Keeps a store that fails from being asked again at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CircuitOptions:
    """When a circuit opens, and for how long."""

    failures: int = 5
    """Failures in a row that open it."""
    first_pause_seconds: float = 1.0
    """How long nobody asks after it has opened."""
    longest_pause_seconds: float = 60.0
    """Where the doubling of the pause ends."""


class CircuitBreaker:
    """Open after so many failures in a row; then one call a pause may try, and success closes it.

    A probe whose outcome is never reported does no harm: the next one is due after the same pause.

    Args:
        options: When it opens, and for how long.
        monotonic: Seconds since any moment, never decreasing.
    """

    def __init__(
        self, options: CircuitOptions = CircuitOptions(), monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._options = options
        self._monotonic = monotonic
        self._failures_in_a_row = 0
        self._pause_seconds = options.first_pause_seconds
        self._retry_at: float | None = None

    def allows(self) -> bool:
        """Say whether one call may be made now; whoever is told yes makes it and reports its outcome."""
        if self._retry_at is None:
            return True
        now = self._monotonic()
        if now < self._retry_at:
            return False
        self._retry_at = now + self._pause_seconds
        return True

    def record_success(self) -> None:
        """Take note that a call worked."""
        self._failures_in_a_row = 0
        self._pause_seconds = self._options.first_pause_seconds
        self._retry_at = None

    def record_failure(self) -> None:
        """Take note that a call failed or took too long."""
        self._failures_in_a_row += 1
        if self._failures_in_a_row < self._options.failures:
            return
        if self._failures_in_a_row > self._options.failures:
            self._pause_seconds = min(2 * self._pause_seconds, self._options.longest_pause_seconds)
        self._retry_at = self._monotonic() + self._pause_seconds
