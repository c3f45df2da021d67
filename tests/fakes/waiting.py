"""Waits for what other processes do, of which no event tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_PAUSE_SECONDS = 0.02


async def until(condition: Callable[[], bool], within_seconds: float = 10) -> None:
    """Waits until `condition` holds."""
    async with asyncio.timeout(within_seconds):
        while not condition():  # noqa: ASYNC110 - what other processes do raises no event here
            await asyncio.sleep(_PAUSE_SECONDS)
