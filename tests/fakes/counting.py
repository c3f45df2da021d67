"""Count running blocks, so that a test can wait for their start or end without sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class LiveCount:
    """Counts the blocks that run inside `with count.one():`."""

    def __init__(self) -> None:
        self.now = 0
        self.total = 0
        self._changed = asyncio.Event()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count the block while it runs."""
        self.total += 1
        self._change(1)
        try:
            yield
        finally:
            self._change(-1)

    async def wait_for(self, wanted: int, within_seconds: float = 30) -> None:
        """Return once `wanted` blocks are running.

        Raises:
            TimeoutError: The count was another one until the end of the time.
        """
        async with asyncio.timeout(within_seconds):
            while self.now != wanted:
                await self._changed.wait()

    def _change(self, by: int) -> None:
        self.now += by
        self._changed.set()
        self._changed = asyncio.Event()
