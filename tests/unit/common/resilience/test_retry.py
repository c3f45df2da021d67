"""Retries happen where they are safe, after a bounded delay."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import MAY_BE_CHARGED_KEY, MediaError, Reason
from services.common.resilience.concurrency_limiter import LimitExceededError
from services.common.resilience.retry import Retrier, RetryPolicy, WaitBudget
from tests.conftest import LogLines
from tests.fakes.virtual_time import PassingTime

SAFE = [Reason.PROVIDER_BUSY, Reason.PROVIDER_UNAVAILABLE]
POLICY = RetryPolicy(max_attempts=3, first_delay_seconds=0.5, max_delay_seconds=4)


class Provider:
    """Raises the given failures in order, then returns a result."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def call(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "speech"


def compute_longest_delay(_least: float, most: float) -> float:
    return most


async def run(provider: Provider, time: PassingTime, budget_seconds: float = 100, policy: RetryPolicy = POLICY) -> str:
    retrier = Retrier(policy, time.sleep, compute_longest_delay)
    return await retrier.run(provider.call, "elevenlabs", WaitBudget(budget_seconds, time))


@pytest.mark.parametrize("reason", SAFE)
async def test_a_safe_call_is_retried(reason: Reason) -> None:
    provider, time = Provider(MediaError(reason), MediaError(reason)), PassingTime()
    assert await run(provider, time) == "speech"
    assert (provider.calls, time.slept_seconds) == (3, [0.5, 1.0])


async def test_a_call_that_may_be_charged_is_not_retried() -> None:
    lost = MediaError(Reason.PROVIDER_UNAVAILABLE, metadata={MAY_BE_CHARGED_KEY: "true"})
    provider, time = Provider(lost), PassingTime()
    with pytest.raises(MediaError):
        await run(provider, time)
    assert provider.calls == 1


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in SAFE], ids=lambda reason: reason.name)
async def test_other_reasons_are_not_retried(reason: Reason) -> None:
    provider, time = Provider(MediaError(reason, retry_after_seconds=1)), PassingTime()
    with pytest.raises(MediaError) as failure:
        await run(provider, time)
    assert (failure.value.reason, provider.calls, time.slept_seconds) == (reason, 1, [])


@pytest.mark.parametrize("failure", [LimitExceededError(Reason.PROVIDER_BUSY), ValueError(), asyncio.CancelledError()])
async def test_an_error_from_outside_the_provider_is_raised_unchanged(failure: BaseException) -> None:
    provider, time = Provider(failure), PassingTime()
    with pytest.raises(type(failure)) as caught:
        await run(provider, time)
    assert caught.value is failure
    assert (provider.calls, time.slept_seconds) == (1, [])


async def test_the_last_failure_is_raised_unchanged() -> None:
    failures: Sequence[MediaError] = [MediaError(Reason.PROVIDER_UNAVAILABLE, str(number)) for number in range(9)]
    provider, time = Provider(*failures), PassingTime()
    with pytest.raises(MediaError) as caught:
        await run(provider, time)
    assert caught.value is failures[2]
    assert provider.calls == 3


async def test_the_delay_of_the_provider_is_extended_by_jitter() -> None:
    provider, time = Provider(MediaError(Reason.PROVIDER_BUSY, retry_after_seconds=7)), PassingTime()
    await run(provider, time)
    assert time.slept_seconds == [7.5]


async def test_delays_double_up_to_the_longest() -> None:
    provider, time = Provider(*[MediaError(Reason.PROVIDER_UNAVAILABLE)] * 6), PassingTime()
    await run(provider, time, policy=RetryPolicy(7, 0.5, 4))
    assert time.slept_seconds == [0.5, 1, 2, 4, 4, 4]


@pytest.mark.parametrize(("budget_seconds", "calls"), [(0.0, 1), (0.4, 1), (0.5, 2), (1.4, 2), (1.5, 3)])
async def test_no_delay_outlasts_the_wait_budget(budget_seconds: float, calls: int) -> None:
    provider, time = Provider(*[MediaError(Reason.PROVIDER_UNAVAILABLE)] * 3), PassingTime()
    with pytest.raises(MediaError):
        await run(provider, time, budget_seconds)
    assert provider.calls == calls


async def test_a_delay_that_is_too_long_is_not_begun() -> None:
    provider, time = Provider(MediaError(Reason.PROVIDER_BUSY, retry_after_seconds=300)), PassingTime()
    with pytest.raises(MediaError):
        await run(provider, time)
    assert time.slept_seconds == []


async def test_cancellation_during_a_delay_ends_it() -> None:
    provider, asleep = Provider(MediaError(Reason.PROVIDER_UNAVAILABLE)), asyncio.Event()

    async def sleep(_seconds: float) -> None:
        asleep.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(Retrier(POLICY, sleep).run(provider.call, "elevenlabs", WaitBudget(100)))
    await asleep.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert provider.calls == 1


async def test_every_retry_is_logged(log_lines: LogLines) -> None:
    await run(Provider(MediaError(Reason.PROVIDER_BUSY, "SECRET", retry_after_seconds=2)), PassingTime())
    [line] = log_lines()
    expected = {"provider": "elevenlabs", "reason": "PROVIDER_BUSY", "attempt": 1, "delay_seconds": 2.5}
    assert {key: line[key] for key in expected} == expected
    assert "SECRET" not in str(line)


@given(
    st.lists(st.none() | st.floats(0, 300), min_size=1, max_size=6),
    st.floats(0.01, 2),
    st.floats(0.01, 20),
    st.floats(0, 1000),
)
def test_the_whole_wait_is_bounded_and_no_delay_is_shorter_than_requested(
    retry_after: list[float | None], first: float, most: float, budget_seconds: float
) -> None:
    failures = [MediaError(Reason.PROVIDER_BUSY, retry_after_seconds=seconds) for seconds in retry_after]
    provider, time = Provider(*failures), PassingTime()
    retrier = Retrier(RetryPolicy(10, first, most), time.sleep)
    with suppress(MediaError):
        asyncio.run(retrier.run(provider.call, "elevenlabs", WaitBudget(budget_seconds, time)))
    assert sum(time.slept_seconds) <= budget_seconds + 1e-6
    for number, slept in enumerate(time.slept_seconds):
        longest_spread = min(first * 2**number, most)
        assert longest_spread / 2 <= slept - (retry_after[number] or 0) + 1e-6 <= longest_spread + 2e-6
