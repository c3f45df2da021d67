"""Scenarios run against each target in turn."""

from __future__ import annotations

import os

from bench.load import LoadResult
from bench.rounds import Probe, measure
from bench.scenarios import SCENARIOS, Scenario, Target
from tests.unit.bench.runs import build_load_result


def test_the_order_of_targets_alternates() -> None:
    loads: list[tuple[str, str]] = []
    settle_calls: list[int] = []

    def load(target: Target, scenario: Scenario, seconds: float) -> LoadResult:
        loads.append((target.name, scenario.name))
        return build_load_result()

    targets = [Target("direct", "http://127.0.0.1:1"), Target("full", "http://127.0.0.1:2")]
    runs = list(
        measure(
            SCENARIOS[:1],
            targets,
            Probe({"direct": {}, "full": {}}, os.getpid(), lambda: 0),
            load,
            rounds=3,
            seconds=1.0,
            settle=lambda: settle_calls.append(len(loads)),
        )
    )
    assert [name for name, _ in loads] == ["direct", "full", "full", "direct", "direct", "full"]
    assert settle_calls == [0, 1, 2, 3, 4, 5]
    assert [(run.target, run.scenario) for run in runs] == loads


def test_cpu_time_is_per_good_response_and_per_process() -> None:
    def load(target: Target, scenario: Scenario, seconds: float) -> LoadResult:
        return build_load_result(ok=10)

    probe = Probe({"full": {"tts": os.getpid()}}, os.getpid(), lambda: 0)
    (run,) = measure(
        SCENARIOS[:1],
        [Target("full", "http://127.0.0.1:1")],
        probe,
        load,
        rounds=1,
        seconds=1.0,
        settle=_return_at_once,
    )
    assert set(run.cpu_ms) == {"tts", "provider"}
    assert all(0 <= value < 1000 for value in run.cpu_ms.values())


def _return_at_once() -> None:
    return
