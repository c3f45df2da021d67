"""Expiry by clocks that may be wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.common.cache.interface import Entry
from tests.fakes.clocks import Clocks
from tests.unit.common.cache.conftest import NOON, entry_of


def test_time_is_the_wall_clocks_while_it_is_right() -> None:
    clocks = Clocks()
    steady = clocks.steady()
    clocks.pass_seconds(5)
    assert steady.now() == NOON + timedelta(seconds=5)
    assert steady.now().tzinfo is UTC


def test_what_an_entry_has_left_shrinks_with_time() -> None:
    clocks = Clocks()
    steady = clocks.steady()
    clocks.pass_seconds(20)
    assert steady.seconds_left(entry_of(ttl_seconds=60)) == 40
    clocks.pass_seconds(40)
    assert steady.seconds_left(entry_of(ttl_seconds=60)) == 0


def test_a_wall_clock_that_is_set_back_brings_nothing_to_life_again() -> None:
    clocks = Clocks()
    steady = clocks.steady()
    clocks.pass_seconds(60)
    clocks.set_wall(-3600)
    assert steady.seconds_left(entry_of(ttl_seconds=60)) <= 0


def test_a_wall_clock_that_is_set_forward_expires_at_once() -> None:
    clocks = Clocks()
    steady = clocks.steady()
    clocks.set_wall(3600)
    assert steady.seconds_left(entry_of(ttl_seconds=60)) <= 0


def test_an_entry_from_the_future_is_not_trusted() -> None:
    clocks = Clocks()
    clocks.set_wall(-600)
    assert clocks.steady().seconds_left(entry_of(ttl_seconds=3600)) == 0


def test_clocks_of_two_machines_may_differ_a_little() -> None:
    clocks = Clocks()
    clocks.set_wall(-2)
    assert clocks.steady().seconds_left(entry_of(ttl_seconds=60)) == 60


@given(st.lists(st.tuples(st.booleans(), st.floats(-1e6, 1e6)), max_size=20), st.integers(1, 86_400))
def test_nothing_lives_longer_than_it_was_made_to(jumps: list[tuple[bool, float]], ttl_seconds: int) -> None:
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
        # Stores keep milliseconds.
        assert steady.seconds_left(entry) <= ttl_seconds - age_seconds + 0.002
        assert steady.now() >= datetime.fromtimestamp(int(clocks.wall_seconds), UTC)
