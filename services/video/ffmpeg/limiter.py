"""Limits how many ffmpeg processes run at once; further runs wait in a queue and learn their position."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from services.common.errors import MediaError, Reason

_RETRY_SECONDS = 5.0


class FfmpegLimiter:
    """Gives out permits for ffmpeg, first come, first served.

    Args:
        count: Most permits in use at once.
        max_waiting: Most runs that wait for a permit; more are refused.
    """

    def __init__(self, count: int, max_waiting: int) -> None:
        self._free = count
        self._max_waiting = max_waiting
        self._queue: deque[tuple[asyncio.Future[None], Callable[[int], None]]] = deque()

    @property
    def waiting(self) -> int:
        """Number of runs that wait for a permit."""
        return len(self._queue)

    @asynccontextmanager
    async def acquire(self, on_position: Callable[[int], None]) -> AsyncIterator[None]:
        """Hold a permit for as long as the context is open.

        Args:
            on_position: Called with the position in the queue, 1 for the next, when it changes. Not called where a
                permit is free.

        Raises:
            MediaError: OVERLOADED, the queue is full.
        """
        await self._acquire(on_position)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, on_position: Callable[[int], None]) -> None:
        if self._free:
            self._free -= 1
            return
        if len(self._queue) >= self._max_waiting:
            raise MediaError(
                Reason.OVERLOADED, "Too many videos wait for ffmpeg; retry later.", retry_after_seconds=_RETRY_SECONDS
            )
        permit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((permit, on_position))
        on_position(len(self._queue))
        try:
            await permit
        except asyncio.CancelledError:
            if permit.done() and not permit.cancelled():
                # The permit was granted in the moment of the cancellation: pass it on.
                self._release()
            elif (permit, on_position) in self._queue:
                self._queue.remove((permit, on_position))
                self._report_positions()
            raise

    def _release(self) -> None:
        while self._queue:
            permit, _ = self._queue.popleft()
            # A cancelled waiter may still be in the queue: its task runs only after this.
            if not permit.done():
                permit.set_result(None)
                self._report_positions()
                return
        self._free += 1

    def _report_positions(self) -> None:
        for position, (_, on_position) in enumerate(self._queue, 1):
            on_position(position)
