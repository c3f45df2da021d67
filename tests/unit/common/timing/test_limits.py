"""Pieces of bounded length end at natural pauses."""
# ruff: noqa: RUF001 - the tests use other scripts

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.timing.scripts import splits_character
from services.common.timing.sentences import split_for_limit, split_sentences
from tests.unit.common.timing.samples import TEXTS

LIMITS = st.integers(1, 60)
FAMILY = "👩‍👩‍👧"


def split_pieces(text: str, limit: int) -> list[str]:
    return [span.extract(text) for span in split_for_limit(text, limit)]


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("", 5, []),
        ("short", 5, ["short"]),
        ("One. Two. Three.", 10, ["One. Two. ", "Three."]),
        ("One. Two. Three.", 9, ["One. Two.", " Three."]),
        ("First, second and third", 10, ["First, ", "second and", " third"]),
        ("costs 1,000 now", 9, ["costs ", "1,000 now"]),
        ("你好，世界和平", 5, ["你好，", "世界和平"]),
        ("one two three", 8, ["one two ", "three"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("ae\u0301e\u0301", 4, ["ae\u0301", "e\u0301"]),
        (f"a{FAMILY}b", len(FAMILY), ["a", FAMILY, "b"]),
        ("🇩🇪🇫🇷🇮🇹", 3, ["🇩🇪", "🇫🇷", "🇮🇹"]),
        ("👍🏽👍🏽", 3, ["👍🏽", "👍🏽"]),
        ("e\u0301\u0301\u0301", 2, ["e\u0301", "\u0301\u0301"]),
    ],
)
def test_a_text_is_cut_at_the_best_place(text: str, limit: int, expected: list[str]) -> None:
    assert split_pieces(text, limit) == expected


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        split_for_limit("text", limit)


@settings(deadline=None)
@given(TEXTS, LIMITS)
def test_pieces_make_up_the_text_and_none_exceeds_the_limit(text: str, limit: int) -> None:
    found = split_pieces(text, limit)
    assert "".join(found) == text
    assert all(0 < len(piece) <= limit for piece in found)


@settings(deadline=None)
@given(TEXTS, LIMITS)
def test_sentences_that_fit_are_not_cut_and_pieces_are_as_full_as_possible(text: str, limit: int) -> None:
    ends = {span.end for span in split_sentences(text)}
    for span in split_for_limit(text, limit):
        reachable = [end for end in ends if span.start < end <= span.start + limit]
        content_ends = {text[:end].rstrip() for end in reachable}
        if reachable and span.end != len(text):
            assert span.end >= max(reachable)
            assert span.end in ends or text[: span.end].rstrip() not in content_ends


@settings(deadline=None)
@given(TEXTS, st.integers(20, 60))
def test_no_piece_starts_inside_a_character(text: str, limit: int) -> None:
    for span in split_for_limit(text, limit)[1:]:
        # A single visible character may exceed any limit.
        cluster_start = next((at for at in range(span.start, -1, -1) if not splits_character(text, at)), 0)
        assert cluster_start == span.start or span.start - cluster_start >= limit or text[span.start].isspace()


@settings(deadline=None)
@given(TEXTS)
def test_a_text_within_the_limit_is_one_piece(text: str) -> None:
    assert split_pieces(text, max(1, len(text))) == ([text] if text else [])


@pytest.mark.parametrize("unit", ["word ", "a, ", ",", " ", "a", "\u0301", "🇩", "。", '."'], ids=ascii)
def test_a_long_run_on_text_is_cut_at_the_limit(unit: str) -> None:
    text = (unit * 100_000)[:100_000]
    assert all(len(span) <= 500 for span in split_for_limit(text, 500))
