"""Writes that wait for the store behind the caller's back, bounded in bytes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Write:
    """Something to be done to one key."""

    key: str
    size_bytes: int
    """How much memory it holds while it waits."""
    perform: Callable[[], Awaitable[None]]
    """Does it; never raises."""


class WriteQueue:
    """Performs writes one after the other; of two that wait for one key only the later is performed.

    Args:
        max_bytes: Most that waiting writes may hold.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._waiting: OrderedDict[str, Write] = OrderedDict()
        self._bytes = 0
        self._performing = 0
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def held_bytes(self) -> int:
        """How much the waiting writes and the running one hold."""
        return self._bytes

    def offer(self, write: Write) -> bool:
        """Take `write` if there is room for it, and says whether it did; never blocks."""
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
        """Perform what is offered, until cancelled."""
        while True:
            await self._filled.wait()
            while self._waiting:
                _, write = self._waiting.popitem(last=False)
                self._performing = 1
                try:
                    await write.perform()
                finally:
                    self._performing = 0
                    self._bytes -= write.size_bytes
            self._filled.clear()
            self._idle.set()

    async def drain(self, seconds: float) -> int:
        """Wait until everything is performed, for `seconds` at most; returns how many writes are left."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return len(self._waiting) + self._performing
        return 0
