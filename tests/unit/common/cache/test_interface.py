"""The expiry clock: correct even when the wall clock is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.common.cache.interface import Entry
from tests.fakes.clocks import Clocks
from tests.unit.common.cache.conftest import NOON, make_entry


def test_the_time_is_that_of_a_correct_wall_clock() -> None:
    clocks = Clocks()
    steady = clocks.steady()
    clocks.pass_seconds(5)
    assert steady.now() == NOON + timedelta(seconds=5)
    assert steady.now().tzinfo is UTC


def test_the_remaining_lifetime_shrinks_with_time() -> None:
    clocks = Clocks()
    steady = clocks.steady()
    clocks.pass_seconds(20)
    assert steady.seconds_left(make_entry(ttl_seconds=60)) == 40
    clocks.pass_seconds(40)
    assert steady.seconds_left(make_entry(ttl_seconds=60)) == 0


def test_a_wall_clock_that_is_set_back_revives_no_entry() -> None:
    clocks = Clocks()
    steady = clocks.steady()
    clocks.pass_seconds(60)
    clocks.set_wall(-3600)
    assert steady.seconds_left(make_entry(ttl_seconds=60)) <= 0


def test_a_wall_clock_that_is_set_forward_expires_at_once() -> None:
    clocks = Clocks()
    steady = clocks.steady()
    clocks.set_wall(3600)
    assert steady.seconds_left(make_entry(ttl_seconds=60)) <= 0


def test_an_entry_from_the_future_is_not_trusted() -> None:
    clocks = Clocks()
    clocks.set_wall(-600)
    assert clocks.steady().seconds_left(make_entry(ttl_seconds=3600)) == 0


def test_clocks_of_two_machines_may_differ_a_little() -> None:
    clocks = Clocks()
    clocks.set_wall(-2)
    assert clocks.steady().seconds_left(make_entry(ttl_seconds=60)) == 60


@given(st.lists(st.tuples(st.booleans(), st.floats(-1e6, 1e6)), max_size=20), st.integers(1, 86_400))
def test_no_entry_outlives_its_lifetime(jumps: list[tuple[bool, float]], ttl_seconds: int) -> None:
    clocks = Clocks()
    steady = clocks.steady()
    made_at = clocks.monotonic_seconds
    created_at = steady.now()
    entry = Entry("k", {}, b"", created_at, created_at + timedelta(seconds=ttl_seconds))
    for passes, seconds in jumps:
        if passes:
            clocks.pass_seconds(abs(seconds))
        else:
            clocks.set_wall(seconds)
        clocks.wall_seconds = max(0.0, clocks.wall_seconds)
        age_seconds = clocks.monotonic_seconds - made_at
        # Stores round to milliseconds.
        assert steady.seconds_left(entry) <= ttl_seconds - age_seconds + 0.002
        assert steady.now() >= datetime.fromtimestamp(int(clocks.wall_seconds), UTC)
