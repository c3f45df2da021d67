"""The memory level of the result cache: decoded values, least recently used evicted first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from cachetools import LRUCache

from services.common.cache.interface import ExpiryClock

T = TypeVar("T")

ENTRY_OVERHEAD_BYTES = 512
"""Bytes counted for an entry beside its value, so that a million tiny values do not count as nothing."""


@dataclass(frozen=True, slots=True)
class _TimedValue(Generic[T]):
    value: T
    size_bytes: int
    expires_at: datetime
    deadline_seconds: float


class MemoryCache(Generic[T]):
    """Values by key, bounded in bytes.

    A value expires as soon as one of two clocks says so: the wall clock, or the time since `put`. The timed caches of
    cachetools know one clock only, so the expiry is checked here.

    Args:
        max_bytes: Most bytes that all values together may take; 0 stores nothing.
        size_bytes: Called with a value; returns its size.
        clock: Clock for expiry.
    """

    def __init__(self, max_bytes: int, size_bytes: Callable[[T], int], clock: ExpiryClock) -> None:
        self._max_bytes = max_bytes
        self._size_bytes = size_bytes
        self._clock = clock
        self._values: LRUCache[str, _TimedValue[T]] = LRUCache(max_bytes, getsizeof=lambda timed: timed.size_bytes)

    @property
    def held_bytes(self) -> int:
        """Bytes that the values take; at most `max_bytes`."""
        return int(self._values.currsize)

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str) -> T | None:
        """Return the value of `key` unless it is absent or expired."""
        timed = self._values.get(key)
        if timed is None:
            return None
        if self._clock.monotonic() >= timed.deadline_seconds or self._clock.now() >= timed.expires_at:
            self.discard(key)
            return None
        return timed.value

    def put(self, key: str, value: T, ttl_seconds: float) -> None:
        """Store `value` for at most `ttl_seconds`, in place of an older value of `key`."""
        self.discard(key)
        size_bytes = self._size_bytes(value) + ENTRY_OVERHEAD_BYTES
        if ttl_seconds <= 0 or size_bytes > self._max_bytes:
            return
        expires_at = self._clock.now() + timedelta(seconds=ttl_seconds)
        self._values[key] = _TimedValue(value, size_bytes, expires_at, self._clock.monotonic() + ttl_seconds)

    def discard(self, key: str) -> None:
        """Remove the value of `key`, if there is one."""
        self._values.pop(key, None)
