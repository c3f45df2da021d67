"""A cancellation that was swallowed is heard in the next turn of a loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from services.common.cancellation import is_cancelled, raise_if_cancelled


async def test_a_task_that_nobody_wants_to_end_goes_on() -> None:
    assert not is_cancelled()
    raise_if_cancelled()


async def test_a_cancellation_that_was_swallowed_is_raised_again() -> None:
    turns: list[bool] = []
    begun = asyncio.Event()

    async def works() -> None:
        while True:
            raise_if_cancelled()
            begun.set()
            # As a library does that has a result at the same moment.
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            turns.append(is_cancelled())

    task = asyncio.create_task(works())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert turns == [True]


async def test_a_cancellation_that_was_taken_back_is_none() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    task.uncancel()
    raise_if_cancelled()
