"""Places for ffmpeg: in order, told, and never lost by those who leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from services.common.errors import MediaError, Reason
from services.video.ffmpeg.limiter import FfmpegLimiter


class Worker:
    """Somebody who wants a place, and gives it back when told to.

    Args:
        slots: Where places are.
        order: Gets the worker when it has its place.
    """

    def __init__(self, slots: FfmpegLimiter, order: list[Worker]) -> None:
        self.places: list[int] = []
        """What it was told of its place in line."""
        self._slots = slots
        self._order = order
        self._done = asyncio.Event()
        self.task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        async with self._slots.acquire(self.places.append):
            self._order.append(self)
            await self._done.wait()

    async def finish(self) -> None:
        """Give its place back."""
        self._done.set()
        await self.task


class Crew:
    """Workers who come one after the other.

    Args:
        slots: Where places are.
    """

    def __init__(self, slots: FfmpegLimiter) -> None:
        self.slots = slots
        self.running_count: list[Worker] = []
        """Those who got a place, in order."""
        self.all: list[Worker] = []

    async def come(self, count: int) -> list[Worker]:
        """Returns workers that have a place or wait."""
        came = [Worker(self.slots, self.running_count) for _ in range(count)]
        self.all += came
        await turn()
        return came


@asynccontextmanager
async def crew_of(count: int, max_waiting: int = 9) -> AsyncIterator[Crew]:
    crew = Crew(FfmpegLimiter(count, max_waiting))
    try:
        yield crew
    finally:
        for worker in crew.all:
            worker.task.cancel()
        await asyncio.gather(*(worker.task for worker in crew.all), return_exceptions=True)


async def turn() -> None:
    """Let everybody go on who can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def leave(worker: Worker) -> None:
    worker.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await worker.task


async def test_who_finds_a_place_is_told_nothing() -> None:
    async with crew_of(2) as crew:
        first, second = await crew.come(2)
        assert crew.running_count == [first, second]
        assert first.places == second.places == []
        assert crew.slots.waiting == 0


async def test_places_go_to_those_who_came_first_and_all_know_where_they_stand() -> None:
    async with crew_of(1) as crew:
        first, second, third, fourth = await crew.come(4)
        assert crew.slots.waiting == 3
        assert [second.places, third.places, fourth.places] == [[1], [2], [3]]
        await first.finish()
        await turn()
        assert crew.running_count == [first, second]
        assert [second.places, third.places, fourth.places] == [[1], [2, 1], [3, 2]]
        await second.finish()
        await third.finish()
        await turn()
        assert crew.running_count == [first, second, third, fourth]
        assert fourth.places == [3, 2, 1]
        assert crew.slots.waiting == 0


async def test_who_comes_while_others_wait_does_not_overtake_them() -> None:
    async with crew_of(1) as crew:
        first, second = await crew.come(2)
        first_finished = asyncio.create_task(first.finish())
        (third,) = await crew.come(1)
        await first_finished
        assert crew.running_count == [first, second]
        assert crew.slots.waiting == 1
        await second.finish()
        await turn()
        assert crew.running_count == [first, second, third]


async def test_one_who_leaves_the_line_makes_room_for_those_behind() -> None:
    async with crew_of(1) as crew:
        first, second, third, fourth = await crew.come(4)
        await leave(third)
        assert crew.slots.waiting == 2
        assert [second.places, fourth.places] == [[1, 1], [3, 2]]
        await first.finish()
        await second.finish()
        await turn()
        assert crew.running_count == [first, second, fourth]


async def test_one_who_leaves_while_he_works_gives_his_place_back() -> None:
    async with crew_of(1) as crew:
        first, second = await crew.come(2)
        await leave(first)
        await turn()
        assert crew.running_count == [first, second]


async def test_one_who_leaves_at_the_moment_of_being_given_a_place_passes_it_on() -> None:
    async with crew_of(1) as crew:
        async with AsyncExitStack() as held:
            await held.enter_async_context(crew.slots.acquire(lambda _: None))
            second, third = await crew.come(2)
        # The place is given to the second, who has had no turn to take it yet.
        await leave(second)
        await turn()
        assert crew.running_count == [third]
        await third.finish()
        assert await crew.come(1) == crew.running_count[1:]


async def test_a_place_given_to_one_who_leaves_is_free_where_nobody_waits() -> None:
    async with crew_of(1) as crew:
        async with AsyncExitStack() as held:
            await held.enter_async_context(crew.slots.acquire(lambda _: None))
            (second,) = await crew.come(1)
        await leave(second)
        (third,) = await crew.come(1)
        assert crew.running_count == [third]
        assert third.places == []


async def test_a_place_is_not_lost_where_its_holder_and_the_next_are_cancelled_together() -> None:
    async with crew_of(1) as crew:
        first, second = await crew.come(2)
        first.task.cancel()
        second.task.cancel()
        await asyncio.wait([first.task, second.task])
        assert first.task.cancelled()
        assert second.task.cancelled()
        assert crew.slots.waiting == 0
        (third,) = await crew.come(1)
        assert crew.running_count == [first, third]


async def test_a_place_given_back_as_the_next_leaves_goes_to_the_one_behind() -> None:
    async with crew_of(1) as crew:
        async with AsyncExitStack() as held:
            await held.enter_async_context(crew.slots.acquire(lambda _: None))
            second, third = await crew.come(2)
            # Cancelled, and has had no turn to leave the line yet.
            second.task.cancel()
        await turn()
        assert crew.running_count == [third]


async def test_more_than_may_wait_are_refused_at_once_and_may_ask_again() -> None:
    async with crew_of(1, max_waiting=2) as crew:
        _, second, *_ = await crew.come(3)
        with pytest.raises(MediaError) as caught:
            async with crew.slots.acquire(lambda _: None):
                pytest.fail("has a place")
        assert caught.value.reason is Reason.OVERLOADED
        assert caught.value.retry_after_seconds
        assert crew.slots.waiting == 2
        await leave(second)
        (late,) = await crew.come(1)
        assert late.places == [2]


async def test_a_failure_within_gives_the_place_back() -> None:
    slots = FfmpegLimiter(1, 0)
    with pytest.raises(RuntimeError):
        async with slots.acquire(lambda _: None):
            raise RuntimeError
    async with slots.acquire(lambda _: None):
        assert slots.waiting == 0
