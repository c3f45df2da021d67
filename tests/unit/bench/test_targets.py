"""Figures against what they should reach."""

from __future__ import annotations

import pytest

from bench.idle import Rest
from bench.summary import summarize
from bench.targets import MIB, PerformanceTarget, bars
from tests.unit.bench.runs import load_result, run


def test_only_what_was_measured_has_a_bar() -> None:
    rows = summarize([run(target, load_result(), scenario="unary") for target in ("direct", "full")], "direct")
    assert [bar.name for bar in bars(rows, None)] == ["whole answers of 48 KiB, 8 users"]
    assert [bar.unit for bar in bars([], Rest(2.0, {"envoy": 60 * MIB}))] == ["MB", "s"]


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
def test_a_bar_is_reached_on_its_right_side(side: str, value: float, reached: bool) -> None:
    bound = 2.5 if side == "at most" else 2000
    assert (
        PerformanceTarget("some", "ms", bound, "at most" if side == "at most" else "at least", value).is_reached
        is reached
    )


def test_the_paced_bars_take_what_the_suite_adds() -> None:
    runs = [run("direct", load_result(first_ms=75.0)), run("full", load_result(first_ms=77.0))]
    added_p50, added_p99, cpu = bars(summarize(runs, "direct"), None)
    assert added_p50.value == pytest.approx(2.0)
    assert added_p99.value == pytest.approx(4.0)
    assert cpu.value == pytest.approx(6.0)
