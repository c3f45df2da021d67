"""Flights: identical concurrent requests share one production, from its first item on."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import MediaError, Reason
from services.common.log import list_frames
from services.common.singleflight import SingleFlight, SingleFlightLimits, Subscription
from tests.fakes.counting import LiveCount

ITEMS = [b"first", b"second", b"third"]


class Production:
    """Yields items, all but the first only once `more` is set; counts its runs."""

    def __init__(self, items: list[bytes] = ITEMS, failure: Exception | None = None) -> None:
        self.live = LiveCount()
        self.more = asyncio.Event()
        self.yielded = 0
        self._items = items
        self._failure = failure

    async def __call__(self) -> AsyncGenerator[bytes, None]:
        with self.live.one():
            for number, item in enumerate(self._items):
                if number == 1:
                    await self.more.wait()
                self.yielded += 1
                yield item
            if self._failure is not None:
                raise self._failure


@pytest.fixture
async def flights() -> AsyncIterator[SingleFlight[bytes]]:
    async with SingleFlight[bytes](len) as opened:
        yield opened


async def read_all(subscription: Subscription[bytes]) -> list[bytes]:
    return [item async for item in subscription.items()]


async def test_readers_of_one_key_share_one_production(flights: SingleFlight[bytes]) -> None:
    production = Production()
    with flights.subscribe("key", production) as leader, flights.subscribe("key", production) as joiner:
        assert (leader.joined, joiner.joined) == (False, True)
        async with asyncio.TaskGroup() as readers:
            tasks = [readers.create_task(read_all(subscription)) for subscription in (leader, joiner)]
            production.more.set()
    assert [task.result() for task in tasks] == [ITEMS, ITEMS]
    assert production.live.total == 1


async def test_a_late_joiner_gets_everything_from_the_first_item(flights: SingleFlight[bytes]) -> None:
    production = Production()
    with flights.subscribe("key", production) as leader:
        assert await anext(aiter(leader.items())) == ITEMS[0]
        with flights.subscribe("key", production) as joiner:
            production.more.set()
            assert await read_all(joiner) == ITEMS
    assert production.live.total == 1


async def test_the_leader_may_leave(flights: SingleFlight[bytes]) -> None:
    production = Production()
    leading = flights.subscribe("key", production)
    leading.__enter__()
    with flights.subscribe("key", production) as joiner:
        leading.__exit__(None, None, None)
        production.more.set()
        assert await read_all(joiner) == ITEMS


async def test_a_production_without_readers_is_cancelled(flights: SingleFlight[bytes]) -> None:
    production = Production()
    with flights.subscribe("key", production) as leader, flights.subscribe("key", production):
        assert await anext(aiter(leader.items())) == ITEMS[0]
    await production.live.wait_for(0)
    assert production.yielded == 1


async def test_a_request_after_the_last_reader_left_starts_a_new_production(flights: SingleFlight[bytes]) -> None:
    left, new = Production(), Production()
    with flights.subscribe("key", left) as subscription:
        assert await anext(aiter(subscription.items())) == ITEMS[0]
    new.more.set()
    with flights.subscribe("key", new) as subscription:
        assert not subscription.joined
        assert await read_all(subscription) == ITEMS


async def test_different_keys_have_different_productions(flights: SingleFlight[bytes]) -> None:
    one, other = Production(), Production()
    one.more.set()
    other.more.set()
    with flights.subscribe("one", one) as first, flights.subscribe("other", other) as second:
        assert await read_all(first) == await read_all(second) == ITEMS
    assert (one.live.total, other.live.total) == (1, 1)


async def test_a_failure_reaches_every_reader_after_the_items(flights: SingleFlight[bytes]) -> None:
    production = Production(failure=MediaError(Reason.GENERATION_FAILED, "Broke."))
    production.more.set()
    received: list[bytes] = []

    async def read(subscription: Subscription[bytes]) -> None:
        received.extend([item async for item in subscription.items()])

    with flights.subscribe("key", production) as leader, flights.subscribe("key", production) as joiner:
        for subscription in (leader, joiner):
            with pytest.raises(MediaError, match="Broke"):
                await read(subscription)


async def test_a_failure_keeps_its_origin_for_every_reader(flights: SingleFlight[bytes]) -> None:
    async def break_something() -> AsyncGenerator[bytes, None]:
        yield b"first"
        raise OSError(errno.ENOSPC, "No space left on device", "/data")

    async def read() -> OSError:
        raises = pytest.raises(OSError, match="No space")
        with flights.subscribe("key", break_something) as subscription, raises as caught:
            await read_all(subscription)
        return caught.value

    for failure in await asyncio.gather(read(), read(), read()):
        frames = list_frames(failure)
        assert frames[-1].endswith(" break_something")
        assert len(frames) < 8, "the frames of one reader do not pile up on those of another"


async def test_a_finished_flight_is_not_joined(flights: SingleFlight[bytes]) -> None:
    production = Production()
    production.more.set()
    with flights.subscribe("key", production) as leader:
        assert await read_all(leader) == ITEMS
        assert len(flights) == 0
        with flights.subscribe("key", production) as second:
            assert not second.joined
            assert await read_all(second) == ITEMS
    assert production.live.total == 2


async def test_the_production_does_not_run_far_ahead_of_its_only_reader() -> None:
    production = Production([b"x" * 100] * 100)
    production.more.set()
    async with SingleFlight[bytes](len, SingleFlightLimits(ahead_bytes=500)) as flights:
        with flights.subscribe("key", production) as subscription:
            items = aiter(subscription.items())
            await anext(items)
            await anext(items)
            assert production.yielded <= 2 + 5 + 1
            assert len([item async for item in items]) == 98


async def test_a_slow_reader_does_not_delay_others_and_fails_in_the_end() -> None:
    production = Production([b"x" * 100] * 100)
    production.more.set()
    async with SingleFlight[bytes](len, SingleFlightLimits(ahead_bytes=500, max_cached_bytes=2000)) as flights:
        with flights.subscribe("key", production) as slow, flights.subscribe("key", production) as quick:
            slow_items = aiter(slow.items())
            await anext(slow_items)
            assert len(await read_all(quick)) == 100
            with pytest.raises(MediaError) as caught:
                await anext(slow_items)
    assert caught.value.reason is Reason.OVERLOADED


async def test_a_flight_without_its_first_items_is_not_joined() -> None:
    long, new = Production([b"x" * 100] * 50), Production()
    long.more.set()
    new.more.set()
    async with SingleFlight[bytes](len, SingleFlightLimits(ahead_bytes=300, max_cached_bytes=1000)) as flights:
        with flights.subscribe("key", long) as leader:
            items = aiter(leader.items())
            for _ in range(20):
                await anext(items)
            with flights.subscribe("key", new) as late:
                assert not late.joined
                assert await read_all(late) == ITEMS


async def test_a_single_result_is_shared(flights: SingleFlight[bytes]) -> None:
    calls = LiveCount()
    release = asyncio.Event()

    async def produce() -> bytes:
        with calls.one():
            await release.wait()
            return b"result"

    async with asyncio.TaskGroup() as callers:
        tasks = [callers.create_task(flights.single("key", produce)) for _ in range(5)]
        await calls.wait_for(1)
        release.set()
    assert sorted(task.result() for task in tasks) == [(b"result", False), *[(b"result", True)] * 4]
    assert calls.total == 1


async def test_closing_cancels_every_production_and_fails_its_readers() -> None:
    production = Production()
    async with SingleFlight[bytes](len) as flights:
        joining = flights.subscribe("key", production)
        items = aiter(joining.__enter__().items())
        await anext(items)
    await production.live.wait_for(0)
    with pytest.raises(MediaError) as caught:
        await anext(items)
    assert caught.value.reason is Reason.UNAVAILABLE
    joining.__exit__(None, None, None)


@given(sizes=st.lists(st.integers(0, 400), min_size=1, max_size=40), joins=st.lists(st.integers(0, 40), max_size=5))
async def test_a_joiner_gets_every_item_at_any_time(sizes: list[int], joins: list[int]) -> None:
    items = [bytes([index % 256]) * size for index, size in enumerate(sizes)]

    async def yield_items() -> AsyncGenerator[bytes, None]:
        for item in items:
            yield item

    async with SingleFlight[bytes](len, SingleFlightLimits(ahead_bytes=0)) as flights, asyncio.TaskGroup() as readers:
        with flights.subscribe("key", yield_items) as leader:
            tasks = []
            read: list[bytes] = []
            async for item in leader.items():
                for _ in [at for at in joins if at == len(read)]:
                    joining = flights.subscribe("key", yield_items)
                    tasks.append((readers.create_task(read_all(joining.__enter__())), joining))
                read.append(item)
            results = [await task for task, _ in tasks]
        for _, joining in tasks:
            joining.__exit__(None, None, None)
    assert read == items
    assert all(result == items for result in results)
