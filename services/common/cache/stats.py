"""The counters of a cache, and its status for one call."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

Stat = Literal[
    "hits_memory", "hits_store", "misses", "errors", "skipped_open_circuit", "skipped_busy", "dropped_writes", "corrupt"
]
Counts = Counter[Stat]
CacheStatus = Literal["miss", "hit", "joined", "bypass"]
"""What the cache did for one call; `joined` shared a running provider call, `bypass` skipped the cache."""


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Counts since the cache was created."""

    hits_memory: int = 0
    """Reads answered from the memory of this process."""
    hits_store: int = 0
    """Reads answered from the store."""
    misses: int = 0
    """Reads without a value, for whatever reason."""
    errors: int = 0
    """Reads, writes and purges that failed or timed out."""
    skipped_open_circuit: int = 0
    """Reads and writes that skipped the store because its circuit was open."""
    skipped_busy: int = 0
    """Reads that skipped the store because too many others were running."""
    dropped_writes: int = 0
    """Writes that were dropped because the queue was full or the process ended first."""
    corrupt: int = 0
    """Entries that were deleted because they were corrupt."""
