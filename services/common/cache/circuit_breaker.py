"""The circuit breaker: stops calls to a store that keeps failing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CircuitOptions:
    """Threshold and pauses of a circuit breaker."""

    failures: int = 5
    """Number of failures in a row that opens the circuit."""
    first_pause_seconds: float = 1.0
    """How long no call is allowed after the circuit has opened."""
    longest_pause_seconds: float = 60.0
    """Upper bound of the pause, which doubles with each failed probe."""


class CircuitBreaker:
    """Opens after a number of failures in a row, then allows one probe per pause until one succeeds.

    If the outcome of a probe is never reported, the next probe is allowed after the same pause.

    Args:
        options: Threshold and pauses.
        monotonic: Monotonic clock, in seconds.
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
        """Return whether one call may be made now; the caller then makes the call and reports its outcome."""
        if self._retry_at is None:
            return True
        now = self._monotonic()
        if now < self._retry_at:
            return False
        self._retry_at = now + self._pause_seconds
        return True

    def record_success(self) -> None:
        """Report that a call succeeded."""
        self._failures_in_a_row = 0
        self._pause_seconds = self._options.first_pause_seconds
        self._retry_at = None

    def record_failure(self) -> None:
        """Report that a call failed or timed out."""
        self._failures_in_a_row += 1
        if self._failures_in_a_row < self._options.failures:
            return
        if self._failures_in_a_row > self._options.failures:
            self._pause_seconds = min(2 * self._pause_seconds, self._options.longest_pause_seconds)
        self._retry_at = self._monotonic() + self._pause_seconds
