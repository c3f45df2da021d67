"""Loses cancellations as libraries do."""

from __future__ import annotations

import asyncio
from contextlib import suppress


async def lost_cancellation() -> None:
    """Cancel the current task and swallows that, as asyncio.wait_for of Python 3.11 does with a result at hand."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
