"""Runs are summarized in figures."""

from __future__ import annotations

import math

import pytest

from bench.summary import summarize
from tests.unit.bench.runs import build_load_result, build_run


def test_added_time_is_the_difference_between_the_medians_of_suite_and_direct_call() -> None:
    runs = [
        build_run("direct", build_load_result(first_ms=20.0)),
        build_run("full", build_load_result(first_ms=22.0)),
        build_run("full", build_load_result(first_ms=25.0)),
        build_run("direct", build_load_result(first_ms=20.0)),
        build_run("direct", build_load_result(first_ms=20.0)),
        build_run("full", build_load_result(first_ms=23.0)),
    ]
    direct, full = summarize(runs, baseline="direct")
    assert direct.added is None
    assert full.added is not None
    assert full.added.p50_ms == pytest.approx(3.0)
    assert full.added.p99_ms == pytest.approx(6.0)
    assert (full.added.lowest_p50_ms, full.added.highest_p50_ms) == pytest.approx((2.0, 5.0))


def test_disturbed_rounds_do_not_count_if_there_are_quiet_ones() -> None:
    runs = [
        build_run("direct", build_load_result(first_ms=20.0)),
        build_run("direct", build_load_result(first_ms=90.0), foreign_cores=1.5),
        build_run("full", build_load_result(first_ms=21.0)),
        build_run("full", build_load_result(first_ms=70.0), foreign_cores=1.5),
    ]
    full = summarize(runs, baseline="direct")[1]
    assert full.first_p50_ms == pytest.approx(21.0)
    assert (full.quiet_rounds, full.rounds) == (1, 2)


def test_disturbed_rounds_count_if_there_are_no_others() -> None:
    runs = [build_run(target, build_load_result(), foreign_cores=1.5) for target in ("direct", "full")]
    full = summarize(runs, baseline="direct")[1]
    assert full.first_p50_ms == pytest.approx(20.0)
    assert full.quiet_rounds == 0


def test_rows_have_the_order_of_the_first_runs() -> None:
    pairs = [("ttfb", "direct"), ("ttfb", "full"), ("paced", "direct"), ("paced", "full")]
    runs = [build_run(target, build_load_result(), scenario=scenario) for scenario, target in pairs]
    assert [(row.scenario, row.target) for row in summarize(runs, baseline="direct")] == pairs


def test_cpu_time_is_that_of_the_hops_without_the_provider() -> None:
    direct, full = summarize(
        [build_run("direct", build_load_result()), build_run("full", build_load_result())], baseline="direct"
    )
    assert full.cpu_ms == {"envoy": 1.0, "gateway": 2.0, "tts": 3.0}
    assert full.cpu_total_ms == pytest.approx(6.0)
    assert direct.cpu_ms == {}


def test_late_chunks_are_a_share_of_all_chunks() -> None:
    row = summarize([build_run("direct", build_load_result(chunks=200, late_chunks=1))], baseline="direct")[0]
    assert row.late_percent == pytest.approx(0.5)


def test_a_target_without_a_good_response_has_errors_and_no_figures() -> None:
    direct, full = summarize(
        [build_run("direct", build_load_result()), build_run("full", build_load_result(ok=0))], baseline="direct"
    )
    assert full.added is None
    assert math.isnan(full.first_p50_ms)
    assert (full.errors, full.last_error) == (3, "cut")
    assert direct.errors == 0


def test_without_a_direct_call_nothing_is_compared() -> None:
    assert summarize([build_run("full", build_load_result())], baseline="direct")[0].added is None
