"""Swallowed cancellations are raised again, and a silent iterator is a StalledError."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from services.common.cancellation import StalledError, is_cancelled, next_within, raise_if_cancelled
from tests.fakes.virtual_time import in_virtual_time


async def test_a_task_without_a_cancellation_continues() -> None:
    raise_if_cancelled()
    assert not is_cancelled()


async def test_a_swallowed_cancellation_is_raised_again() -> None:
    swallowed: list[bool] = []
    started = asyncio.Event()

    async def run() -> None:
        while True:
            raise_if_cancelled()
            started.set()
            # Like a library that gets its result in the same moment.
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            swallowed.append(is_cancelled())

    task = asyncio.create_task(run())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert swallowed == [True]


async def test_a_withdrawn_cancellation_is_not_raised() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    task.uncancel()
    raise_if_cancelled()
    assert not is_cancelled()


async def _items(*delays_seconds: float) -> AsyncIterator[float]:
    for seconds in delays_seconds:
        await asyncio.sleep(seconds)
        yield seconds


async def _raise_timeout() -> AsyncIterator[float]:
    for _ in range(1):
        raise TimeoutError
    yield 0.0


@in_virtual_time
async def test_items_in_time_are_returned_and_none_at_the_end() -> None:
    items = aiter(_items(1, 2))
    assert [await next_within(items, 3) for _ in range(3)] == [1, 2, None]


@in_virtual_time
async def test_a_silent_iterator_is_a_stalled_error() -> None:
    with pytest.raises(StalledError):
        await next_within(aiter(_items(4)), 3)
    assert asyncio.get_running_loop().time() >= 3


async def test_a_timeout_of_the_iterator_itself_is_raised_as_it_is() -> None:
    with pytest.raises(TimeoutError):
        await next_within(aiter(_raise_timeout()), 3)
