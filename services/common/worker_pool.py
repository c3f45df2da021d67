"""Process untrusted files in worker processes, so that no file can stall the event loop or crash the service.

Pebble manages the processes: it ends a worker that exceeds its timeout and replaces one that crashed; the pool of the
standard library does neither. Workers are spawned, because a fork of a process with gRPC's threads may hang.

A task that has started is not cancelled when its caller leaves: it runs to its end or to its timeout. To cancel it,
Pebble would end the worker, which may already run another caller's task; that task would be lost (seen with 5.2.3).
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import threading
import traceback
import warnings
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import ParamSpec, TypeVar

from pebble import ProcessExpired, ProcessPool

from services.common.errors import FieldViolation, MediaError, Reason
from services.common.log import logger

P = ParamSpec("P")
T = TypeVar("T")

MAX_WORKER_BYTES = 3 * 1024 * 1024 * 1024
"""Address space of a worker. The largest image, `MAX_FILE_PIXELS`, needs less than a half of it at its peak."""
_RETRY_SECONDS = 1.0
_NICENESS = 10
"""Lowers the priority of workers, so that the event loop runs first when cores are scarce."""

log = logger(__name__)


class WorkerPool:
    """A pool of worker processes; the first call starts them.

    Args:
        pool: The processes.
        count: Number of processes.
        max_calls: Most calls accepted at once, running ones included.
        timeout_seconds: Longest that one call may run; then its worker is ended.
    """

    def __init__(self, pool: ProcessPool, count: int, max_calls: int, timeout_seconds: float) -> None:
        self._pool = pool
        self._permits = asyncio.Semaphore(count)
        self._max_calls = max_calls
        self._timeout_seconds = timeout_seconds
        self._accepted = 0

    @property
    def queued_calls(self) -> int:
        """Number of accepted calls, running ones included."""
        return self._accepted

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` in a worker and return its result.

        A caller that leaves before the task has started frees its permit at once.

        Args:
            function: A function at module level, which a worker can import.
            *args: Its positional arguments; they are copied, as is the result.
            **kwargs: Its keyword arguments.

        Raises:
            MediaError: The error that `function` raised; OVERLOADED if too many calls wait; MEDIA_INVALID if the worker
                crashed, the call exceeded its timeout, or a library raised an error of its own about the file.
        """
        if self._accepted >= self._max_calls:
            raise MediaError(
                Reason.OVERLOADED, "Too many files wait to be processed; retry.", retry_after_seconds=_RETRY_SECONDS
            )
        try:
            outcome: T | _Failure | _UnexpectedError = await self._run_task(function, args, kwargs)
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
        if isinstance(outcome, _UnexpectedError):
            log.error("a worker failed", work=function.__name__, error=outcome.name, origin=outcome.origin)
            raise MediaError(Reason.MEDIA_INVALID, "The file cannot be processed; save it again with another program.")
        if isinstance(outcome, _Failure):
            raise outcome.error()
        return outcome

    async def _run_task(
        self, function: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> T | _Failure | _UnexpectedError:
        """Return the outcome from a worker; the permit is held until then, even if the caller has left."""
        self._accepted += 1
        try:
            await self._permits.acquire()
        except asyncio.CancelledError:
            self._accepted -= 1
            raise
        loop = asyncio.get_running_loop()
        finished: asyncio.Future[Future[T | _Failure | _UnexpectedError]] = loop.create_future()

        def release(done: Future[T | _Failure | _UnexpectedError]) -> None:
            self._accepted -= 1
            self._permits.release()
            if not finished.done():
                finished.set_result(done)

        def release_from_thread(done: Future[T | _Failure | _UnexpectedError]) -> None:
            # If the loop is closed, no caller waits any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(release, done)

        try:
            task = self._pool.schedule(_run_in_worker, args=[function, args, kwargs], timeout=self._timeout_seconds)
        except BaseException:
            self._accepted -= 1
            self._permits.release()
            raise
        task.add_done_callback(release_from_thread)
        return (await finished).result()


@asynccontextmanager
async def open_workers(count: int, *, max_queue: int, timeout_seconds: float) -> AsyncIterator[WorkerPool]:
    """Open a worker pool; leaving the context ends its processes.

    Args:
        count: Most processes.
        max_queue: Most calls that wait beyond the running ones.
        timeout_seconds: Longest that one call may run.
    """
    pool = new_pool(count)
    try:
        yield WorkerPool(pool, count, count + max_queue, timeout_seconds)
    finally:
        await asyncio.to_thread(end_pool, pool)


def new_pool(count: int) -> ProcessPool:
    """Return a pool of processes, not yet started and bound to no event loop; end it with `end_pool`."""
    return ProcessPool(
        max_workers=count, context=multiprocessing.get_context("spawn"), initializer=_prepare, initargs=[]
    )


def end_pool(pool: ProcessPool) -> None:
    """End the processes at once, running calls included."""
    pool.stop()  # type: ignore[no-untyped-call]  # pebble has no annotation here
    pool.join()


class _Failure:
    """A MediaError in a form that can be pickled: exceptions with keyword-only arguments cannot."""

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


@dataclass(frozen=True, slots=True)
class _UnexpectedError:
    """An error that is not a MediaError. Its text stays in the worker: it may quote the file."""

    name: str
    """Name of its type."""
    origin: str
    """File and line that raised it."""


def _run_in_worker(
    function: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]
) -> T | _Failure | _UnexpectedError:
    try:
        return function(*args, **kwargs)
    except MediaError as error:
        return _Failure(error)
    except MemoryError:
        return _Failure(
            MediaError(Reason.MEDIA_INVALID, "The file needs too much memory to be processed; send a smaller one.")
        )
    except Exception as error:  # noqa: BLE001 - a library may raise anything about a damaged file
        last = traceback.extract_tb(error.__traceback__)[-1]
        return _UnexpectedError(type(error).__name__, f"{last.filename}:{last.lineno}")


def _prepare() -> None:
    """Limit a new worker process: memory, core dumps, priority and lifetime."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_WORKER_BYTES, MAX_WORKER_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICENESS)
    warnings.simplefilter("ignore")
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process as soon as the service ends, even by a crash."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
