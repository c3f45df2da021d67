"""The write-behind queue: writes that wait for the store in the background, bounded in bytes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Write:
    """A write or a deletion of one key."""

    key: str
    size_bytes: int
    """Memory that the write holds while it waits."""
    perform: Callable[[], Awaitable[None]]
    """Called once to perform the write; never raises."""


class WriteQueue:
    """Performs writes one after the other; if two wait for the same key, only the later one is performed.

    Args:
        max_bytes: Most bytes that waiting writes may hold.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._waiting: OrderedDict[str, Write] = OrderedDict()
        self._bytes = 0
        self._running = 0
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def held_bytes(self) -> int:
        """Bytes that the waiting writes and the running one hold."""
        return self._bytes

    def offer(self, write: Write) -> bool:
        """Add `write` to the queue if there is room, and return whether it was added; never blocks."""
        replaced = self._waiting.get(write.key)
        bytes_after = self._bytes + write.size_bytes - (replaced.size_bytes if replaced else 0)
        if bytes_after > self._max_bytes:
            return False
        self._waiting[write.key] = write
        self._bytes = bytes_after
        self._idle.clear()
        self._filled.set()
        return True

    async def run(self) -> None:
        """Perform the queued writes until cancelled."""
        while True:
            await self._filled.wait()
            while self._waiting:
                _, write = self._waiting.popitem(last=False)
                self._running = 1
                try:
                    await write.perform()
                finally:
                    self._running = 0
                    self._bytes -= write.size_bytes
            self._filled.clear()
            self._idle.set()

    async def drain(self, seconds: float) -> int:
        """Wait until the queue is empty, for at most `seconds`, and return the number of writes left."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return len(self._waiting) + self._running
        return 0
