"""Call a provider for one complete answer: with a permit, and again where a retry is safe."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from services.common.errors import MediaError
from services.common.resilience.concurrency_limiter import ConcurrencyLimiter
from services.common.resilience.error_metadata import CONCURRENCY, LIMIT_KEY
from services.common.resilience.retry import Retrier, WaitBudget

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProviderPolicy:
    """Limits, retries and waits of provider calls; a service has one for all its providers."""

    limiters: Mapping[str, ConcurrencyLimiter]
    """The concurrency limiter of each provider, by name."""
    retrier: Retrier = field(default_factory=Retrier)
    """Whether and when a provider is called again."""
    wait_seconds: float = 60.0
    """Longest wait of one request for permits and between attempts, over all providers. The providers' own work is not
    counted."""
    stall_seconds: float = 10.0
    """Longest pause between two messages of a streamed answer."""
    clock: Callable[[], float] = time.monotonic
    """Monotonic clock, in seconds."""

    def start_wait_budget(self) -> WaitBudget:
        """Return the wait budget of a request that begins now."""
        return WaitBudget(self.wait_seconds, self.clock)


@dataclass(frozen=True, slots=True)
class CallResult(Generic[T]):
    """The answer of a provider."""

    answer: T
    """The answer."""
    queued_seconds: float
    """Time spent waiting for permits, over all attempts."""


async def call_with_retries(
    call: Callable[[], Awaitable[T]], provider: str, policy: ProviderPolicy, wait_budget: WaitBudget
) -> CallResult[T]:
    """Return what `call` returns; each attempt holds a permit of the provider.

    Args:
        call: Calls the provider once; raises MediaError if that failed.
        provider: Name of the provider.
        policy: Limits and retries of provider calls.
        wait_budget: How long the caller waits for permits and between attempts.

    Raises:
        MediaError: The last attempt failed, or there was no permit within the wait budget.
    """
    limiter = policy.limiters[provider]
    queued_seconds = 0.0

    async def attempt() -> T:
        nonlocal queued_seconds
        async with limiter.acquire(wait_budget.left_seconds) as permit:
            queued_seconds += permit.waited_seconds
            with report_rejections(limiter):
                return await call()

    answer = await policy.retrier.run(attempt, provider, wait_budget)
    return CallResult(answer, queued_seconds)


@contextmanager
def report_rejections(limiter: ConcurrencyLimiter) -> Iterator[None]:
    """Report to the limiter that the provider rejected a call because too many run at once."""
    try:
        yield
    except MediaError as error:
        if error.metadata.get(LIMIT_KEY) == CONCURRENCY:
            limiter.record_rejection()
        raise
