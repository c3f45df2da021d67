"""The one way in which the benchmark gives up."""

from __future__ import annotations


class BenchError(Exception):
    """Nothing can be measured; the text says why and what to do."""
