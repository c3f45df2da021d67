"""Progress of long work, and the channel that carries progress and media from the work to its caller."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")

_MAX_CHUNKS = 4

# Ceilings of a percentage that may not reach 100 before the next stage has started.
ESTIMATE_CEILING_PERCENT = 95.0
"""Highest estimate while a provider reports nothing."""
PROVIDER_CEILING_PERCENT = 97.0
"""Highest percentage of a provider's own work."""
RENDER_CEILING_PERCENT = 98.0
"""Highest percentage of the embedded provider's rendering."""
STORE_CEILING_PERCENT = 99.0
"""Highest percentage before the result is stored."""


class State(Enum):
    """Stage of the work."""

    QUEUED = "queued"
    RUNNING = "running"
    STORING = "storing"


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of one video."""

    state: State
    percent: float = 0.0
    """0 to 100."""
    estimated: bool = False
    """Whether `percent` is an estimate."""
    queue_position: int = 0
    """Position in the queue for ffmpeg; 0 outside the queue."""


@dataclass(frozen=True, slots=True)
class Completed(Generic[T]):
    """Result of the work; the last item of a stream."""

    result: T


async def stream_progress(
    work: Callable[[ProgressChannel], Awaitable[T]],
) -> AsyncGenerator[Progress | bytes | Completed[T]]:
    """Yield what `work` reports, and its result last. Closing the generator cancels the work.

    Args:
        work: Called with the channel that it reports to.

    Raises:
        MediaError: Raised by `work`; all earlier reports are yielded first.
    """
    channel = ProgressChannel()
    task = asyncio.ensure_future(work(channel))
    task.add_done_callback(lambda _: channel.close())
    try:
        while not task.done():
            for item in await channel.receive():
                yield item
        channel.close()
        for item in await channel.receive():
            yield item
        yield Completed(await task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class ProgressChannel:
    """Carries reports from work to one reader: only the latest progress, but all media, at the reader's speed."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._percent = 0.0
        self._chunks: deque[bytes] = deque()
        self._has_items = asyncio.Event()
        self._has_room = asyncio.Event()

    def report(self, progress: Progress) -> None:
        """Report progress; a lower percentage than before is raised to the highest so far."""
        self._percent = max(self._percent, min(100.0, progress.percent))
        self._progress = replace(progress, percent=self._percent)
        self._has_items.set()

    async def send_chunk(self, data: bytes) -> None:
        """Send a piece of the video; wait while too many earlier pieces are unread."""
        while len(self._chunks) >= _MAX_CHUNKS:
            self._has_room.clear()
            await self._has_room.wait()
        self._chunks.append(data)
        self._has_items.set()

    def close(self) -> None:
        """Wake the reader, also where there is nothing to read."""
        self._has_items.set()

    async def receive(self) -> list[Progress | bytes]:
        """Wait for reports and return them; empty if the channel was closed."""
        await self._has_items.wait()
        self._has_items.clear()
        items: list[Progress | bytes] = [] if self._progress is None else [self._progress]
        self._progress = None
        items += self._chunks
        self._chunks.clear()
        self._has_room.set()
        return items
