"""Reducing runs to figures."""

from __future__ import annotations

import math

import pytest

from bench.summary import summarize
from tests.unit.bench.runs import load_result, run


def test_what_the_suite_adds_is_its_median_less_that_of_the_direct_calls() -> None:
    runs = [
        run("direct", load_result(first_ms=20.0)),
        run("full", load_result(first_ms=22.0)),
        run("full", load_result(first_ms=25.0)),
        run("direct", load_result(first_ms=20.0)),
        run("direct", load_result(first_ms=20.0)),
        run("full", load_result(first_ms=23.0)),
    ]
    direct, full = summarize(runs, baseline="direct")
    assert direct.added is None
    assert full.added is not None
    assert full.added.p50_ms == pytest.approx(3.0)
    assert full.added.p99_ms == pytest.approx(6.0)
    assert (full.added.lowest_p50_ms, full.added.highest_p50_ms) == pytest.approx((2.0, 5.0))


def test_disturbed_rounds_do_not_count_where_there_are_quiet_ones() -> None:
    runs = [
        run("direct", load_result(first_ms=20.0)),
        run("direct", load_result(first_ms=90.0), foreign_cores=1.5),
        run("full", load_result(first_ms=21.0)),
        run("full", load_result(first_ms=70.0), foreign_cores=1.5),
    ]
    full = summarize(runs, baseline="direct")[1]
    assert full.first_p50_ms == pytest.approx(21.0)
    assert (full.quiet_rounds, full.rounds) == (1, 2)


def test_disturbed_rounds_count_where_there_are_no_others() -> None:
    runs = [run(target, load_result(), foreign_cores=1.5) for target in ("direct", "full")]
    full = summarize(runs, baseline="direct")[1]
    assert full.first_p50_ms == pytest.approx(20.0)
    assert full.quiet_rounds == 0


def test_rows_come_in_the_order_of_the_first_runs() -> None:
    pairs = [("ttfb", "direct"), ("ttfb", "full"), ("paced", "direct"), ("paced", "full")]
    runs = [run(target, load_result(), scenario=scenario) for scenario, target in pairs]
    assert [(row.scenario, row.target) for row in summarize(runs, baseline="direct")] == pairs


def test_cpu_is_that_of_the_hops_and_not_of_the_provider() -> None:
    direct, full = summarize([run("direct", load_result()), run("full", load_result())], baseline="direct")
    assert full.cpu_ms == {"envoy": 1.0, "gateway": 2.0, "tts": 3.0}
    assert full.cpu_total_ms == pytest.approx(6.0)
    assert direct.cpu_ms == {}


def test_late_chunks_are_a_share_of_all_chunks() -> None:
    row = summarize([run("direct", load_result(chunks=200, late_chunks=1))], baseline="direct")[0]
    assert row.late_percent == pytest.approx(0.5)


def test_a_target_that_never_answered_has_no_figures_but_its_errors() -> None:
    direct, full = summarize([run("direct", load_result()), run("full", load_result(ok=0))], baseline="direct")
    assert full.added is None
    assert math.isnan(full.first_p50_ms)
    assert (full.errors, full.last_error) == (3, "cut")
    assert direct.errors == 0


def test_without_a_direct_call_nothing_is_compared() -> None:
    assert summarize([run("full", load_result())], baseline="direct")[0].added is None
