"""Shared flights: any number of identical requests at once, one production, and every reader gets all of it."""

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
"""Starts the work; called at most once per flight."""


@dataclass(frozen=True, slots=True)
class SingleFlightLimits:
    """How much a flight holds in memory."""

    ahead_bytes: int = 4 * 1024 * 1024
    """How far the work may run ahead of its fastest reader."""
    kept_bytes: int = 64 * 1024 * 1024
    """How much is kept for slow readers and late joiners. Beyond it no caller can join, and a reader that needs a
    dropped item fails."""


class SingleFlight(Generic[T]):
    """The running flights, by key: identical requests share one.

    Args:
        size_bytes: Returns the memory of an item.
        limits: How much a flight holds.
    """

    def __init__(self, size_bytes: Callable[[T], int], limits: SingleFlightLimits = SingleFlightLimits()) -> None:
        self._size_bytes = size_bytes
        self._limits = limits
        self._flying: dict[str, _Flight[T]] = {}
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
        return len(self._flying)

    def __contains__(self, key: object) -> bool:
        return key in self._flying

    @contextmanager
    def subscribe(self, key: str, source: Source[T]) -> Iterator[Subscription[T]]:
        """Take part in the flight `key`; start it from `source` if it does not run yet.

        Leaving the context ends the subscription. When the last subscription ends before the production is over, the
        production is cancelled.
        """
        flight = self._flying.get(key)
        joined = flight is not None and flight.open_to_joiners
        if flight is None or not joined:
            flight = self._begin(key, source)
        reader = flight.add_reader()
        try:
            yield Subscription(flight, reader, joined)
        finally:
            flight.remove_reader(reader)

    async def single(self, key: str, produce: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """Return the one result of `produce`, shared by all callers of `key` meanwhile, and whether it was joined."""

        async def source() -> AsyncGenerator[T, None]:
            yield await produce()

        with self.subscribe(key, source) as subscription:
            async for item in subscription.items():
                return item, subscription.joined
        raise AssertionError("a source of one item yields or raises")

    def _begin(self, key: str, source: Source[T]) -> _Flight[T]:
        def forget() -> None:
            if self._flying.get(key) is flight:
                del self._flying[key]

        flight = _Flight(self._size_bytes, self._limits, forget)
        self._flying[key] = flight
        task = asyncio.create_task(flight.run(source), name=f"flight {key[:12]}")
        flight.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return flight


class Subscription(Generic[T]):
    """One reader's part in a flight."""

    def __init__(self, flight: _Flight[T], reader: _Reader, joined: bool) -> None:
        self._flight = flight
        self._reader = reader
        self.joined = joined
        """Whether somebody else had begun the flight."""

    def items(self) -> AsyncIterator[T]:
        """Yield every item from the first, at this reader's own pace.

        Raises:
            MediaError: What the production failed with; OVERLOADED if this reader fell too far behind.
        """
        return self._flight.items(self._reader)


@dataclass(eq=False, slots=True)
class _Reader:
    index: int = 0
    read_bytes: int = 0


class _Flight(Generic[T]):
    task: asyncio.Task[None]

    def __init__(self, size_bytes: Callable[[T], int], limits: SingleFlightLimits, landed: Callable[[], None]) -> None:
        self._size_bytes = size_bytes
        self._limits = limits
        self._landed = landed
        self._items: list[T] = []
        self._sizes: list[int] = []
        self._first_index = 0
        self._produced_bytes = 0
        self._kept_bytes = 0
        self._ended = False
        self._failure: BaseException | None = None
        self._readers: set[_Reader] = set()
        self._waiting: list[asyncio.Future[None]] = []
        self._production_waits: asyncio.Future[None] | None = None

    @property
    def open_to_joiners(self) -> bool:
        """Whether everything from the first item is still there."""
        return self._first_index == 0 and not self._ended

    def add_reader(self) -> _Reader:
        reader = _Reader()
        self._readers.add(reader)
        return reader

    def remove_reader(self, reader: _Reader) -> None:
        self._readers.discard(reader)
        if self._readers or self._ended:
            self._let_production_go_on()
            return
        # A later caller of the key needs a new flight, not this one, which is being cancelled.
        self._landed()
        self.task.cancel()

    async def run(self, source: Source[T]) -> None:
        """Run the work to its end; an exception reaches every reader and is raised nowhere else."""
        try:
            async with aclosing(source()) as items:
                async for item in items:
                    self._keep(item)
                    await self._wait_for_a_reader()
        except asyncio.CancelledError:
            self._failure = MediaError(Reason.UNAVAILABLE, "The service stopped before the result was complete; retry.")
            raise
        except Exception as error:  # noqa: BLE001 - it is raised again in every reader
            self._failure = error
        finally:
            self._ended = True
            self._landed()
            self._wake_readers()

    async def items(self, reader: _Reader) -> AsyncIterator[T]:
        while True:
            while (at := reader.index - self._first_index) < len(self._items):
                if at < 0:
                    raise MediaError(
                        Reason.OVERLOADED, "The reader fell too far behind a stream that others read as well."
                    )
                reader.index += 1
                reader.read_bytes += self._sizes[at]
                self._let_production_go_on()
                yield self._items[at]
            if self._ended:
                break
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
        if self._failure is not None:
            raise self._failure.with_traceback(None)

    def _keep(self, item: T) -> None:
        size = self._size_bytes(item)
        self._items.append(item)
        self._sizes.append(size)
        self._produced_bytes += size
        self._kept_bytes += size
        while self._kept_bytes > self._limits.kept_bytes and len(self._items) > 1:
            self._kept_bytes -= self._sizes.pop(0)
            self._items.pop(0)
            self._first_index += 1
        self._wake_readers()

    async def _wait_for_a_reader(self) -> None:
        while self._readers and self._produced_bytes - self._fastest_bytes() > self._limits.ahead_bytes:
            self._production_waits = asyncio.get_running_loop().create_future()
            await self._production_waits

    def _fastest_bytes(self) -> int:
        return max(reader.read_bytes for reader in self._readers)

    def _let_production_go_on(self) -> None:
        if self._production_waits is not None and not self._production_waits.done():
            self._production_waits.set_result(None)

    def _wake_readers(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
