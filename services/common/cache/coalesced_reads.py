"""Reads from the store that callers share and wait for only so long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from services.common.cache.circuit_breaker import CircuitBreaker
from services.common.cache.interface import StoreError
from services.common.cache.stats import Counts

T = TypeVar("T")

SLOW = "slow"
"""What is reported as the cause where a read took too long."""


class _Lookup(Generic[T]):
    def __init__(self, task: asyncio.Task[T | None]) -> None:
        self.task = task
        self.late = False


class CoalescedReads(Generic[T]):
    """One read a key at a time, however many wait for it.

    A read that takes too long goes on without its callers: what it finds serves the next ones.

    Args:
        read: Reads a key from the store; what it returns is the answer.
        circuit: Says whether the store may be asked.
        counts: Where skipped reads are counted.
        failed: Told the cause of each failure.
        timeout_seconds: Longest that a caller waits.
        max_running: Most reads at once; beyond, callers are answered without the store.
    """

    def __init__(
        self,
        read: Callable[[str], Awaitable[T | None]],
        circuit: CircuitBreaker,
        counts: Counts,
        failed: Callable[[str], None],
        *,
        timeout_seconds: float,
        max_running: int,
    ) -> None:
        self._read = read
        self._circuit = circuit
        self._counts = counts
        self._failed = failed
        self._timeout_seconds = timeout_seconds
        self._max_running = max_running
        self._running: dict[str, _Lookup[T]] = {}

    async def get(self, key: str) -> T | None:
        """Return what the store has for `key`; None where it has nothing, fails, or does not answer in time."""
        lookup = self._running.get(key) or self._begin(key)
        if lookup is None:
            return None
        done, _ = await asyncio.wait({lookup.task}, timeout=self._timeout_seconds)
        if not done:
            self._give_up(lookup)
            return None
        return None if lookup.task.cancelled() else lookup.task.result()

    async def close(self) -> None:
        """End every read."""
        tasks = [lookup.task for lookup in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # A task that is cancelled before its first step never gets to clean up.
        self._running.clear()

    def _begin(self, key: str) -> _Lookup[T] | None:
        if len(self._running) >= self._max_running:
            self._counts["skipped_busy"] += 1
            return None
        if not self._circuit.allows():
            self._counts["skipped_open_circuit"] += 1
            return None
        lookup = _Lookup(asyncio.create_task(self._run(key), name="reading the result store"))
        self._running[key] = lookup
        return lookup

    async def _run(self, key: str) -> T | None:
        try:
            found = await self._read(key)
        except StoreError as error:
            self._fail(key, error.cause)
            return None
        except Exception as error:  # noqa: BLE001 - whatever a driver does, the request goes on without the cache
            self._fail(key, type(error).__name__)
            return None
        else:
            if not self._running[key].late:
                self._circuit.record_success()
            return found
        finally:
            del self._running[key]

    def _give_up(self, lookup: _Lookup[T]) -> None:
        if not lookup.late:
            lookup.late = True
            self._circuit.record_failure()
            self._failed(SLOW)

    def _fail(self, key: str, cause: str) -> None:
        if not self._running[key].late:
            self._circuit.record_failure()
            self._failed(cause)
