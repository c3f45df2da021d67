"""Limit the concurrent calls with one provider key; further calls wait in a queue."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from services.common.errors import MediaError, Reason
from services.common.log import logger

log = logger(__name__)

RECOVERY_SECONDS = 5.0
"""Time after a rejection, and after each step up, until the limit rises by one."""
MIN_RETRY_AFTER_SECONDS = 1.0
MAX_RETRY_AFTER_SECONDS = 60.0

_WEIGHT_OF_LATEST = 0.2


class LimitExceededError(MediaError):
    """Raised when no permit is free: PROVIDER_BUSY, and the provider was not called."""


@dataclass(frozen=True, slots=True)
class Permit:
    """The right to one call."""

    waited_seconds: float
    """Time spent in the queue; 0 if a permit was free at once."""


class ConcurrencyLimiter:
    """Gives permits to calls, first come, first served.

    The limit is the least of the configured one, the one that the provider announces, and the one lowered after a
    rejection; the last rises again step by step.

    Args:
        name: The provider, for messages and logs.
        limit: Most calls at once, 1 or more; None if only the provider limits them.
        max_queue: Most calls that wait for a permit; 0 or more.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self, name: str, limit: int | None = None, max_queue: int = 1000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if limit is not None and limit < 1:
            raise ValueError("limit must be at least 1, or None")
        self._name = name
        self._configured = limit
        self._announced: int | None = None
        self._lowered: int | None = None
        self._recovered_at_seconds = 0.0
        self._max_queue = max_queue
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._in_flight = 0
        self._mean_call_seconds: float | None = None

    @property
    def limit(self) -> int | None:
        """Most calls at once as known now; None if unlimited."""
        return _find_lowest(self._configured, self._announced, self._lowered)

    @property
    def in_flight(self) -> int:
        """Number of permits in use."""
        return self._in_flight

    @property
    def queued(self) -> int:
        """Number of calls that wait for a permit."""
        return len(self._waiting)

    @asynccontextmanager
    async def acquire(self, max_wait_seconds: float) -> AsyncIterator[Permit]:
        """Wait for a permit and hold it for as long as the context is open.

        Args:
            max_wait_seconds: Longest wait; 0 takes a permit only if one is free at once.

        Raises:
            LimitExceededError: PROVIDER_BUSY; the queue is full, or no permit became free in time.
        """
        waited_seconds = await self._wait(max_wait_seconds)
        began = self._clock()
        try:
            yield Permit(waited_seconds)
        finally:
            self._update_mean(self._clock() - began)
            self._release()

    def learn(self, maximum: int) -> None:
        """Set the number of concurrent calls that the provider announces, 1 or more."""
        if maximum == self._announced:
            return
        self._announced = max(1, maximum)
        log.info("provider announced its concurrency limit", provider=self._name, limit=self.limit)
        self._admit()

    def record_rejection(self) -> None:
        """Lower the limit after the provider rejected a call as one too many; call it while the permit is held."""
        self._lowered = _find_lowest(self.limit, max(1, self._in_flight - 1))
        self._recovered_at_seconds = self._clock()
        log.warning("provider rejected a call, concurrency limit lowered", provider=self._name, limit=self._lowered)

    async def _wait(self, max_wait_seconds: float) -> float:
        self._recover()
        # A freed permit goes to the queue first; so if there is room here, the queue is empty.
        if self._has_room():
            self._in_flight += 1
            return 0.0
        if len(self._waiting) >= self._max_queue:
            raise self._build_busy_error(f"and {len(self._waiting)} calls wait already")
        began = self._clock()
        try:
            await self._wait_for_admission(max_wait_seconds)
        except TimeoutError:
            raise self._build_busy_error(
                f"and none ended within {self._clock() - began:.1f} seconds of waiting"
            ) from None
        return self._clock() - began

    async def _wait_for_admission(self, max_wait_seconds: float) -> None:
        ticket = asyncio.get_running_loop().create_future()
        self._waiting.append(ticket)
        admitted = False
        try:
            async with asyncio.timeout(max_wait_seconds):
                await ticket
            admitted = True
        finally:
            if not admitted:
                self._withdraw(ticket)

    def _withdraw(self, ticket: asyncio.Future[None]) -> None:
        if ticket.done() and not ticket.cancelled():
            # The permit was granted at the moment when the wait ended; give it back.
            self._release()
            return
        with suppress(ValueError):
            self._waiting.remove(ticket)

    def _release(self) -> None:
        self._in_flight -= 1
        self._recover()
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._has_room():
            ticket = self._waiting.popleft()
            if not ticket.done():
                self._in_flight += 1
                ticket.set_result(None)

    def _has_room(self) -> bool:
        limit = self.limit
        return limit is None or self._in_flight < limit

    def _recover(self) -> None:
        if self._lowered is None:
            return
        steps = int((self._clock() - self._recovered_at_seconds) // RECOVERY_SECONDS)
        if steps < 1:
            return
        self._recovered_at_seconds += steps * RECOVERY_SECONDS
        ceiling = _find_lowest(self._configured, self._announced)
        raised = self._lowered + steps
        self._lowered = None if ceiling is not None and raised >= ceiling else raised
        self._admit()

    def _update_mean(self, seconds: float) -> None:
        before = self._mean_call_seconds
        self._mean_call_seconds = seconds if before is None else before + _WEIGHT_OF_LATEST * (seconds - before)

    def _build_busy_error(self, what: str) -> LimitExceededError:
        ahead = len(self._waiting) + 1
        expected = ahead * (self._mean_call_seconds or 0.0) / (self.limit or ahead)
        return LimitExceededError(
            Reason.PROVIDER_BUSY,
            f"All {self.limit} calls that {self._name} allows at once are running, {what}; retry after the delay.",
            retry_after_seconds=min(max(expected, MIN_RETRY_AFTER_SECONDS), MAX_RETRY_AFTER_SECONDS),
            metadata={"provider": self._name},
        )


def _find_lowest(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
