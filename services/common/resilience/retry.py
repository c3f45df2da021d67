"""When and after how long a provider is asked again: the one place where that is decided."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.common.resilience.concurrency_limiter import LimitExceededError
from services.common.resilience.error_metadata import MAY_BE_CHARGED_KEY

log = logger(__name__)

T = TypeVar("T")

# Anything else has either been paid for, or ends the same way again.
_SAFE = frozenset({Reason.PROVIDER_BUSY, Reason.PROVIDER_UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and after how long a provider is asked again."""

    max_attempts: int = 3
    """Calls for one request, the first included; 1 or more."""
    first_delay_seconds: float = 0.25
    """Longest delay before the second call; doubles with each further one."""
    max_delay_seconds: float = 8.0
    """Longest delay, unless the provider names a longer one."""


class WaitBudget:
    """How long somebody will still wait.

    Args:
        seconds: How long from now.
        clock: Returns seconds on a clock that never goes back.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends_at_seconds = clock() + seconds

    @property
    def left_seconds(self) -> float:
        """What is left of it; never negative."""
        return max(0.0, self._ends_at_seconds - self._clock())


class Retrier:
    """Asks providers again where that is safe and may help.

    Args:
        policy: How often and after how long.
        sleep: Waits so many seconds.
        jitter: Chooses a number between two.
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

    async def run(self, ask: Callable[[], Awaitable[T]], provider: str, patience: WaitBudget) -> T:
        """Return what `ask` returns, after as many calls as it takes and the policy allows.

        Args:
            ask: Asks the provider once; raises MediaError if that failed.
            provider: Its name, for the log.
            patience: No delay begins that would outlast it.

        Raises:
            MediaError: The last call failed; another one is not safe, not worth it or too late.
        """
        try:
            return await ask()
        except MediaError as error:
            if not _is_safe(error):
                raise
            failed: MediaError | None = error

        async def run_once() -> T:
            """Tell the first failure where the first attempt is expected: most calls need nothing of all this."""
            nonlocal failed
            if failed is None:
                return await ask()
            first, failed = failed, None
            raise first

        def gives_up(state: RetryCallState) -> bool:
            return state.attempt_number >= self._policy.max_attempts or state.upcoming_sleep > patience.left_seconds

        def tell(state: RetryCallState) -> None:
            log.warning(
                "a provider is asked again",
                provider=provider,
                reason=_failure(state).reason.name,
                attempt=state.attempt_number,
                delay_seconds=round(state.upcoming_sleep, 3),
            )

        async for attempt in AsyncRetrying(
            retry=retry_if_exception(_is_safe),
            wait=self._delay_seconds,
            stop=gives_up,
            before_sleep=tell,
            sleep=self._sleep,
            reraise=True,
        ):
            with attempt:
                return await run_once()
        raise AssertionError("the loop ends by returning or raising")

    def _delay_seconds(self, state: RetryCallState) -> float:
        policy = self._policy
        longest = min(policy.first_delay_seconds * 2 ** (state.attempt_number - 1), policy.max_delay_seconds)
        # Those who were sent away together must not come back together, whatever delay they were told.
        return (_failure(state).retry_after_seconds or 0.0) + self._jitter(longest / 2, longest)


def _is_safe(error: BaseException) -> bool:
    if not isinstance(error, MediaError) or isinstance(error, LimitExceededError):
        return False
    return error.reason in _SAFE and MAY_BE_CHARGED_KEY not in error.metadata


def _failure(state: RetryCallState) -> MediaError:
    error = state.outcome and state.outcome.exception()
    assert isinstance(error, MediaError)  # noqa: S101 - told so to mypy: only these are retried
    return error
