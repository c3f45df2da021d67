"""Times of a stream never decrease, even if the provider restarts its clock."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.providers.elevenlabs.payload import StreamClock

TIMES = st.floats(-5, 1000, allow_nan=False)
CHUNKS = st.lists(st.lists(st.tuples(TIMES, TIMES), max_size=6), max_size=6)
LENGTHS = st.lists(st.lists(st.floats(0.01, 0.3), min_size=1, max_size=20), min_size=1, max_size=6)


@given(CHUNKS)
def test_times_are_never_negative_and_never_decrease(chunks: list[list[tuple[float, float]]]) -> None:
    clock = StreamClock()
    starts: list[float] = [0.0]
    ends: list[float] = [0.0]
    for chunk in chunks:
        placed = clock.place("x" * len(chunk), [start for start, _ in chunk], [end for _, end in chunk])
        assert all(start <= end for start, end in zip(placed.starts_seconds, placed.ends_seconds, strict=True))
        starts += placed.starts_seconds
        ends += placed.ends_seconds
    assert all(before <= after for before, after in pairwise(starts))
    assert all(before <= after for before, after in pairwise(ends))


def build_times(lengths: list[float], start: float) -> tuple[list[float], list[float]]:
    borders = [start]
    for length in lengths:
        borders.append(borders[-1] + length)
    return borders[:-1], borders[1:]


@given(LENGTHS)
def test_continuous_times_are_unchanged(chunks: list[list[float]]) -> None:
    clock = StreamClock()
    now = 0.0
    for lengths in chunks:
        starts, ends = build_times(lengths, now)
        placed = clock.place("x" * len(lengths), starts, ends)
        assert placed.starts_seconds == tuple(starts)
        assert placed.ends_seconds == tuple(ends)
        now = ends[-1]


@given(LENGTHS)
def test_times_continue_after_a_restart_of_the_clock(chunks: list[list[float]]) -> None:
    clock = StreamClock()
    now = 0.0
    for lengths in chunks:
        expected_starts, expected_ends = build_times(lengths, now)
        placed = clock.place("x" * len(lengths), *build_times(lengths, 0.0))
        assert placed.starts_seconds == pytest.approx(expected_starts)
        assert placed.ends_seconds == pytest.approx(expected_ends)
        now = expected_ends[-1]


def test_the_lead_in_of_a_restarted_chunk_is_preserved() -> None:
    clock = StreamClock()
    clock.place("a", [0.0], [1.0])
    assert clock.place("b", [0.25], [0.5]).starts_seconds == (1.25,)


def test_a_clock_that_continues_after_a_restart_keeps_its_offset() -> None:
    clock = StreamClock()
    clock.place("a", [0.0], [1.0])
    clock.place("b", [0.0], [1.0])
    assert clock.place("c", [1.0], [2.0]).ends_seconds == (3.0,)


def test_a_small_step_back_repeats_the_last_time() -> None:
    clock = StreamClock()
    clock.place("ab", [1.0, 1.5], [1.5, 2.0])
    placed = clock.place("cd", [1.98, 2.1], [2.1, 2.2])
    assert placed.starts_seconds == (1.98, 2.1)
    assert clock.place("e", [2.0], [2.05]).ends_seconds == (2.2,)


def test_a_jump_back_leaves_no_gap() -> None:
    clock = StreamClock()
    clock.place("a", [9.9], [10.0])
    assert clock.place("b", [8.0], [8.1]).starts_seconds == (10.0,)


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        StreamClock().place("ab", [0.0, 0.1], [0.1])
