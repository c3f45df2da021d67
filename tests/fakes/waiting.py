"""Poll for state of other processes, which have no event to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE_SECONDS = 0.02


async def until(condition: Callable[[], bool], within_seconds: float = 60) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(within_seconds):
        while not condition():  # noqa: ASYNC110 - other processes set no event here
            await asyncio.sleep(_PAUSE_SECONDS)


async def eventually(answer: Callable[[], Awaitable[T | None]], within_seconds: float = 60) -> T:
    """Poll `answer` and return its first result that is not None or False."""
    async with asyncio.timeout(within_seconds):
        while True:
            if found := await answer():
                return found
            await asyncio.sleep(_PAUSE_SECONDS)
