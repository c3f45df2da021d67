"""Worker processes that open untrusted files, so that no file can stall the event loop or crash the service.

Pebble manages the pool: it ends a worker that exceeds its time limit and replaces one that crashed, which the standard
library's pool does not. Workers start by spawn: a fork of a process with gRPC's threads may hang.

Work that has begun is not cancelled when its caller cancels: it ends by itself or at its time limit. To cancel it,
Pebble would kill the worker, which may have started another caller's work by then; that work would never be answered
(seen with 5.2.3).
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import threading
import warnings
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from multiprocessing.connection import wait
from typing import ParamSpec, TypeVar

from pebble import ProcessExpired, ProcessPool

from services.common.errors import FieldViolation, MediaError, Reason
from services.common.log import logger

P = ParamSpec("P")
T = TypeVar("T")

MAX_WORKER_BYTES = 3 * 1024 * 1024 * 1024
"""Address space of a worker: an image of 20 million pixels takes less than a fifth of it, at its most."""
_RETRY_SECONDS = 1.0
_NICENESS = 10
"""Workers give way to the event loop where there are fewer cores than busy processes."""

log = logger(__name__)


class WorkerPool:
    """A pool of processes; nothing of it runs before the first call.

    Args:
        pool: The processes.
        count: How many there are.
        max_waiting: Most calls that are taken on at once, those at work included.
        timeout_seconds: Longest that one call may work; its worker is ended then.
    """

    def __init__(self, pool: ProcessPool, count: int, max_waiting: int, timeout_seconds: float) -> None:
        self._pool = pool
        self._places = asyncio.Semaphore(count)
        self._max_waiting = max_waiting
        self._timeout_seconds = timeout_seconds
        self._taken = 0

    @property
    def queued_calls(self) -> int:
        """Number of accepted calls, running ones included."""
        return self._taken

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `function` returns in a worker; a call that is cancelled before it begins costs nothing.

        Args:
            function: A function of a module, that a worker can import.
            *args: Its arguments; they are copied, as is the result.
            **kwargs: More of them.

        Raises:
            MediaError: What `function` raised; OVERLOADED; MEDIA_INVALID, it crashed or took too long.
        """
        if self._taken >= self._max_waiting:
            raise MediaError(
                Reason.OVERLOADED, "Too many files wait to be worked on; retry.", retry_after_seconds=_RETRY_SECONDS
            )
        try:
            outcome: T | _Failure = await self._run_task(function, args, kwargs)
        except TimeoutError:
            log.warning("a file took too long", work=function.__name__, seconds=self._timeout_seconds)
            raise MediaError(
                Reason.MEDIA_INVALID, f"The file cannot be processed within {self._timeout_seconds:g} seconds."
            ) from None
        except ProcessExpired as error:
            log.error("a worker crashed", work=function.__name__, exit_code=error.exitcode)
            raise MediaError(
                Reason.MEDIA_INVALID, "The file cannot be processed; save it again with another program."
            ) from None
        if isinstance(outcome, _Failure):
            raise outcome.error()
        return outcome

    async def _run_task(
        self, function: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> T | _Failure:
        """Return what a worker answers; its place is taken until then, whether anybody still waits or not."""
        self._taken += 1
        try:
            await self._places.acquire()
        except asyncio.CancelledError:
            self._taken -= 1
            raise
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Future[T | _Failure]] = loop.create_future()

        def free(done: Future[T | _Failure]) -> None:
            self._taken -= 1
            self._places.release()
            if not answer.done():
                answer.set_result(done)

        def in_thread(done: Future[T | _Failure]) -> None:
            # On a closed loop no caller waits for the result.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(free, done)

        try:
            task = self._pool.schedule(_run_in_worker, args=[function, args, kwargs], timeout=self._timeout_seconds)
        except BaseException:
            self._taken -= 1
            self._places.release()
            raise
        task.add_done_callback(in_thread)
        return (await answer).result()


@asynccontextmanager
async def open_workers(count: int, *, max_queue: int, timeout_seconds: float) -> AsyncIterator[WorkerPool]:
    """Yield the pool and ends its processes afterwards.

    Args:
        count: Most processes.
        max_queue: Most calls that wait beyond those that are worked on.
        timeout_seconds: Longest that one call may work.
    """
    pool = new_pool(count)
    try:
        yield WorkerPool(pool, count, count + max_queue, timeout_seconds)
    finally:
        await asyncio.to_thread(end_pool, pool)


def new_pool(count: int) -> ProcessPool:
    """Return processes, not yet started, that belong to no event loop; `end_pool` ends them."""
    return ProcessPool(
        max_workers=count, context=multiprocessing.get_context("spawn"), initializer=_prepare, initargs=[]
    )


def end_pool(pool: ProcessPool) -> None:
    """End the processes, whatever they are doing."""
    pool.stop()  # type: ignore[no-untyped-call]  # pebble leaves this one out
    pool.join()


class _Failure:
    """A MediaError on its way out of a worker: exceptions with keyword arguments do not survive being copied."""

    def __init__(self, error: MediaError) -> None:
        self._reason = error.reason.name
        self._message = error.message
        self._violations = [(item.field, item.description) for item in error.violations]

    def error(self) -> MediaError:
        return MediaError(
            Reason[self._reason],
            self._message,
            violations=[FieldViolation(field, description) for field, description in self._violations],
        )


def _run_in_worker(function: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> T | _Failure:
    try:
        return function(*args, **kwargs)
    except MediaError as error:
        return _Failure(error)
    except MemoryError:
        return _Failure(MediaError(Reason.MEDIA_INVALID, "The file takes more memory than one file may have."))


def _prepare() -> None:
    """Make a fresh process fit to open strangers' files."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_WORKER_BYTES, MAX_WORKER_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICENESS)
    warnings.simplefilter("ignore")
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process as soon as the service is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
