"""The nearest level of the cache: decoded values in this process, the least recently used dropped first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from services.common.cache.expiry_clock import ExpiryClock

T = TypeVar("T")

ENTRY_OVERHEAD_BYTES = 512
"""What an entry costs beside its value: without it, a million tiny values would count as nothing."""


@dataclass(frozen=True, slots=True)
class _Slot(Generic[T]):
    value: T
    size_bytes: int
    expires_at: datetime
    deadline_seconds: float


class MemoryCache(Generic[T]):
    """Values by key, bounded in bytes.

    A value expires when either clock says so: the wall clock, or the time that has passed since it was put here.

    Args:
        max_bytes: Most that all values together may take; 0 keeps nothing.
        size_bytes: Says how much a value takes.
        clock: Says what time it is.
    """

    def __init__(self, max_bytes: int, size_bytes: Callable[[T], int], clock: ExpiryClock) -> None:
        self._max_bytes = max_bytes
        self._size_bytes = size_bytes
        self._clock = clock
        self._slots: OrderedDict[str, _Slot[T]] = OrderedDict()
        self._bytes = 0

    @property
    def held_bytes(self) -> int:
        """How much the values take; never more than `max_bytes`."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._slots)

    def get(self, key: str) -> T | None:
        """Return the value of `key` if it is there and may still be served."""
        slot = self._slots.get(key)
        if slot is None:
            return None
        if self._clock.monotonic() >= slot.deadline_seconds or self._clock.now() >= slot.expires_at:
            self.discard(key)
            return None
        self._slots.move_to_end(key)
        return slot.value

    def put(self, key: str, value: T, ttl_seconds: float) -> None:
        """Keep `value` for `ttl_seconds` at most, in place of any older one of `key`."""
        self.discard(key)
        size_bytes = self._size_bytes(value) + ENTRY_OVERHEAD_BYTES
        if ttl_seconds <= 0 or size_bytes > self._max_bytes:
            return
        expires_at = self._clock.now() + timedelta(seconds=ttl_seconds)
        self._slots[key] = _Slot(value, size_bytes, expires_at, self._clock.monotonic() + ttl_seconds)
        self._bytes += size_bytes
        while self._bytes > self._max_bytes:
            self.discard(next(iter(self._slots)))

    def discard(self, key: str) -> None:
        """Forget the value of `key`, if there is one."""
        slot = self._slots.pop(key, None)
        if slot is not None:
            self._bytes -= slot.size_bytes
