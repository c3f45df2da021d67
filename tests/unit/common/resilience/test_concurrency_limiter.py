"""Permits: their order, the queue, the wait limit, and how the limit adapts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from services.common.errors import MediaError, Reason
from services.common.resilience.concurrency_limiter import (
    MAX_RETRY_AFTER_SECONDS,
    MIN_RETRY_AFTER_SECONDS,
    RECOVERY_SECONDS,
    ConcurrencyLimiter,
    LimitExceededError,
)
from tests.conftest import LogLines
from tests.fakes.virtual_time import PassingTime, in_virtual_time


def make_limiter(limit: int | None, max_queue: int = 100) -> ConcurrencyLimiter:
    return ConcurrencyLimiter("elevenlabs", limit, max_queue, clock=asyncio.get_running_loop().time)


class Caller:
    """Acquires a permit and holds it until `released` is set."""

    def __init__(self, limiter: ConcurrencyLimiter, max_wait_seconds: float = 100) -> None:
        self.has_permit = False
        self.released = asyncio.Event()
        self.task = asyncio.create_task(self._call(limiter, max_wait_seconds))

    async def _call(self, limiter: ConcurrencyLimiter, max_wait_seconds: float) -> None:
        async with limiter.acquire(max_wait_seconds):
            self.has_permit = True
            await self.released.wait()


async def catch_refusal(limiter: ConcurrencyLimiter, max_wait_seconds: float = 0) -> LimitExceededError:
    with pytest.raises(LimitExceededError) as failure:
        async with limiter.acquire(max_wait_seconds):
            pytest.fail("a permit was granted")
    return failure.value


@asynccontextmanager
async def hold_permits(limiter: ConcurrencyLimiter, count: int) -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as held:
        for _ in range(count):
            await held.enter_async_context(limiter.acquire(0))
        yield held


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize("limit", [None, 2])
@in_virtual_time
async def test_a_free_permit_is_granted_at_once(limit: int | None) -> None:
    limiter = make_limiter(limit)
    async with limiter.acquire(0) as one, limiter.acquire(0) as two:
        assert (one.waited_seconds, two.waited_seconds, limiter.in_flight) == (0, 0, 2)
    assert limiter.in_flight == 0


@in_virtual_time
async def test_permits_are_granted_in_the_order_of_the_calls() -> None:
    limiter = make_limiter(1)
    order: list[tuple[int, float]] = []

    async def ask(number: int) -> None:
        async with limiter.acquire(100) as permit:
            order.append((number, permit.waited_seconds))
            await asyncio.sleep(2)

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(ask(number))
    assert order == [(0, 0), (1, 2), (2, 4), (3, 6)]


@in_virtual_time
async def test_a_new_call_does_not_overtake_the_queue() -> None:
    limiter = make_limiter(1)
    async with hold_permits(limiter, 1) as held:
        waiter = Caller(limiter)
        await settle()
        await held.aclose()
        await catch_refusal(limiter)
        assert waiter.has_permit
    waiter.released.set()
    await waiter.task


@in_virtual_time
async def test_a_call_without_a_permit_reports_its_wait_and_a_retry_delay() -> None:
    limiter = make_limiter(1)
    async with hold_permits(limiter, 1):
        await asyncio.sleep(4)
    async with hold_permits(limiter, 1):
        failure = await catch_refusal(limiter, max_wait_seconds=2.5)
    assert failure.reason is Reason.PROVIDER_BUSY
    assert "2.5 seconds" in failure.message
    assert "elevenlabs" in failure.message
    assert failure.retry_after_seconds == 4
    assert (limiter.in_flight, limiter.queued) == (0, 0)


@in_virtual_time
async def test_the_retry_delay_has_bounds() -> None:
    limiter = make_limiter(1, max_queue=0)
    for seconds, expected in ((0.0, MIN_RETRY_AFTER_SECONDS), (10_000.0, MAX_RETRY_AFTER_SECONDS)):
        async with hold_permits(limiter, 1):
            await asyncio.sleep(seconds)
        async with hold_permits(limiter, 1):
            assert (await catch_refusal(limiter)).retry_after_seconds == expected


@in_virtual_time
async def test_a_full_queue_refuses_at_once() -> None:
    limiter = make_limiter(1, max_queue=1)
    async with hold_permits(limiter, 1):
        waiter = Caller(limiter)
        await settle()
        assert "1 calls wait already" in (await catch_refusal(limiter, max_wait_seconds=100)).message
        assert asyncio.get_running_loop().time() == 0
    waiter.released.set()
    await waiter.task


@in_virtual_time
async def test_a_failure_releases_the_permit() -> None:
    limiter = make_limiter(1)
    with pytest.raises(MediaError):
        async with limiter.acquire(0):
            raise MediaError(Reason.PROVIDER_UNAVAILABLE)
    assert limiter.in_flight == 0


@pytest.mark.parametrize("ticks", range(5))
@in_virtual_time
async def test_a_waiter_cancelled_around_its_permit_leaves_it_to_the_next(ticks: int) -> None:
    limiter = make_limiter(1)
    async with hold_permits(limiter, 1):
        first, second = Caller(limiter), Caller(limiter)
        await settle()
    for _ in range(ticks):
        await asyncio.sleep(0)
    first.task.cancel()
    await settle()
    assert (first.task.cancelled(), second.has_permit, limiter.in_flight, limiter.queued) == (True, True, 1, 0)
    second.released.set()
    await second.task
    assert limiter.in_flight == 0


@in_virtual_time
async def test_a_permit_granted_at_the_end_of_the_wait_is_not_lost() -> None:
    limiter = make_limiter(1)
    async with hold_permits(limiter, 1):
        late, next_one = Caller(limiter, max_wait_seconds=3), Caller(limiter)
        await asyncio.sleep(3)
    await settle()
    assert late.has_permit is not next_one.has_permit
    assert (limiter.in_flight, limiter.queued) == (1, 1 if late.has_permit else 0)
    late.released.set()
    next_one.released.set()
    await asyncio.gather(late.task, next_one.task, return_exceptions=True)
    assert (limiter.in_flight, limiter.queued) == (0, 0)


@in_virtual_time
async def test_a_raised_limit_admits_waiting_calls() -> None:
    limiter = make_limiter(None)
    limiter.learn(1)
    async with hold_permits(limiter, 1):
        waiters = [Caller(limiter) for _ in range(3)]
        await settle()
        limiter.learn(3)
        await settle()
        assert ([waiter.has_permit for waiter in waiters], limiter.in_flight) == ([True, True, False], 3)
    for waiter in waiters:
        waiter.released.set()
        await waiter.task


@in_virtual_time
async def test_a_lowered_limit_interrupts_no_call_and_admits_none() -> None:
    limiter = make_limiter(None)
    async with hold_permits(limiter, 3) as held:
        limiter.learn(2)
        assert limiter.in_flight == 3
        await catch_refusal(limiter, max_wait_seconds=1)
        await held.aclose()
        async with hold_permits(limiter, 2):
            await catch_refusal(limiter)


@in_virtual_time
async def test_the_configured_limit_is_never_exceeded() -> None:
    limiter = make_limiter(4)
    limiter.learn(50)
    assert limiter.limit == 4
    limiter.learn(3)
    assert limiter.limit == 3


@in_virtual_time
async def test_a_rejection_lowers_the_limit_to_the_other_running_calls() -> None:
    limiter = make_limiter(None)
    async with hold_permits(limiter, 5):
        async with limiter.acquire(0):
            limiter.record_rejection()
        assert limiter.limit == 5
    async with limiter.acquire(0):
        limiter.record_rejection()
    assert limiter.limit == 1


@in_virtual_time
async def test_a_lowered_limit_recovers_one_by_one() -> None:
    limiter = make_limiter(4)
    async with limiter.acquire(0):
        limiter.record_rejection()
    limits = []
    for _ in range(5):
        async with limiter.acquire(0):
            limits.append(limiter.limit)
        await asyncio.sleep(RECOVERY_SECONDS)
    assert limits == [1, 2, 3, 4, 4]


@in_virtual_time
async def test_recovery_admits_waiting_calls() -> None:
    limiter = make_limiter(2)
    async with hold_permits(limiter, 2) as held:
        limiter.record_rejection()
        waiters = [Caller(limiter) for _ in range(2)]
        await asyncio.sleep(RECOVERY_SECONDS)
        await held.aclose()
        await settle()
        assert [waiter.has_permit for waiter in waiters] == [True, True]
    for waiter in waiters:
        waiter.released.set()
        await waiter.task


async def test_a_change_of_the_limit_is_logged_once(log_lines: LogLines) -> None:
    limiter = ConcurrencyLimiter("elevenlabs", clock=PassingTime())
    limiter.learn(3)
    limiter.learn(3)
    async with limiter.acquire(0), limiter.acquire(0):
        limiter.record_rejection()
    lines = [(line["level"], line["provider"], line["limit"]) for line in log_lines()]
    assert lines == [("info", "elevenlabs", 3), ("warning", "elevenlabs", 1)]


def test_a_limit_below_1_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ConcurrencyLimiter("elevenlabs", 0)
