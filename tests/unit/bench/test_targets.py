"""Figures are compared with the performance targets."""

from __future__ import annotations

import pytest

from bench.idle import IdleSuite
from bench.summary import summarize
from bench.targets import MIB, PerformanceTarget, build_targets
from tests.unit.bench.runs import build_load_result, build_run


def test_only_measured_scenarios_have_a_target() -> None:
    rows = summarize(
        [build_run(target, build_load_result(), scenario="unary") for target in ("direct", "full")], "direct"
    )
    assert [target.name for target in build_targets(rows, None)] == ["unary responses of 48 KiB, 8 users"]
    assert [target.unit for target in build_targets([], IdleSuite(2.0, {"envoy": 60 * MIB}))] == ["MB", "s"]


@pytest.mark.parametrize(
    ("side", "value", "reached"),
    [
        ("at most", 2.5, True),
        ("at most", 2.6, False),
        ("at least", 2000, True),
        ("at least", 1999, False),
        ("at most", float("nan"), False),
        ("at least", float("nan"), False),
    ],
)
def test_a_target_is_reached_on_one_side_of_its_bound(side: str, value: float, reached: bool) -> None:
    goal = 2.5 if side == "at most" else 2000
    assert (
        PerformanceTarget("some", "ms", goal, "at most" if side == "at most" else "at least", value).is_reached
        is reached
    )


def test_the_paced_targets_use_what_the_suite_adds() -> None:
    runs = [build_run("direct", build_load_result(first_ms=75.0)), build_run("full", build_load_result(first_ms=77.0))]
    added_p50, added_p99, cpu = build_targets(summarize(runs, "direct"), None)
    assert added_p50.value == pytest.approx(2.0)
    assert added_p99.value == pytest.approx(4.0)
    assert cpu.value == pytest.approx(6.0)
