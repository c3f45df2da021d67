"""Places for ffmpeg: so many at once, the others wait in line and know where they stand."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from services.common.errors import MediaError, Reason

_RETRY_SECONDS = 5.0


class FfmpegLimiter:
    """Hands out places in the order in which they are asked for.

    Args:
        count: Most that work at once.
        max_waiting: Most that wait; more are refused.
    """

    def __init__(self, count: int, max_waiting: int) -> None:
        self._free = count
        self._max_waiting = max_waiting
        self._line: deque[tuple[asyncio.Future[None], Callable[[int], None]]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._line)

    @asynccontextmanager
    async def acquire(self, tell: Callable[[int], None]) -> AsyncIterator[None]:
        """Return the context in which a place is held.

        Args:
            tell: Called with the place in line, 1 for the next, whenever it changes; not at all without waiting.

        Raises:
            MediaError: OVERLOADED, too many wait already.
        """
        await self._take(tell)
        try:
            yield
        finally:
            self._give()

    async def _take(self, tell: Callable[[int], None]) -> None:
        if self._free:
            self._free -= 1
            return
        if len(self._line) >= self._max_waiting:
            raise MediaError(
                Reason.OVERLOADED, "Too many videos wait to be made; retry.", retry_after_seconds=_RETRY_SECONDS
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append((turn, tell))
        tell(len(self._line))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # The place had been given to somebody who leaves at this moment.
                self._give()
            elif (turn, tell) in self._line:
                self._line.remove((turn, tell))
                self._report_positions()
            raise

    def _give(self) -> None:
        while self._line:
            turn, _ = self._line.popleft()
            # One who leaves in this very moment may not have left the line yet.
            if not turn.done():
                turn.set_result(None)
                self._report_positions()
                return
        self._free += 1

    def _report_positions(self) -> None:
        for place, (_, tell) in enumerate(self._line, 1):
            tell(place)
