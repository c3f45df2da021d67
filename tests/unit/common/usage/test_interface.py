"""Totals of usage: the total is the sum of the days, however the records are grouped."""

from __future__ import annotations

from datetime import date, timedelta
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from services.common.cache import CacheStatus
from services.common.usage import DayTotals, Totals, sum_totals
from services.common.usage.interface import Group, group_by_day

FIRST = date(2026, 1, 1)
amounts = st.integers(0, 10**9)
groups = st.lists(
    st.builds(
        Group,
        day=st.integers(0, 6).map(lambda days: FIRST + timedelta(days=days)),
        cache_status=st.sampled_from(get_args(CacheStatus)),
        outcome=st.sampled_from(["OK", "CANCELLED", "PROVIDER_TIMEOUT"]),
        calls=amounts,
        characters=amounts,
        cost_units=amounts,
        cached_characters=amounts,
        saved_cost_units=amounts,
    ),
    max_size=40,
)


@given(groups)
def test_the_total_is_the_sum_of_the_days(found: list[Group]) -> None:
    days = group_by_day(found)
    assert sum_totals(days) == sum((group.to_totals() for group in found), Totals())
    assert [item.day for item in days] == sorted({group.day for group in found}, reverse=True)


@given(groups, groups)
def test_days_add_up_in_any_order_and_grouping(some: list[Group], others: list[Group]) -> None:
    assert group_by_day([*some, *others]) == group_by_day([*others, *some])
    assert sum_totals(group_by_day(some)) + sum_totals(group_by_day(others)) == sum_totals(
        group_by_day([*some, *others])
    )


@given(groups)
def test_every_call_is_complete_or_unfinished_and_every_cost_is_counted(found: list[Group]) -> None:
    total = sum_totals(group_by_day(found))
    assert total.calls + total.unfinished_calls == sum(group.calls for group in found)
    assert total.provider_cost_units == sum(group.cost_units for group in found)
    assert total.cache_hits + total.joined_calls <= total.calls


@given(groups)
def test_only_complete_results_have_characters_and_savings(found: list[Group]) -> None:
    whole = [group for group in found if group.outcome == "OK"]
    total = sum_totals(group_by_day(found))
    assert total.characters == sum(group.characters for group in whole)
    assert total.saved_characters == sum(group.cached_characters for group in whole)
    assert total.saved_cost_units == sum(group.saved_cost_units for group in whole)


def test_the_sum_of_no_days_is_zero() -> None:
    assert group_by_day([]) == []
    assert sum_totals([]) == Totals()
    assert sum_totals([DayTotals(FIRST, Totals(calls=1))]) == Totals(calls=1)
