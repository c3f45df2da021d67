"""Call a provider for one complete answer: with a permit, within a wait budget, and again where a retry is safe."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from services.common.errors import CONCURRENCY, LIMIT_KEY, MAY_BE_CHARGED_KEY, MediaError, Reason
from services.common.log import logger
from services.common.resilience.concurrency_limiter import ConcurrencyLimiter, LimitExceededError

log = logger(__name__)

T = TypeVar("T")

# Any other failure was either paid for or would repeat.
_SAFE = frozenset({Reason.PROVIDER_BUSY, Reason.PROVIDER_UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a provider call is retried, and after how long."""

    max_attempts: int = 3
    """Calls for one request, the first included; 1 or more."""
    first_delay_seconds: float = 0.25
    """Longest delay before the second call; doubles with each further one."""
    max_delay_seconds: float = 8.0
    """Longest delay, unless the provider names a longer one."""


class WaitBudget:
    """The time that a request may still spend on waiting: for a permit and between attempts.

    Args:
        seconds: The whole budget, from now.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends_at_seconds = clock() + seconds

    @property
    def left_seconds(self) -> float:
        """The rest of the budget; never negative."""
        return max(0.0, self._ends_at_seconds - self._clock())


class Retrier:
    """Retries provider calls where a retry is safe and may help.

    Args:
        policy: How often, and after how long.
        sleep: Waits for a number of seconds.
        jitter: Returns a random number between two bounds.
    """

    def __init__(
        self,
        policy: RetryPolicy = RetryPolicy(),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._policy = policy
        self._sleep = sleep
        self._jitter = jitter

    async def run(self, call: Callable[[], Awaitable[T]], provider: str, wait_budget: WaitBudget) -> T:
        """Return what `call` returns, after as many calls as the policy and the wait budget allow.

        Args:
            call: Calls the provider once; raises MediaError if that failed.
            provider: Name of the provider, for the log.
            wait_budget: No delay begins that would outlast it.

        Raises:
            MediaError: The last call failed; another call is not safe, would not help or would come too late.
        """
        for attempt in itertools.count(1):
            try:
                return await call()
            except MediaError as error:
                if not _is_safe(error) or attempt >= self._policy.max_attempts:
                    raise
                delay_seconds = self._choose_delay(error, attempt)
                if delay_seconds > wait_budget.left_seconds:
                    raise
                log.warning(
                    "retrying a provider",
                    provider=provider,
                    reason=error.reason.name,
                    attempt=attempt,
                    delay_seconds=round(delay_seconds, 3),
                )
            await self._sleep(delay_seconds)
        raise AssertionError("the loop ends by returning or raising")

    def _choose_delay(self, error: MediaError, attempt: int) -> float:
        policy = self._policy
        longest = min(policy.first_delay_seconds * 2 ** (attempt - 1), policy.max_delay_seconds)
        # Jitter also on top of the provider's own delay: callers that were refused together must not return together.
        return (error.retry_after_seconds or 0.0) + self._jitter(longest / 2, longest)


def _is_safe(error: MediaError) -> bool:
    if isinstance(error, LimitExceededError):
        return False
    return error.reason in _SAFE and MAY_BE_CHARGED_KEY not in error.metadata


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
