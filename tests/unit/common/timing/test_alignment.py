"""Alignments are joined and shifted in order, and their lists have equal lengths."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.timing.alignment import Alignment, check_times, join_alignments, shift_alignment
from tests.unit.common.timing.samples import draw_alignments

FIRST = Alignment(("H", "i"), (0.0, 0.1), (0.1, 0.2))
SECOND = Alignment(("!",), (0.2,), (0.4,))


def test_one_alignment_follows_another() -> None:
    joined = FIRST + SECOND
    assert joined == Alignment(("H", "i", "!"), (0.0, 0.1, 0.2), (0.1, 0.2, 0.4))
    assert (joined.text, len(joined)) == ("Hi!", 3)


def test_adding_an_empty_alignment_changes_nothing() -> None:
    assert Alignment() + FIRST == FIRST + Alignment() == FIRST
    assert not Alignment()


@pytest.mark.parametrize(
    "lists", [(("a",), (), ()), (("a",), (0.0,), ()), ((), (0.0,), (0.0,)), (("a", "b"), (0.0,), (0.0, 1.0))]
)
def test_lists_of_different_lengths_are_refused(
    lists: tuple[tuple[str, ...], tuple[float, ...], tuple[float, ...]],
) -> None:
    with pytest.raises(ValueError, match="same length"):
        Alignment(*lists)


def is_ordered(alignment: Alignment) -> bool:
    return (
        list(alignment.starts_seconds) == sorted(alignment.starts_seconds)
        and list(alignment.ends_seconds) == sorted(alignment.ends_seconds)
        and all(start <= end for start, end in zip(alignment.starts_seconds, alignment.ends_seconds, strict=True))
    )


def test_a_shift_moves_all_times_by_the_same_amount() -> None:
    assert shift_alignment(FIRST, 1.5) == Alignment(("H", "i"), (1.5, 1.6), (1.6, 1.7))


def test_no_time_moves_below_zero() -> None:
    assert shift_alignment(FIRST, -0.15).starts_seconds == (0.0, 0.0)


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf])
def test_a_shift_must_be_finite(seconds: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        shift_alignment(FIRST, seconds)


@given(draw_alignments(), st.floats(-10, 1e5))
def test_a_shifted_alignment_stays_in_order(alignment: Alignment, seconds: float) -> None:
    shifted = shift_alignment(alignment, seconds)
    assert shifted.characters == alignment.characters
    assert is_ordered(shifted)
    assert all(time >= 0 for time in shifted.starts_seconds)


def test_alignments_on_one_clock_are_joined_in_order() -> None:
    assert join_alignments([FIRST, Alignment(), shift_alignment(FIRST, 0.2)]) == FIRST + shift_alignment(FIRST, 0.2)
    assert join_alignments([]) == Alignment()


@given(st.lists(draw_alignments(), max_size=5))
def test_joined_alignments_are_complete(pieces: list[Alignment]) -> None:
    joined = join_alignments(pieces)
    assert joined == sum(pieces, Alignment())
    assert joined.text == "".join(piece.text for piece in pieces)


@given(draw_alignments())
def test_a_single_alignment_is_returned_unchanged(alignment: Alignment) -> None:
    assert join_alignments([alignment]) == alignment


@pytest.mark.parametrize(
    ("starts", "ends", "problem"),
    [
        ((0.0, math.nan), (0.1, 0.2), "finite"),
        ((0.0, 0.1), (0.1, math.inf), "finite"),
        ((0.0, -0.1), (0.1, 0.2), "at least 0"),
        ((0.0, 0.3), (0.1, 0.2), "end before its start"),
        ((0.2, 0.1), (0.3, 0.3), "before the entry before it"),
        ((0.0, 0.1), (0.3, 0.2), "before the entry before it"),
    ],
)
def test_wrong_times_are_named(starts: tuple[float, ...], ends: tuple[float, ...], problem: str) -> None:
    with pytest.raises(ValueError, match=rf"characters\[1\].*{problem}"):
        check_times(Alignment(("a", "b"), starts, ends))


@given(draw_alignments())
def test_times_in_order_are_accepted(alignment: Alignment) -> None:
    check_times(alignment)
