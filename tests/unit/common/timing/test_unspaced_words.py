"""Thai, Lao, Khmer and Burmese are divided into words, in words, captions and pieces."""

from __future__ import annotations

import pytest

from services.common.timing.captions import MAX_LINE_CHARACTERS, build_cues
from services.common.timing.scripts import splits_character
from services.common.timing.sentences import split_for_limit
from services.common.timing.unspaced_words import find_word_starts
from services.common.timing.words import find_words
from tests.unit.common.timing.samples import align_evenly

WORDS = {
    "Thai": ["สวัสดี", "ครับ", "ผม", "ชื่อ", "สมชาย"],
    "Lao": ["ສະບາຍດີ", "ຊາວໂລກ"],
    "Khmer": ["សួស្តី", "ពិភពលោក", "ថ្ងៃនេះ"],
    "Burmese": ["မြန်မာနိုင်ငံ", "သည်", "လှပ", "သည်"],
}


@pytest.mark.parametrize("script", WORDS)
def test_words_are_found_by_dictionary(script: str) -> None:
    text = "".join(WORDS[script])
    words = find_words(align_evenly(text))
    assert [word.text for word in words] == WORDS[script]
    assert [text[word.text_offset : word.text_offset + word.text_length] for word in words] == WORDS[script]


def test_punctuation_digits_and_other_scripts_keep_their_words() -> None:
    found = find_words(align_evenly("(สวัสดีครับ!) Hello ผมชื่อ 😀สมชาย។"))
    assert [word.text for word in found] == ["(สวัสดี", "ครับ!)", "Hello", "ผม", "ชื่อ", "😀สมชาย។"]


@pytest.mark.parametrize("script", WORDS)
def test_pieces_and_captions_divide_no_word(script: str) -> None:
    text = "".join(WORDS[script]) * 20
    starts = {0, len(text), *find_word_starts(text, 0, len(text))}
    pieces = split_for_limit(text, 40)
    assert all(len(piece) <= 40 for piece in pieces)
    assert {piece.end for piece in pieces} <= starts
    lines = [line for cue in build_cues(align_evenly(text)) for line in cue.lines]
    assert "".join(lines) == text
    assert all(len(line) <= MAX_LINE_CHARACTERS for line in lines)
    ends = [sum(map(len, lines[: number + 1])) for number in range(len(lines))]
    assert set(ends) <= starts


def test_a_word_longer_than_a_piece_is_divided_between_characters() -> None:
    text = WORDS["Burmese"][0]
    pieces = split_for_limit(text, 3)
    assert all(len(piece) <= 3 for piece in pieces)
    assert not any(splits_character(text, piece.end) for piece in pieces)
