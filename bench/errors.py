"""Error of the benchmark."""

from __future__ import annotations


class BenchError(Exception):
    """Raised when nothing can be measured; the message says why and what to do."""
