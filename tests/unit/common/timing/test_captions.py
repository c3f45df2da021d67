"""Captions and caption files."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings

from services.common.timing.alignment import Alignment
from services.common.timing.captions import (
    MAX_CUE_MILLISECONDS,
    MAX_LINE_CHARACTERS,
    Cue,
    build_cues,
    to_srt,
    to_webvtt,
)
from services.common.timing.words import find_words, is_word
from tests.unit.common.timing.samples import align_evenly, draw_alignments
from tests.unit.common.timing.subtitles import read_srt, read_webvtt


def build_lines(text: str, seconds_each: float = 0.0625) -> list[tuple[str, ...]]:
    return [cue.lines for cue in build_cues(align_evenly(text, seconds_each))]


def extract_visible_text(text: str) -> str:
    """Return the visible characters of `text`, without white space, which may become the end of a line."""
    return "".join(char for char in text if unicodedata.category(char) != "Cc" and not char.isspace())


def test_a_sentence_is_one_caption_if_it_fits() -> None:
    assert build_cues(align_evenly("A sentence. Another one.", 0.125)) == (
        Cue(0, 1375, ("A sentence.",)),
        Cue(1500, 3000, ("Another one.",)),
    )


def test_two_lines_are_about_as_long_and_broken_at_a_clause() -> None:
    assert build_lines("When it rains in the morning, we stay at home and read a good book.") == [
        ("When it rains in the morning,", "we stay at home and read a good book."),
    ]


def test_a_long_sentence_is_divided_at_a_clause() -> None:
    text = (
        "The harbour was quiet when the first of the boats came in from the sea, heavy with fish, and nobody"
        " was there to see it."
    )
    assert build_lines(text) == [
        ("The harbour was quiet when the first", "of the boats came in from the sea,"),
        ("heavy with fish,", "and nobody was there to see it."),
    ]


def test_short_sentences_share_a_caption() -> None:
    assert build_lines("No. Yes. Well, perhaps.") == [("No. Yes. Well, perhaps.",)]


def test_a_caption_ends_after_seven_seconds() -> None:
    assert all(
        cue.end_milliseconds - cue.start_milliseconds <= 7000 for cue in build_cues(align_evenly("so slow " * 9, 0.5))
    )
    assert build_lines("slow " * 4, 0.5) == [("slow slow slow",), ("slow",)]


def test_a_caption_lasts_at_least_a_second() -> None:
    assert build_cues(align_evenly("Hi.")) == (Cue(0, 1000, ("Hi.",)),)


def test_a_caption_ends_when_the_next_one_starts() -> None:
    long = "x" * 41
    alignment = Alignment((f"{long}. ", f"{long} {long}."), (0.0, 0.3), (0.2, 3.0))
    first, second = build_cues(alignment)
    assert (first.end_milliseconds, second.start_milliseconds) == (300, 300)


def test_a_word_longer_than_a_line_is_divided() -> None:
    assert build_lines("y" * 100) == [("y" * 42, "y" * 42), ("y" * 16,)]


def test_a_part_of_a_word_that_is_punctuation_only_is_shown_with_the_rest() -> None:
    text = "." * 90 + "a"
    assert "".join(line for cue in build_lines(text) for line in cue) == text


def test_wide_characters_count_twice() -> None:
    assert build_lines("好" * 50) == [("好" * 21, "好" * 21), ("好" * 8,)]


def test_punctuation_alone_makes_no_caption() -> None:
    assert build_cues(align_evenly("... — !")) == ()


def test_right_to_left_text_is_not_changed() -> None:
    assert build_lines("שלום, עולם (כן).") == [("שלום, עולם (כן).",)]


def test_line_ends_and_white_space_of_the_text_become_spaces() -> None:
    assert build_lines("One\ntwo \u2028 three\tfour") == [("One two three four",)]


@pytest.mark.parametrize("text", ["", " \n "])
def test_without_text_the_files_are_valid_and_empty(text: str) -> None:
    assert to_webvtt(align_evenly(text)) == "WEBVTT\n"
    assert to_srt(align_evenly(text)) == ""


def test_a_webvtt_file_is_written_out() -> None:
    text = "Fish & chips <b>now</b> --> there. A second caption of some length follows it."
    assert to_webvtt(align_evenly(text, 0.1)) == (
        "WEBVTT\n"
        "\n"
        "00:00:00.000 --> 00:00:03.400\n"
        "Fish &amp; chips &lt;b&gt;now&lt;/b&gt; --&gt; there.\n"
        "\n"
        "00:00:03.500 --> 00:00:07.800\n"
        "A second caption of\n"
        "some length follows it.\n"
    )


def test_an_srt_file_is_written_out() -> None:
    assert to_srt(align_evenly("Fish & chips. <i>Later</i> --> {\\an8} 1 < 2.", 0.1)) == (
        "1\n"
        "00:00:00,000 --> 00:00:01,300\n"
        "Fish & chips.\n"
        "\n"
        "2\n"
        "00:00:01,400 --> 00:00:04,400\n"
        "<\u2060i>Later<\u2060/i> --\u2060> {\u2060\\an8} 1 < 2.\n"
    )


def test_a_backslash_before_a_letter_breaks_no_line_of_an_srt_file() -> None:
    assert "to \\\u2060Notes" in to_srt(align_evenly(r"Go to \Notes now.", 0.1))


def test_an_srt_file_ends_with_its_media() -> None:
    assert "--> 00:00:00,900\n" in to_srt(align_evenly("Come here now.", 0.1), until_seconds=0.9)
    assert to_srt(align_evenly("Come here now.", 0.1), until_seconds=0.0) == ""


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.0004, "00:00:00.000"), (59.9996, "00:01:00.000"), (3599.9999, "01:00:00.000"), (360_000.5, "100:00:00.500")],
)
def test_times_are_rounded_to_milliseconds(seconds: float, written: str) -> None:
    assert f"{written} --> " in to_webvtt(Alignment(("Hi",), (seconds,), (seconds + 2,)))


@settings(deadline=None)
@given(draw_alignments())
def test_captions_do_not_overlap_and_fit_the_screen(alignment: Alignment) -> None:
    found = build_cues(alignment)
    for cue in found:
        assert 0 <= cue.start_milliseconds < cue.end_milliseconds <= cue.start_milliseconds + MAX_CUE_MILLISECONDS
        assert 1 <= len(cue.lines) <= 2
        assert all(0 < len(line) <= MAX_LINE_CHARACTERS for line in cue.lines)
    assert all(first.end_milliseconds <= second.start_milliseconds for first, second in pairwise(found))


@settings(deadline=None)
@given(draw_alignments())
def test_every_word_is_in_the_captions_in_order(alignment: Alignment) -> None:
    whole = extract_visible_text("".join(line for cue in build_cues(alignment) for line in cue.lines))
    position = 0
    for word in find_words(alignment):
        position = whole.index(extract_visible_text(word.text), position) + len(extract_visible_text(word.text))
    assert bool(find_words(alignment)) == bool(build_cues(alignment))


@settings(deadline=None)
@given(draw_alignments())
def test_a_caption_starts_with_its_first_word(alignment: Alignment) -> None:
    starts = {round(time * 1000) for time in [*alignment.starts_seconds, *alignment.ends_seconds]}
    single = all(len(entry) <= 1 for entry in alignment.characters)
    ends = {cue.end_milliseconds for cue in build_cues(alignment)}
    for cue in build_cues(alignment):
        assert not single or cue.start_milliseconds in starts | ends


@settings(deadline=None)
@given(draw_alignments())
def test_both_formats_contain_the_same_captions(alignment: Alignment) -> None:
    expected = [(cue.start_milliseconds, cue.end_milliseconds) for cue in build_cues(alignment)]
    for file in (read_webvtt(to_webvtt(alignment)), read_srt(to_srt(alignment))):
        assert [(item.start_milliseconds, item.end_milliseconds) for item in file] == expected
    assert [item.lines for item in read_webvtt(to_webvtt(alignment))] == [cue.lines for cue in build_cues(alignment)]


def test_captions_of_many_words_at_one_moment_do_not_overlap() -> None:
    text = "word " * 60
    found = build_cues(Alignment(tuple(text), (5.0,) * len(text), (5.0,) * len(text)))
    assert [cue.start_milliseconds for cue in found] == sorted({cue.start_milliseconds for cue in found})
    assert sum(len(line.split()) for cue in found for line in cue.lines) == 60


@pytest.mark.parametrize("word", ["%", "€", "&", "😀"])
def test_symbols_are_words_and_visible(word: str) -> None:
    assert is_word(word)
    assert build_lines(word) == [(word,)]
