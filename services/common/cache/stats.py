"""What the cache has done since it was opened."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

Stat = Literal[
    "hits_memory", "hits_store", "misses", "errors", "skipped_open_circuit", "skipped_busy", "dropped_writes", "corrupt"
]
Counts = Counter[Stat]


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Counts since the cache was opened."""

    hits_memory: int = 0
    """Values that were in this process."""
    hits_store: int = 0
    """Values that came from the store."""
    misses: int = 0
    """Answers without a value, for whatever reason: their callers made it again."""
    errors: int = 0
    """Reads, writes and purges that failed or took too long."""
    skipped_open_circuit: int = 0
    """Reads and writes that did not go to the store because it had just failed."""
    skipped_busy: int = 0
    """Reads that did not go to the store because too many were waiting for it."""
    dropped_writes: int = 0
    """Values that did not reach the store because too many waited, or the process ended first."""
    corrupt: int = 0
    """Entries that were dropped because they were not what was stored."""
