"""Summarizes runs: medians over the rounds, and what the suite adds to a direct call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.load import LoadResult
from bench.rounds import Run

_NOT_HOPS = ("provider",)


@dataclass(frozen=True, slots=True)
class Added:
    """What the suite adds to a direct call, over the rounds."""

    p50_ms: float
    """Median of the rounds' added medians."""
    p99_ms: float
    lowest_p50_ms: float
    highest_p50_ms: float
    share_of_direct: float
    """Requests per second as a share of those of a direct call."""


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """A scenario against a target, over all its rounds."""

    scenario: str
    target: str
    requests_per_second: float
    first_p50_ms: float
    first_p99_ms: float
    late_percent: float
    """Share of chunks that arrived more than 50 ms after the provider's schedule."""
    starved_percent: float
    """Share of chunks that arrived too late for playback without a pause."""
    calls_per_response: float
    """Provider requests per good response."""
    cpu_ms: Mapping[str, float]
    """CPU time per good response by hop; empty for the direct call."""
    added: Added | None
    """None for the direct call itself."""
    ok: int
    errors: int
    last_error: str
    rounds: int
    quiet_rounds: int
    """Rounds that no other program disturbed; if there are any, the figures come from these alone."""

    @property
    def cpu_total_ms(self) -> float:
        """CPU time per good response, all hops together."""
        return sum(self.cpu_ms.values())


def summarize(runs: Sequence[Run], baseline: str) -> list[SummaryRow]:
    """Return one row per scenario and target, in the order of their first runs.

    Args:
        runs: Measured runs, round by round.
        baseline: Name of the target that the others are compared with.
    """
    grouped: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        grouped.setdefault((run.scenario, run.target), []).append(run)
    return [
        _build_row(own, grouped.get((scenario, baseline), []), is_baseline=target == baseline)
        for (scenario, target), own in sorted(grouped.items(), key=lambda item: _find_first_run(runs, item[0]))
    ]


def _find_first_run(runs: Sequence[Run], key: tuple[str, str]) -> int:
    return next(index for index, run in enumerate(runs) if (run.scenario, run.target) == key)


def _build_row(own: Sequence[Run], baseline: Sequence[Run], *, is_baseline: bool) -> SummaryRow:
    quiet = [run for run in own if run.quiet]
    counted = [run for run in quiet or own if run.load.ok]
    of_baseline = [run for run in baseline if run.quiet] or baseline
    return SummaryRow(
        scenario=own[0].scenario,
        target=own[0].target,
        requests_per_second=_median(counted, lambda run: run.load.requests_per_second),
        first_p50_ms=_median(counted, get_first_p50_ms),
        first_p99_ms=_median(counted, get_first_p99_ms),
        late_percent=_median(counted, lambda run: _to_percent(run.load.late_chunks, run.load)),
        starved_percent=_median(counted, lambda run: _to_percent(run.load.starved_chunks, run.load)),
        calls_per_response=_median(counted, lambda run: run.calls / max(1, run.load.ok)),
        cpu_ms={} if is_baseline else _reduce_cpu_ms(counted),
        added=None if is_baseline else _compare(counted, [run for run in of_baseline if run.load.ok]),
        ok=sum(run.load.ok for run in own),
        errors=sum(run.load.errors for run in own),
        last_error=next((run.load.last_error for run in reversed(own) if run.load.last_error), ""),
        rounds=len(own),
        quiet_rounds=len(quiet),
    )


def get_first_p50_ms(run: Run) -> float:
    """Return the median time to the first audio."""
    return run.load.first_byte_ms.p50 if run.load.first_byte_ms else float("nan")


def get_first_p99_ms(run: Run) -> float:
    """Return the time to the first audio that one in a hundred exceeds."""
    return run.load.first_byte_ms.p99 if run.load.first_byte_ms else float("nan")


def _compare(own: Sequence[Run], baseline: Sequence[Run]) -> Added | None:
    if not (own and baseline):
        return None
    direct_p50_ms, direct_p99_ms = (
        _median(baseline, get_first_p50_ms),
        _median(baseline, get_first_p99_ms),
    )
    added_ms = [get_first_p50_ms(run) - direct_p50_ms for run in own]
    per_second = _median(own, lambda run: run.load.requests_per_second)
    return Added(
        p50_ms=median(added_ms),
        p99_ms=_median(own, get_first_p99_ms) - direct_p99_ms,
        lowest_p50_ms=min(added_ms),
        highest_p50_ms=max(added_ms),
        share_of_direct=per_second / _median(baseline, lambda run: run.load.requests_per_second),
    )


def _reduce_cpu_ms(runs: Sequence[Run]) -> dict[str, float]:
    hops = [name for name in (runs[0].cpu_ms if runs else ()) if name not in _NOT_HOPS]
    return {hop: median(run.cpu_ms[hop] for run in runs) for hop in hops}


def _median(runs: Sequence[Run], figure: Callable[[Run], float]) -> float:
    return median(figure(run) for run in runs) if runs else float("nan")


def _to_percent(chunks: int, load: LoadResult) -> float:
    return 100 * chunks / load.chunks if load.chunks else 0.0
