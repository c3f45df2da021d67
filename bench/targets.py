"""Performance targets of the suite, and whether it reaches them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.idle import IdleSuite
from bench.scenarios import FULL, MONGODB, SQLITE
from bench.summary import SummaryRow

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PerformanceTarget:
    """A measured figure and its goal."""

    name: str
    unit: str
    goal: float
    side: Literal["at most", "at least"]
    value: float

    @property
    def is_reached(self) -> bool:
        """Whether the figure is within its goal."""
        return self.value <= self.goal if self.side == "at most" else self.value >= self.goal


def build_targets(rows: Sequence[SummaryRow], idle: IdleSuite | None) -> list[PerformanceTarget]:
    """Return the targets for the measured scenarios."""
    rows_by_target = {(row.scenario, row.target): row for row in rows if row.added is not None}
    found = [
        PerformanceTarget(name, unit, goal, side, figure(rows_by_target[scenario, suite]))
        for scenario, suite, name, unit, goal, side, figure in _SCENARIO_TARGETS
        if (scenario, suite) in rows_by_target
    ]
    if idle is not None:
        found.append(
            PerformanceTarget("memory of the idle suite, all processes", "MB", 350, "at most", idle.total_bytes / MIB)
        )
        found.append(PerformanceTarget("ready after `make run`", "s", 5, "at most", idle.ready_seconds))
    return found


def _read_rate(row: SummaryRow) -> float:
    return row.requests_per_second


def _read_p50(row: SummaryRow) -> float:
    return row.first_p50_ms


def _read_calls(row: SummaryRow) -> float:
    return row.calls_per_response


def _read_added_p50(row: SummaryRow) -> float:
    return row.added.p50_ms if row.added else float("nan")


def _read_added_p99(row: SummaryRow) -> float:
    return row.added.p99_ms if row.added else float("nan")


_SCENARIO_TARGETS: tuple[
    tuple[str, str, str, str, float, Literal["at most", "at least"], Callable[[SummaryRow], float]],
    ...,
] = (
    ("paced", FULL, "added to first audio at 60 paced streams, p50", "ms", 2.5, "at most", _read_added_p50),
    ("paced", FULL, "added to first audio at 60 paced streams, p99", "ms", 6.0, "at most", _read_added_p99),
    ("paced", FULL, "CPU per paced stream of 60 chunks, all hops", "ms", 13.0, "at most", lambda row: row.cpu_total_ms),
    ("unary", FULL, "unary responses of 48 KiB, 8 users", "1/s", 2000, "at least", _read_rate),
    ("hit_memory", FULL, "cached responses of 48 KiB from memory, 8 users", "1/s", 3000, "at least", _read_rate),
    ("hit_memory_first", FULL, "first audio of a cached response, from memory", "ms", 2.0, "at most", _read_p50),
    ("hit_store_first", SQLITE, "first audio of a cached response, from SQLite", "ms", 10.0, "at most", _read_p50),
    ("hit_store_first", MONGODB, "first audio of a cached response, from MongoDB", "ms", 10.0, "at most", _read_p50),
    ("joined", FULL, "provider calls for one of 60 joined listeners", "", 1 / 50, "at most", _read_calls),
)
