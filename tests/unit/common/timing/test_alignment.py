"""Alignments join in order, and their lists always agree."""

from __future__ import annotations

import pytest

from services.common.timing.alignment import Alignment

FIRST = Alignment(("H", "i"), (0.0, 0.1), (0.1, 0.2))
SECOND = Alignment(("!",), (0.2,), (0.4,))


def test_one_alignment_follows_another() -> None:
    joined = FIRST + SECOND
    assert joined == Alignment(("H", "i", "!"), (0.0, 0.1, 0.2), (0.1, 0.2, 0.4))
    assert (joined.text, len(joined)) == ("Hi!", 3)


def test_an_empty_alignment_changes_nothing() -> None:
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
