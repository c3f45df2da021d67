"""Cancellations that libraries lose: asyncio.wait_for of Python 3.11 returns a result that comes at the same moment."""

from __future__ import annotations

import asyncio


def is_cancelled() -> bool:
    """Say whether somebody wants the current task to end, whether or not it has heard of that."""
    task = asyncio.current_task()
    return task is not None and bool(task.cancelling())


def raise_if_cancelled() -> None:
    """Raise the cancellation of the current task that was asked for and swallowed; to be called in endless loops.

    Raises:
        asyncio.CancelledError: Somebody wants the task to end.
    """
    if is_cancelled():
        raise asyncio.CancelledError
