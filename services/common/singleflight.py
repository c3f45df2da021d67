"""Share one production among identical concurrent requests; every reader gets all of its items."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

from services.common.errors import MediaError, Reason

T = TypeVar("T")

Source = Callable[[], AsyncGenerator[T, None]]
"""Called at most once per flight, to start the production."""


@dataclass(frozen=True, slots=True)
class SingleFlightLimits:
    """Limits on the memory of one flight."""

    ahead_bytes: int = 4 * 1024 * 1024
    """How far the work may run ahead of its fastest reader."""
    max_cached_bytes: int = 64 * 1024 * 1024
    """Most bytes that are cached for slow readers and late joiners. Once the oldest items are dropped, later requests
    start a flight of their own, and a reader that still needs a dropped item fails with OVERLOADED."""


class SingleFlight(Generic[T]):
    """The running productions, by key. Leaving the context cancels them all.

    Args:
        size_bytes: Called with an item; returns its size in bytes.
        limits: Memory limits of each flight.
    """

    def __init__(self, size_bytes: Callable[[T], int], limits: SingleFlightLimits = SingleFlightLimits()) -> None:
        self._size_bytes = size_bytes
        self._limits = limits
        self._flights: dict[str, _Flight[T]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, key: object) -> bool:
        return key in self._flights

    @contextmanager
    def subscribe(self, key: str, source: Source[T]) -> Iterator[Subscription[T]]:
        """Join the flight `key`, or start it from `source` if none can be joined.

        Leaving the context ends the subscription. When the last one ends before the production does, the production is
        cancelled.
        """
        flight = self._flights.get(key)
        joined = flight is not None and flight.open_to_joiners
        if flight is None or not joined:
            flight = self._start_flight(key, source)
        reader = flight.add_reader()
        try:
            yield Subscription(flight, reader, joined)
        finally:
            flight.remove_reader(reader)

    async def single(self, key: str, produce: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """Return the result of `produce`, shared by concurrent calls with `key`, and whether this call joined one."""

        async def source() -> AsyncGenerator[T, None]:
            yield await produce()

        with self.subscribe(key, source) as subscription:
            async for item in subscription.items():
                return item, subscription.joined
        raise AssertionError("a source of one item yields or raises")

    def _start_flight(self, key: str, source: Source[T]) -> _Flight[T]:
        def forget() -> None:
            if self._flights.get(key) is flight:
                del self._flights[key]

        flight = _Flight(self._size_bytes, self._limits, forget)
        self._flights[key] = flight
        task = asyncio.create_task(flight.run(source), name=f"flight {key[:12]}")
        flight.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return flight


class Subscription(Generic[T]):
    """One reader of a flight."""

    def __init__(self, flight: _Flight[T], reader: _Reader, joined: bool) -> None:
        self._flight = flight
        self._reader = reader
        self.joined = joined
        """Whether an earlier request started the flight."""

    def items(self) -> AsyncIterator[T]:
        """Yield every item from the first, at this reader's own pace.

        Raises:
            MediaError: The error of the production; OVERLOADED if this reader fell too far behind.
        """
        return self._flight.items(self._reader)


@dataclass(eq=False, slots=True)
class _Reader:
    index: int = 0
    read_bytes: int = 0


class _Flight(Generic[T]):
    task: asyncio.Task[None]

    def __init__(self, size_bytes: Callable[[T], int], limits: SingleFlightLimits, on_end: Callable[[], None]) -> None:
        self._size_bytes = size_bytes
        self._limits = limits
        self._on_end = on_end
        self._items: list[T] = []
        self._sizes: list[int] = []
        self._first_index = 0
        self._produced_bytes = 0
        self._cached_bytes = 0
        self._ended = False
        self._failure: BaseException | None = None
        self._origin: TracebackType | None = None
        self._readers: set[_Reader] = set()
        self._waiters: list[asyncio.Future[None]] = []
        self._production_waiter: asyncio.Future[None] | None = None

    @property
    def open_to_joiners(self) -> bool:
        """Whether the production runs and every item from the first on is still cached."""
        return self._first_index == 0 and not self._ended

    def add_reader(self) -> _Reader:
        reader = _Reader()
        self._readers.add(reader)
        return reader

    def remove_reader(self, reader: _Reader) -> None:
        self._readers.discard(reader)
        if self._readers or self._ended:
            self._resume_production()
            return
        # Later requests must start a new flight: this one is being cancelled.
        self._on_end()
        self.task.cancel()

    async def run(self, source: Source[T]) -> None:
        """Run the production; its failure is raised in every reader, not here."""
        try:
            async with aclosing(source()) as items:
                async for item in items:
                    self._cache_item(item)
                    await self._wait_for_readers()
        except asyncio.CancelledError:
            self._failure = MediaError(Reason.UNAVAILABLE, "The service stopped before the result was complete; retry.")
            raise
        except Exception as error:  # noqa: BLE001 - it is raised again in every reader
            self._failure, self._origin = error, error.__traceback__
        finally:
            self._ended = True
            self._on_end()
            self._wake_readers()

    async def items(self, reader: _Reader) -> AsyncIterator[T]:
        while True:
            while (at := reader.index - self._first_index) < len(self._items):
                if at < 0:
                    raise MediaError(
                        Reason.OVERLOADED, "The reader fell too far behind a stream that it shares with others; retry."
                    )
                reader.index += 1
                reader.read_bytes += self._sizes[at]
                self._resume_production()
                yield self._items[at]
            if self._ended:
                break
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        if self._failure is not None:
            # Each raise adds frames; from the same start, they do not pile up, and the origin stays at their end.
            raise self._failure.with_traceback(self._origin)

    def _cache_item(self, item: T) -> None:
        size = self._size_bytes(item)
        self._items.append(item)
        self._sizes.append(size)
        self._produced_bytes += size
        self._cached_bytes += size
        while self._cached_bytes > self._limits.max_cached_bytes and len(self._items) > 1:
            self._cached_bytes -= self._sizes.pop(0)
            self._items.pop(0)
            self._first_index += 1
        self._wake_readers()

    async def _wait_for_readers(self) -> None:
        while self._readers and self._produced_bytes - self._fastest_read_bytes() > self._limits.ahead_bytes:
            self._production_waiter = asyncio.get_running_loop().create_future()
            await self._production_waiter

    def _fastest_read_bytes(self) -> int:
        return max(reader.read_bytes for reader in self._readers)

    def _resume_production(self) -> None:
        if self._production_waiter is not None and not self._production_waiter.done():
            self._production_waiter.set_result(None)

    def _wake_readers(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
