"""Measures every scenario against every target in turn, round by round, so that a slower machine affects all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench import system_stats
from bench.load import LoadResult
from bench.scenarios import BASELINE, Scenario, Target

QUIET_CORES = 0.3
"""A run counts as undisturbed up to this load from other processes, in cores."""

Load = Callable[[Target, Scenario, float], LoadResult]


@dataclass(frozen=True, slots=True)
class Run:
    """One run: a scenario against a target."""

    scenario: str
    target: str
    load: LoadResult
    cpu_ms: Mapping[str, float]
    """CPU time per good response, in milliseconds, by process."""
    calls: int
    """Number of provider requests."""
    foreign_cores: float
    """Cores that other processes used during the run."""

    @property
    def quiet(self) -> bool:
        """Whether nothing else disturbed the run."""
        return self.foreign_cores <= QUIET_CORES


@dataclass(frozen=True, slots=True)
class Probe:
    """Counters that are read before and after every run."""

    hops: Mapping[str, Mapping[str, int]]
    """Process ids by process name, for the name of each target."""
    provider: int
    """Process id of the fake provider."""
    calls: Callable[[], int]
    """Returns the number of provider requests so far."""


def measure(
    scenarios: Sequence[Scenario],
    targets: Sequence[Target],
    probe: Probe,
    load: Load,
    *,
    rounds: int,
    seconds: float,
    settle: Callable[[], None],
) -> Iterator[Run]:
    """Yield one run per round, scenario and target; the order of targets alternates.

    Args:
        scenarios: Loads to run.
        targets: Servers that receive the load.
        probe: Processes whose CPU time is measured.
        load: Called with target, scenario and seconds to run a load.
        rounds: Number of rounds.
        seconds: Length of one run.
        settle: Called before each run; returns when the machine is idle, or after a timeout.
    """
    for number in range(rounds):
        ordered = targets if number % 2 == 0 else targets[::-1]
        for scenario in scenarios:
            for target in ordered:
                if target.name not in (BASELINE, *scenario.suites):
                    continue
                settle()
                yield _run(scenario, target, probe, load, seconds)


def _run(scenario: Scenario, target: Target, probe: Probe, load: Load, seconds: float) -> Run:
    watched = {**probe.hops.get(target.name, {}), "provider": probe.provider}
    calls_before = probe.calls()
    before = {name: system_stats.read_cpu_seconds(pid) for name, pid in watched.items()}
    began, busy_before = time.monotonic(), system_stats.read_busy_seconds()
    result = load(target, scenario, seconds)
    busy, took = system_stats.read_busy_seconds() - busy_before, time.monotonic() - began
    used = {name: system_stats.read_cpu_seconds(pid) - before[name] for name, pid in watched.items()}
    return Run(
        scenario=scenario.name,
        target=target.name,
        load=result,
        cpu_ms={name: 1000 * value / max(1, result.ok) for name, value in used.items()},
        calls=probe.calls() - calls_before,
        foreign_cores=max(0.0, busy - sum(used.values()) - result.cpu_seconds) / took,
    )
