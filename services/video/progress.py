"""What a piece of work tells while it goes on: how far it is, and media as they are made."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")

_MAX_CHUNKS = 4


class State(Enum):
    """How far the work is."""

    QUEUED = "queued"
    RUNNING = "running"
    STORING = "storing"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a video is."""

    state: State
    percent: float = 0.0
    """0 to 100."""
    estimated: bool = False
    """Whether `percent` is guessed."""
    queue_position: int = 0
    """Place in line while a place for ffmpeg is waited for."""


@dataclass(frozen=True, slots=True)
class Completed(Generic[T]):
    """What the work came to."""

    result: T


class ProgressChannel:
    """Passes on what is told: of progress the latest only, of media every byte, no faster than it is taken."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._percent = 0.0
        self._chunks: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    def progress(self, progress: Progress) -> None:
        """Tell how far the work is; a percentage that goes back is told as the highest so far."""
        self._percent = max(self._percent, min(100.0, progress.percent))
        self._progress = replace(progress, percent=self._percent)
        self._news.set()

    async def chunk(self, data: bytes) -> None:
        """Tell a piece of the video; waits while earlier ones have not been taken."""
        while len(self._chunks) >= _MAX_CHUNKS:
            self._room.clear()
            await self._room.wait()
        self._chunks.append(data)
        self._news.set()

    def close(self) -> None:
        """Wake whoever listens."""
        self._news.set()

    async def wait_for_items(self) -> list[Progress | bytes]:
        """Wait until something was told and returns it."""
        await self._news.wait()
        self._news.clear()
        items: list[Progress | bytes] = [] if self._progress is None else [self._progress]
        self._progress = None
        items += self._chunks
        self._chunks.clear()
        self._room.set()
        return items


async def stream_progress(
    work: Callable[[ProgressChannel], Awaitable[T]],
) -> AsyncGenerator[Progress | bytes | Completed[T]]:
    """Yield what `work` tells, and last what it came to; whoever stops listening ends it.

    Args:
        work: Gets the teller that it tells.

    Raises:
        MediaError: What `work` raised, after all that it told.
    """
    channel = ProgressChannel()
    task = asyncio.ensure_future(work(channel))
    task.add_done_callback(lambda _: channel.close())
    try:
        while not task.done():
            for item in await channel.wait_for_items():
                yield item
        channel.close()
        for item in await channel.wait_for_items():
            yield item
        yield Completed(await task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
