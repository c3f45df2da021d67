"""FfmpegLimiter: permits in order, reported positions, and no permit lost by a cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from services.common.errors import MediaError, Reason
from services.video.ffmpeg.limiter import FfmpegLimiter


class Worker:
    """A task that acquires a permit and releases it on request.

    Args:
        slots: Limiter of the permits.
        order: List to which the worker is added when it gets a permit.
    """

    def __init__(self, limiter: FfmpegLimiter, order: list[Worker]) -> None:
        self.positions: list[int] = []
        """Reported positions in the queue."""
        self._limiter = limiter
        self._order = order
        self._done = asyncio.Event()
        self.task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        async with self._limiter.acquire(self.positions.append):
            self._order.append(self)
            await self._done.wait()

    async def finish(self) -> None:
        """Release the permit."""
        self._done.set()
        await self.task


class Crew:
    """Workers that acquire one after the other.

    Args:
        slots: Limiter of the permits.
    """

    def __init__(self, limiter: FfmpegLimiter) -> None:
        self.limiter = limiter
        self.running: list[Worker] = []
        """Workers that got a permit, in order."""
        self.all: list[Worker] = []

    async def add_workers(self, count: int) -> list[Worker]:
        """Start workers and return them; each holds a permit or waits."""
        added = [Worker(self.limiter, self.running) for _ in range(count)]
        self.all += added
        await run_ready_tasks()
        return added


@asynccontextmanager
async def open_crew(count: int, max_waiting: int = 9) -> AsyncIterator[Crew]:
    crew = Crew(FfmpegLimiter(count, max_waiting))
    try:
        yield crew
    finally:
        for worker in crew.all:
            worker.task.cancel()
        await asyncio.gather(*(worker.task for worker in crew.all), return_exceptions=True)


async def run_ready_tasks() -> None:
    """Let every task run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def cancel_worker(worker: Worker) -> None:
    worker.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await worker.task


async def test_a_free_permit_reports_no_position() -> None:
    async with open_crew(2) as crew:
        first, second = await crew.add_workers(2)
        assert crew.running == [first, second]
        assert first.positions == second.positions == []
        assert crew.limiter.waiting == 0


async def test_permits_are_given_in_order_and_positions_are_reported() -> None:
    async with open_crew(1) as crew:
        first, second, third, fourth = await crew.add_workers(4)
        assert crew.limiter.waiting == 3
        assert [second.positions, third.positions, fourth.positions] == [[1], [2], [3]]
        await first.finish()
        await run_ready_tasks()
        assert crew.running == [first, second]
        assert [second.positions, third.positions, fourth.positions] == [[1], [2, 1], [3, 2]]
        await second.finish()
        await third.finish()
        await run_ready_tasks()
        assert crew.running == [first, second, third, fourth]
        assert fourth.positions == [3, 2, 1]
        assert crew.limiter.waiting == 0


async def test_a_new_run_does_not_overtake_the_queue() -> None:
    async with open_crew(1) as crew:
        first, second = await crew.add_workers(2)
        first_finished = asyncio.create_task(first.finish())
        (third,) = await crew.add_workers(1)
        await first_finished
        assert crew.running == [first, second]
        assert crew.limiter.waiting == 1
        await second.finish()
        await run_ready_tasks()
        assert crew.running == [first, second, third]


async def test_a_cancelled_waiter_moves_the_queue_forward() -> None:
    async with open_crew(1) as crew:
        first, second, third, fourth = await crew.add_workers(4)
        await cancel_worker(third)
        assert crew.limiter.waiting == 2
        assert [second.positions, fourth.positions] == [[1, 1], [3, 2]]
        await first.finish()
        await second.finish()
        await run_ready_tasks()
        assert crew.running == [first, second, fourth]


async def test_a_cancelled_holder_releases_its_permit() -> None:
    async with open_crew(1) as crew:
        first, second = await crew.add_workers(2)
        await cancel_worker(first)
        await run_ready_tasks()
        assert crew.running == [first, second]


async def test_a_permit_granted_to_a_cancelled_waiter_is_passed_on() -> None:
    async with open_crew(1) as crew:
        async with AsyncExitStack() as held:
            await held.enter_async_context(crew.limiter.acquire(lambda _: None))
            second, third = await crew.add_workers(2)
        # The second worker is granted the permit, but has not run yet.
        await cancel_worker(second)
        await run_ready_tasks()
        assert crew.running == [third]
        await third.finish()
        assert await crew.add_workers(1) == crew.running[1:]


async def test_a_permit_granted_to_a_cancelled_waiter_is_free_without_a_queue() -> None:
    async with open_crew(1) as crew:
        async with AsyncExitStack() as held:
            await held.enter_async_context(crew.limiter.acquire(lambda _: None))
            (second,) = await crew.add_workers(1)
        await cancel_worker(second)
        (third,) = await crew.add_workers(1)
        assert crew.running == [third]
        assert third.positions == []


async def test_no_permit_is_lost_when_holder_and_next_are_cancelled_together() -> None:
    async with open_crew(1) as crew:
        first, second = await crew.add_workers(2)
        first.task.cancel()
        second.task.cancel()
        await asyncio.wait([first.task, second.task])
        assert first.task.cancelled()
        assert second.task.cancelled()
        assert crew.limiter.waiting == 0
        (third,) = await crew.add_workers(1)
        assert crew.running == [first, third]


async def test_a_permit_released_while_the_next_is_cancelled_goes_to_the_one_behind() -> None:
    async with open_crew(1) as crew:
        async with AsyncExitStack() as held:
            await held.enter_async_context(crew.limiter.acquire(lambda _: None))
            second, third = await crew.add_workers(2)
            # Cancelled, but has not run and left the queue yet.
            second.task.cancel()
        await run_ready_tasks()
        assert crew.running == [third]


async def test_a_full_queue_rejects_at_once_and_allows_a_retry() -> None:
    async with open_crew(1, max_waiting=2) as crew:
        _, second, *_ = await crew.add_workers(3)
        with pytest.raises(MediaError) as caught:
            async with crew.limiter.acquire(lambda _: None):
                pytest.fail("has a place")
        assert caught.value.reason is Reason.OVERLOADED
        assert caught.value.retry_after_seconds
        assert crew.limiter.waiting == 2
        await cancel_worker(second)
        (late,) = await crew.add_workers(1)
        assert late.positions == [2]


async def test_a_failing_holder_releases_its_permit() -> None:
    limiter = FfmpegLimiter(1, 0)
    with pytest.raises(RuntimeError):
        async with limiter.acquire(lambda _: None):
            raise RuntimeError
    async with limiter.acquire(lambda _: None):
        assert limiter.waiting == 0
