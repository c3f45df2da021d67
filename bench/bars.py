"""The speeds that the suite is meant to reach, and whether it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.rest import Rest
from bench.summary import Row

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure and the bound that it should keep."""

    name: str
    unit: str
    bound: float
    side: Literal["at most", "at least"]
    value: float

    @property
    def reached(self) -> bool:
        """Whether the figure keeps its bound."""
        return self.value <= self.bound if self.side == "at most" else self.value >= self.bound


def bars(rows: Sequence[Row], rest: Rest | None) -> list[Bar]:
    """Returns the bars whose scenarios were measured."""
    of_suite = {row.scenario: row for row in rows if row.added is not None}
    found = [
        Bar(name, unit, bound, side, figure(of_suite[scenario]))
        for scenario, name, unit, bound, side, figure in _OF_SCENARIOS
        if scenario in of_suite
    ]
    if rest is not None:
        found.append(Bar("memory at rest, all processes", "MB", 350, "at most", rest.total_bytes / MIB))
        found.append(Bar("ready after `make run`", "s", 5, "at most", rest.ready_seconds))
    return found


def _added_p50_ms(row: Row) -> float:
    return row.added.p50_ms if row.added else float("nan")


def _added_p99_ms(row: Row) -> float:
    return row.added.p99_ms if row.added else float("nan")


_OF_SCENARIOS: tuple[
    tuple[str, str, str, float, Literal["at most", "at least"], Callable[[Row], float]],
    ...,
] = (
    ("paced", "added to first audio at 60 paced streams, p50", "ms", 2.5, "at most", _added_p50_ms),
    ("paced", "added to first audio at 60 paced streams, p99", "ms", 6.0, "at most", _added_p99_ms),
    ("paced", "CPU per paced stream of 60 chunks, all hops", "ms", 13.0, "at most", lambda row: row.cpu_total_ms),
    ("unary", "whole answers of 48 KiB, 8 users", "1/s", 2000, "at least", lambda row: row.requests_per_second),
)
