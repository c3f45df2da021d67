"""Figures are printed in columns."""

from __future__ import annotations

import re

from bench import table
from bench.idle import IdleSuite
from bench.summary import summarize
from bench.targets import MIB, PerformanceTarget
from tests.unit.bench.runs import build_load_result, build_run


def test_words_are_aligned_left_and_numbers_right() -> None:
    assert table.format_columns([("name", "ms"), ("envoy", "1.50"), ("tts", "10.25")]) == (
        "name      ms\nenvoy   1.50\ntts    10.25"
    )


def test_a_row_has_the_added_time_and_the_cpu_time_of_each_hop() -> None:
    runs = [build_run("direct", build_load_result(first_ms=20.0)), build_run("full", build_load_result(first_ms=22.0))]
    full = table.format_figures(summarize(runs, "direct")).splitlines()[-1]
    assert "+2.00" in full
    assert "envoy 1.00 gateway 2.00 tts 3.00" in full


def test_errors_are_printed_with_the_cause_of_the_last_one() -> None:
    assert "3 (cut)" in table.format_figures(summarize([build_run("full", build_load_result(ok=0))], "direct"))


def test_a_performance_target_has_a_verdict() -> None:
    target = PerformanceTarget("added to first audio", "ms", 2.5, "at most", 2.75)
    cells = re.split(" {2,}", table.format_targets([target]).splitlines()[-1])
    assert cells == ["added to first audio", "2.75 ms", "at most 2.5 ms", "not reached"]


def test_memory_ends_with_the_sum() -> None:
    lines = table.format_memory(IdleSuite(2.0, {"envoy": 60 * MIB, "gateway": 50 * MIB})).splitlines()
    assert lines[-1].split() == ["all", "110.0"]
