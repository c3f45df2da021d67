"""Runs several pieces of work at once, few at a time, and tells of each as it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeVar

from services.common.errors import MediaError, Reason
from services.common.log import logger, where

log = logger(__name__)

T = TypeVar("T")


async def run_limited(
    work: Sequence[Callable[[], Awaitable[T]]], parallelism: int
) -> AsyncGenerator[tuple[int, T | MediaError], None]:
    """Yield the number of each piece of work with its result, or with what it failed with, in the order they end.

    A failure stops nothing else. Leaving the iteration cancels what is not ended. No more is begun than is taken: a
    reader who stops reading stops the work.

    Args:
        work: What is to be done; each is called once at most.
        parallelism: Most pieces at once, 1 or more.
    """
    waiting = list(enumerate(work))[::-1]
    running: dict[asyncio.Task[T | MediaError], int] = {}
    try:
        while waiting or running:
            while waiting and len(running) < parallelism:
                number, begin = waiting.pop()
                running[asyncio.create_task(_capture_error(begin))] = number
            ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                yield running.pop(task), task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _capture_error(begin: Callable[[], Awaitable[T]]) -> T | MediaError:
    try:
        return await begin()
    except MediaError as error:
        return error
    except Exception as error:  # noqa: BLE001 - one broken piece may not take the others along
        log.error("an image of a batch failed", error_type=type(error).__name__, frames=where(error))
        return MediaError(Reason.INTERNAL)
