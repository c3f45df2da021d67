"""Asks a provider for one whole answer: in turn, and again where that is safe."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.common.errors import MediaError
from services.common.resilience.concurrency_limiter import ConcurrencyLimiter
from services.common.resilience.error_metadata import CONCURRENCY, LIMIT_KEY
from services.common.resilience.retry import Retrier, WaitBudget

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CallResult(Generic[T]):
    """What a provider answered."""

    answer: T
    """The answer."""
    queued_seconds: float
    """Time spent waiting for turns, over all attempts."""


async def call_with_retries(
    ask: Callable[[], Awaitable[T]], provider: str, limiter: ConcurrencyLimiter, retries: Retrier, patience: WaitBudget
) -> CallResult[T]:
    """Return what `ask` returns, holding a turn for as long as it works.

    Args:
        ask: Asks the provider once; raises MediaError if that failed.
        provider: Its name, for the log.
        limiter: Hands out the provider's turns.
        retries: Whether and after how long it is asked again.
        patience: How long the caller waits for turns and between attempts; the provider's own work is not counted.

    Raises:
        MediaError: The last call failed, or no turn was to be had.
    """
    queued_seconds = 0.0

    async def attempt() -> T:
        nonlocal queued_seconds
        async with limiter.acquire(patience.left_seconds) as permit:
            queued_seconds += permit.waited_seconds
            with report_rejections(limiter):
                return await ask()

    answer = await retries.run(attempt, provider, patience)
    return CallResult(answer, queued_seconds)


@contextmanager
def report_rejections(limiter: ConcurrencyLimiter) -> Iterator[None]:
    """Tell the gate if the provider refuses because of how many calls are under way."""
    try:
        yield
    except MediaError as error:
        if error.metadata.get(LIMIT_KEY) == CONCURRENCY:
            limiter.record_rejection()
        raise
