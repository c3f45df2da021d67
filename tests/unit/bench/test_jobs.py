"""The benchmark of jobs: ways run in turn, and the table compares the median with its goal."""

from __future__ import annotations

import pytest

from bench.jobs import Timed, format_table, measure_in_turn, summarize


async def test_ways_run_in_turn_the_requested_number_of_times_after_a_warm_up() -> None:
    calls: list[tuple[str, int]] = []

    async def first(number: int) -> None:
        calls.append(("first", number))

    async def second(number: int) -> None:
        calls.append(("second", number))

    taken = await measure_in_turn({"first": first, "second": second}, 3)
    assert [len(each) for each in taken.values()] == [3, 3]
    assert calls[:4] == [("first", 0), ("second", 0), ("first", 1), ("second", 1)]
    assert len({number for _, number in calls}) * 2 == len(calls)
    assert len(calls) > 6


def test_median_and_p99_are_in_milliseconds() -> None:
    timed = summarize("some operation", [number / 1000 for number in range(101)], 10)
    assert (timed.name, timed.goal) == ("some operation", 10)
    assert timed.p50 == pytest.approx(50)
    assert timed.p99 == pytest.approx(99)


@pytest.mark.parametrize(("p50", "verdict"), [(9.99, "reached"), (10.0, "reached"), (10.01, "not reached")])
def test_a_bound_is_compared_with_the_median(p50: float, verdict: str) -> None:
    line = format_table([Timed("some operation", p50, 50, 10)]).splitlines()[1]
    assert line.split("  ")[-1].strip() == verdict


def test_a_row_without_a_bound_has_no_verdict() -> None:
    assert "reached" not in format_table([Timed("some operation", 1, 2)])
