"""Reads from the store with a timeout, one per key: concurrent callers of a key share the read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from services.common.cache.circuit_breaker import CircuitBreaker
from services.common.cache.interface import Counts, StoreError

T = TypeVar("T")

SLOW = "slow"
"""Cause that is reported when a read or write times out."""


class _SharedRead(Generic[T]):
    def __init__(self, task: asyncio.Task[T | None]) -> None:
        self.task = task
        self.timed_out = False


class CoalescedReads(Generic[T]):
    """At most one read per key at a time, however many callers wait for it.

    A read that times out is not cancelled: its callers go on without a value, and its result serves the next callers.

    Args:
        read: Called with a key; reads the value from the store.
        circuit: Circuit breaker of the reads.
        counts: Counters for skipped reads.
        report_failure: Called with the cause when a read fails or times out.
        timeout_seconds: Longest time that a caller waits.
        max_running: Most concurrent reads; further callers get no value.
    """

    def __init__(
        self,
        read: Callable[[str], Awaitable[T | None]],
        circuit: CircuitBreaker,
        counts: Counts,
        report_failure: Callable[[str], None],
        *,
        timeout_seconds: float,
        max_running: int,
    ) -> None:
        self._read = read
        self._circuit = circuit
        self._counts = counts
        self._report_failure = report_failure
        self._timeout_seconds = timeout_seconds
        self._max_running = max_running
        self._running: dict[str, _SharedRead[T]] = {}

    async def get(self, key: str) -> T | None:
        """Return the value of `key`; None if the store has none, fails, or does not answer in time."""
        shared = self._running.get(key) or self._start(key)
        if shared is None:
            return None
        done, _ = await asyncio.wait({shared.task}, timeout=self._timeout_seconds)
        if not done:
            self._abandon(shared)
            return None
        return None if shared.task.cancelled() else shared.task.result()

    async def close(self) -> None:
        """Cancel all reads."""
        tasks = [shared.task for shared in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # A task that is cancelled before its first step does not run its finally block.
        self._running.clear()

    def _start(self, key: str) -> _SharedRead[T] | None:
        if len(self._running) >= self._max_running:
            self._counts["skipped_busy"] += 1
            return None
        if not self._circuit.allows():
            self._counts["skipped_open_circuit"] += 1
            return None
        shared = _SharedRead(asyncio.create_task(self._run(key), name="result store read"))
        self._running[key] = shared
        return shared

    async def _run(self, key: str) -> T | None:
        try:
            value = await self._read(key)
        except StoreError as error:
            self._record_failure(key, error.cause)
            return None
        except Exception as error:  # noqa: BLE001 - an unexpected driver error must not fail the request
            self._record_failure(key, type(error).__name__)
            return None
        else:
            if not self._running[key].timed_out:
                self._circuit.record_success()
            return value
        finally:
            del self._running[key]

    def _abandon(self, shared: _SharedRead[T]) -> None:
        if not shared.timed_out:
            shared.timed_out = True
            self._circuit.record_failure()
            self._report_failure(SLOW)

    def _record_failure(self, key: str, cause: str) -> None:
        if not self._running[key].timed_out:
            self._circuit.record_failure()
            self._report_failure(cause)
