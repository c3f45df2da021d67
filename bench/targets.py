"""Performance targets of the suite, and whether it reaches them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.idle import IdleSuite
from bench.scenarios import FULL, MONGODB, SQLITE
from bench.summary import Row

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PerformanceTarget:
    """A measured figure and its bound."""

    name: str
    unit: str
    bound: float
    side: Literal["at most", "at least"]
    value: float

    @property
    def is_reached(self) -> bool:
        """Whether the figure is within its bound."""
        return self.value <= self.bound if self.side == "at most" else self.value >= self.bound


def build_targets(rows: Sequence[Row], rest: IdleSuite | None) -> list[PerformanceTarget]:
    """Return the targets for the measured scenarios."""
    of_suites = {(row.scenario, row.target): row for row in rows if row.added is not None}
    found = [
        PerformanceTarget(name, unit, bound, side, figure(of_suites[scenario, suite]))
        for scenario, suite, name, unit, bound, side, figure in _OF_SCENARIOS
        if (scenario, suite) in of_suites
    ]
    if rest is not None:
        found.append(PerformanceTarget("memory at rest, all processes", "MB", 350, "at most", rest.total_bytes / MIB))
        found.append(PerformanceTarget("ready after `make run`", "s", 5, "at most", rest.ready_seconds))
    return found


def _per_second(row: Row) -> float:
    return row.requests_per_second


def _first_p50_ms(row: Row) -> float:
    return row.first_p50_ms


def _calls(row: Row) -> float:
    return row.calls_per_answer


def _get_p50_ms(row: Row) -> float:
    return row.added.p50_ms if row.added else float("nan")


def _get_p99_ms(row: Row) -> float:
    return row.added.p99_ms if row.added else float("nan")


_OF_SCENARIOS: tuple[
    tuple[str, str, str, str, float, Literal["at most", "at least"], Callable[[Row], float]],
    ...,
] = (
    ("paced", FULL, "added to first audio at 60 paced streams, p50", "ms", 2.5, "at most", _get_p50_ms),
    ("paced", FULL, "added to first audio at 60 paced streams, p99", "ms", 6.0, "at most", _get_p99_ms),
    ("paced", FULL, "CPU per paced stream of 60 chunks, all hops", "ms", 13.0, "at most", lambda row: row.cpu_total_ms),
    ("unary", FULL, "whole answers of 48 KiB, 8 users", "1/s", 2000, "at least", _per_second),
    ("hit_memory", FULL, "cached answers of 48 KiB from memory, 8 users", "1/s", 3000, "at least", _per_second),
    ("hit_memory_first", FULL, "first audio of a cached answer, from memory", "ms", 2.0, "at most", _first_p50_ms),
    ("hit_store_first", SQLITE, "first audio of a cached answer, from SQLite", "ms", 10.0, "at most", _first_p50_ms),
    ("hit_store_first", MONGODB, "first audio of a cached answer, from MongoDB", "ms", 10.0, "at most", _first_p50_ms),
    ("joined", FULL, "provider calls for one of 60 joined listeners", "", 1 / 50, "at most", _calls),
)
