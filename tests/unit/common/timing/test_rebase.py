"""Alignments that are moved and joined stay in order."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.timing.alignment import Alignment
from services.common.timing.rebase import join, shift_alignment
from tests.unit.common.timing.samples import alignments

FIRST = Alignment(("H", "i"), (0.0, 0.1), (0.1, 0.2))


def is_ordered(alignment: Alignment) -> bool:
    return (
        list(alignment.starts_seconds) == sorted(alignment.starts_seconds)
        and list(alignment.ends_seconds) == sorted(alignment.ends_seconds)
        and all(start <= end for start, end in zip(alignment.starts_seconds, alignment.ends_seconds, strict=True))
    )


def test_all_times_move_by_the_same() -> None:
    assert shift_alignment(FIRST, 1.5) == Alignment(("H", "i"), (1.5, 1.6), (1.6, 1.7))


def test_no_time_moves_below_zero() -> None:
    assert shift_alignment(FIRST, -0.15).starts_seconds == (0.0, 0.0)


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf])
def test_a_shift_must_be_finite(seconds: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        shift_alignment(FIRST, seconds)


@given(alignments(), st.floats(-10, 1e5))
def test_a_moved_alignment_stays_in_order(alignment: Alignment, seconds: float) -> None:
    moved = shift_alignment(alignment, seconds)
    assert moved.characters == alignment.characters
    assert is_ordered(moved)
    assert all(time >= 0 for time in moved.starts_seconds)


def test_chunks_that_follow_each_other_are_joined_as_they_are() -> None:
    assert join([FIRST, Alignment(), shift_alignment(FIRST, 0.2)]) == FIRST + shift_alignment(FIRST, 0.2)
    assert join([]) == Alignment()


def test_a_tiny_overlap_is_held_level() -> None:
    later = Alignment(("!", "?"), (0.1999, 0.3), (0.25, 0.35))
    joined = join([FIRST, later])
    assert joined.starts_seconds == (0.0, 0.1, 0.2, 0.3)
    assert joined.ends_seconds == (0.1, 0.2, 0.25, 0.35)


@given(st.lists(alignments(), max_size=5))
def test_joined_chunks_are_in_order_and_complete(chunks: list[Alignment]) -> None:
    joined = join(chunks)
    assert joined.text == "".join(chunk.text for chunk in chunks)
    assert is_ordered(joined)
    passed = 0
    for chunk in chunks:
        if passed and chunk:
            assert joined.starts_seconds[passed] >= joined.ends_seconds[passed - 1]
        passed += len(chunk)


@given(alignments())
def test_one_chunk_is_left_as_it_is(alignment: Alignment) -> None:
    assert join([alignment]) == alignment
