"""A call that swallows a cancellation, as some libraries do."""

from __future__ import annotations

import asyncio
from contextlib import suppress


async def lose_cancellation() -> None:
    """Cancel the current task and swallow the cancellation, as asyncio.wait_for of Python 3.11 may do."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
