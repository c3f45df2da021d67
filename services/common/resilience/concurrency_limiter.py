"""Keeps the calls that one provider key has at once within what the provider takes; further ones queue."""

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
"""How long after a refusal, and after each step up, one call more is tried."""
MIN_RETRY_AFTER_SECONDS = 1.0
MAX_RETRY_AFTER_SECONDS = 60.0

_WEIGHT_OF_LATEST = 0.2


class LimitExceededError(MediaError):
    """PROVIDER_BUSY without the provider having been asked: no turn was to be had."""


@dataclass(frozen=True, slots=True)
class Permit:
    """The right to one call."""

    waited_seconds: float
    """Time spent in the queue; 0 where there was room at once."""


class ConcurrencyLimiter:
    """Hands out turns, first come, first served.

    The limit is the least of what is configured, what the provider tells, and what a refusal has taught; the last is
    forgotten step by step.

    Args:
        name: The provider, for messages and logs.
        limit: Most calls at once, 1 or more; None leaves it to what is learned.
        max_queue: Most calls that wait for a turn; 0 or more.
        clock: Returns seconds on a clock that never goes back.
    """

    def __init__(
        self, name: str, limit: int | None = None, max_queue: int = 1000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if limit is not None and limit < 1:
            raise ValueError("a gate lets at least one call through")
        self._name = name
        self._configured = limit
        self._told: int | None = None
        self._lowered: int | None = None
        self._recovered_at_seconds = 0.0
        self._max_queue = max_queue
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._in_flight = 0
        self._turn_seconds: float | None = None

    @property
    def limit(self) -> int | None:
        """Most calls at once as known now; None for any number."""
        return _least(self._configured, self._told, self._lowered)

    @property
    def in_flight(self) -> int:
        """Turns that are being used."""
        return self._in_flight

    @property
    def queued(self) -> int:
        """Calls that wait for a turn."""
        return len(self._waiting)

    @asynccontextmanager
    async def acquire(self, patience_seconds: float) -> AsyncIterator[Permit]:
        """Wait for a turn and keeps it for as long as the context is open.

        Args:
            patience_seconds: Longest wait; 0 takes a turn only if there is one at once.

        Raises:
            LimitExceededError: PROVIDER_BUSY; the queue is full, or the wait was in vain.
        """
        waited_seconds = await self._wait(patience_seconds)
        began = self._clock()
        try:
            yield Permit(waited_seconds)
        finally:
            self._remember(self._clock() - began)
            self._leave()

    def learn(self, maximum: int) -> None:
        """Take note of how many calls the provider says it takes at once, 1 or more."""
        if maximum == self._told:
            return
        self._told = max(1, maximum)
        log.info("the provider tells how many calls it takes", provider=self._name, limit=self.limit)
        self._admit()

    def record_rejection(self) -> None:
        """Take note that the provider refused a call for being one too many; told while its turn is kept."""
        self._lowered = _least(self.limit, max(1, self._in_flight - 1))
        self._recovered_at_seconds = self._clock()
        log.warning("the provider takes fewer calls than it was sent", provider=self._name, limit=self._lowered)

    async def _wait(self, patience_seconds: float) -> float:
        self._recover()
        # Every step that frees a permit admits from the queue first: where there is room, the queue is empty.
        if self._has_room():
            self._in_flight += 1
            return 0.0
        if len(self._waiting) >= self._max_queue:
            raise self._no_turn(f"and {len(self._waiting)} calls wait already")
        began = self._clock()
        try:
            await self._wait_for_admission(patience_seconds)
        except TimeoutError:
            raise self._no_turn(f"and none ended within {self._clock() - began:.1f} seconds of waiting") from None
        return self._clock() - began

    async def _wait_for_admission(self, patience_seconds: float) -> None:
        ticket = asyncio.get_running_loop().create_future()
        self._waiting.append(ticket)
        admitted = False
        try:
            async with asyncio.timeout(patience_seconds):
                await ticket
            admitted = True
        finally:
            if not admitted:
                self._withdraw(ticket)

    def _withdraw(self, ticket: asyncio.Future[None]) -> None:
        if ticket.done() and not ticket.cancelled():
            # The turn came in the very moment in which the wait was given up.
            self._leave()
            return
        with suppress(ValueError):
            self._waiting.remove(ticket)

    def _leave(self) -> None:
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
        ceiling = _least(self._configured, self._told)
        raised = self._lowered + steps
        self._lowered = None if ceiling is not None and raised >= ceiling else raised
        self._admit()

    def _remember(self, seconds: float) -> None:
        before = self._turn_seconds
        self._turn_seconds = seconds if before is None else before + _WEIGHT_OF_LATEST * (seconds - before)

    def _no_turn(self, what: str) -> LimitExceededError:
        ahead = len(self._waiting) + 1
        expected = ahead * (self._turn_seconds or 0.0) / (self.limit or ahead)
        return LimitExceededError(
            Reason.PROVIDER_BUSY,
            f"All {self.limit} calls that {self._name} takes at once are under way, {what}; retry after the delay.",
            retry_after_seconds=min(max(expected, MIN_RETRY_AFTER_SECONDS), MAX_RETRY_AFTER_SECONDS),
            metadata={"provider": self._name},
        )


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
