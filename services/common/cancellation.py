"""Detect cancellations and timeouts that asyncio of Python 3.11 loses or confuses.

asyncio.wait_for returns a result that arrives in the moment of a cancellation, and the cancellation is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

T = TypeVar("T")


def is_cancelled() -> bool:
    """Return whether the current task was cancelled, even if a library has swallowed the cancellation."""
    task = asyncio.current_task()
    return task is not None and bool(task.cancelling())


def raise_if_cancelled() -> None:
    """Raise the cancellation of the current task if a library has swallowed it; endless loops call this.

    Raises:
        asyncio.CancelledError: The task was cancelled.
    """
    if is_cancelled():
        raise asyncio.CancelledError


class StalledError(Exception):
    """Raised when an iterator delivers nothing in time."""


async def next_within(iterator: AsyncIterator[T], seconds: float) -> T | None:
    """Return the next item of `iterator`; None at its end.

    A TimeoutError of the iterator itself is raised as it is.

    Raises:
        StalledError: Nothing arrived within `seconds`.
    """
    try:
        async with asyncio.timeout(seconds) as limit:
            return await anext(iterator, None)
    except TimeoutError:
        if not limit.expired():
            raise
        raise StalledError from None
