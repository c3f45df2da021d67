"""Words and sentences with their times and offsets."""
# ruff: noqa: RUF001 - the tests use other scripts

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings

from services.common.timing.alignment import Alignment
from services.common.timing.words import TimedSpan, find_sentences, find_words
from tests.unit.common.timing.samples import align_evenly, draw_alignments


def test_a_word_has_its_punctuation_its_times_and_its_offset() -> None:
    assert find_words(Alignment(tuple("Hi, you."), tuple(range(8)), tuple(range(1, 9)))) == (
        TimedSpan("Hi,", 0, 3, 0, 3),
        TimedSpan("you.", 4, 8, 4, 4),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n ", []),
        ("don't (really) stop.", ["don't", "(really)", "stop."]),
        ("one — two - three …", ["one", "two", "three"]),
        ("5 % & 3 €", ["5", "%", "&", "3", "€"]),
        ("f(x) = y", ["f(x)", "=", "y"]),
        ("你好，世界。", ["你", "好，", "世", "界。"]),
        ("「行く」と", ["「行", "く」", "と"]),
        ("他说“好”吗", ["他", "说", "“好”", "吗"]),
        ("iPhone的价格100元", ["iPhone", "的", "价", "格", "100", "元"]),
        ("カ\u3099ス", ["カ\u3099", "ス"]),
        ("안녕 세상", ["안녕", "세상"]),
        ("नमस्ते दुनिया।", ["नमस्ते", "दुनिया।"]),
        ("😀 ok", ["😀", "ok"]),
    ],
)
def test_words_are_found_in_every_script(text: str, expected: list[str]) -> None:
    assert [word.text for word in find_words(align_evenly(text))] == expected


def test_an_entry_of_several_code_points_shares_its_time() -> None:
    alignment = Alignment(("ab c", "d", "", "ef"), (0.0, 4.0, 5.0, 6.0), (4.0, 5.0, 5.0, 8.0))
    assert find_words(alignment) == (TimedSpan("ab", 0.0, 2.0, 0, 2), TimedSpan("cdef", 3.0, 8.0, 3, 4))


def test_offsets_count_code_points() -> None:
    first, second = find_words(align_evenly("😀😀 é"))
    assert (first.text_offset, first.text_length) == (0, 2)
    assert (second.text_offset, second.text_length) == (3, 1)


def test_sentences_have_no_white_space_around_them() -> None:
    assert find_sentences(align_evenly(" Hi.  You? ", 1.0)) == (
        TimedSpan("Hi.", 1, 4, 1, 3),
        TimedSpan("You?", 6, 10, 6, 4),
    )
    assert find_sentences(align_evenly(" \n")) == ()


@settings(deadline=None)
@given(draw_alignments())
def test_offsets_are_correct_and_times_never_decrease(alignment: Alignment) -> None:
    for spans in (find_words(alignment), find_sentences(alignment)):
        for span in spans:
            assert alignment.text[span.text_offset : span.text_offset + span.text_length] == span.text
            assert span.text
            assert alignment.starts_seconds[0] <= span.start_seconds <= span.end_seconds <= alignment.ends_seconds[-1]
        for first, second in pairwise(spans):
            assert first.text_offset + first.text_length <= second.text_offset
            assert first.start_seconds <= second.start_seconds
            assert first.end_seconds <= second.end_seconds


@settings(deadline=None)
@given(draw_alignments())
def test_words_contain_every_letter_and_no_white_space(alignment: Alignment) -> None:
    found = find_words(alignment)
    assert not any(character.isspace() for word in found for character in word.text)
    covered = {at for word in found for at in range(word.text_offset, word.text_offset + word.text_length)}
    assert {at for at, character in enumerate(alignment.text) if character.isalnum()} <= covered


@settings(deadline=None)
@given(draw_alignments())
def test_every_word_is_in_one_sentence(alignment: Alignment) -> None:
    borders = {sentence.text_offset for sentence in find_sentences(alignment)}
    for word in find_words(alignment):
        assert not borders & set(range(word.text_offset + 1, word.text_offset + word.text_length))
