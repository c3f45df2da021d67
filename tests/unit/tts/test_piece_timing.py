"""The timing of a provider call is that of its text, and never ends after the audio."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.text.mapping import map_text
from services.common.timing.alignment import Alignment, join_alignments
from services.tts.piece_timing import PieceTiming

TEXT = "The quick brown fox jumps over the lazy dog."


def time_text(text: str, start_seconds: float = 0.0, character_seconds: float = 0.1) -> Alignment:
    starts = [start_seconds + index * character_seconds for index in range(len(text) + 1)]
    return Alignment(tuple(text), tuple(starts[:-1]), tuple(starts[1:]))


def collect(text: str, *pieces: Alignment, audio_seconds: float = 100.0) -> tuple[Alignment, set[str]]:
    timing = PieceTiming(map_text(text))
    for piece in pieces:
        timing.feed(piece)
    return timing.finish(audio_seconds) or Alignment(), set(timing.repairs)


def test_timing_of_the_text_is_not_changed() -> None:
    assert collect(TEXT, time_text(TEXT)) == (time_text(TEXT), set())


def test_timing_waits_for_its_audio() -> None:
    timing = PieceTiming(map_text("abcd"))
    timing.feed(Alignment(tuple("abcd"), (0.0, 1.0, 2.0, 3.0), (1.0, 2.0, 3.0, 4.0)))
    assert (timing.release(0.5), timing.release(2.0)) == (None, Alignment(("a", "b"), (0.0, 1.0), (1.0, 2.0)))
    assert timing.finish(3.5) == Alignment(("c", "d"), (2.0, 3.0), (3.0, 3.5))


def test_timing_beyond_the_audio_ends_with_it() -> None:
    timing, repairs = collect(TEXT, time_text(TEXT, character_seconds=1.0), audio_seconds=20.0)
    assert timing.text == TEXT
    assert max(timing.ends_seconds) == 20.0
    assert repairs == {"beyond_audio"}


def test_a_rounding_error_is_not_a_repair() -> None:
    timing, repairs = collect("ab", Alignment(("a", "b"), (0.0, 1.0), (1.0, 2.01)), audio_seconds=2.0)
    assert (timing.ends_seconds, repairs) == ((1.0, 2.0), set())


def test_audio_of_unknown_length_does_not_cut_timing() -> None:
    assert collect(TEXT, time_text(TEXT), audio_seconds=0.0)[0] == time_text(TEXT)


@pytest.mark.parametrize("other", ["Call us now and win a prize!", "Achtung, hier spricht niemand.", "zzzz"])
def test_timing_of_another_text_is_dropped(other: str) -> None:
    assert collect(TEXT, time_text(other)) == (Alignment(), {"foreign"})


def test_another_text_in_the_middle_ends_the_timing() -> None:
    timing, repairs = collect(TEXT, time_text(TEXT[:20]), time_text("Call us now!", 2.0), time_text(TEXT[20:], 4.0))
    assert (timing, repairs) == (time_text(TEXT[:20]), {"foreign"})


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("It's “fine”, she said.", 'It\'s "fine", she said.'),
        ("Hello   big\n\nworld out there.", "Hello big world out there."),
        ("[whispers] Come closer, my friend.", "Come closer, my friend."),
        ("Come closer, my friend.", " Come closer, my friend. "),
        ("schön und gut", "scho\u0308n und gut"),
        ("Costs $5 in all, they said.", "Costs five dollars in all, they said."),
    ],
)
def test_other_characters_for_the_same_words_are_told_as_those_of_the_text(text: str, reported: str) -> None:
    timing, repairs = collect(text, time_text(reported), audio_seconds=10.0)
    assert timing.text == text
    assert "respelled" in repairs
    last_word, reported_word = text.rindex(" ") + 1, reported.rstrip().rindex(" ") + 1
    assert timing.starts_seconds[last_word] == pytest.approx(reported_word * 0.1)


def test_an_entry_with_several_code_points_is_divided() -> None:
    timing, repairs = collect("abc", Alignment(("ab", "c"), (0.0, 2.0), (2.0, 3.0)))
    assert (timing.text, repairs - {"respelled"}) == ("abc", set())
    assert timing.starts_seconds == (0.0, 1.0, 2.0)


def test_words_without_timing_share_the_time_that_is_left() -> None:
    timing, repairs = collect("abcd efgh", time_text("abcd"), audio_seconds=1.4)
    assert repairs == {"incomplete"}
    assert timing.starts_seconds[4:] == pytest.approx([0.4, 0.6, 0.8, 1.0, 1.2])
    assert timing.ends_seconds[-1] == 1.4


def test_a_text_without_any_timing_stays_without() -> None:
    assert collect(TEXT) == (Alignment(), set())


def test_of_a_call_that_broke_off_only_the_heard_part_is_timed() -> None:
    timing = PieceTiming(map_text("abcd"))
    timing.feed(time_text("abcd", character_seconds=1.0))
    assert timing.cut(1.5) == Alignment(("a", "b"), (0.0, 1.0), (1.0, 1.5))


@given(st.text(min_size=1), st.lists(st.text()), st.floats(0.01, 20))
def test_whatever_is_reported_the_result_is_the_text_within_the_audio(
    text: str, reported: list[str], audio_seconds: float
) -> None:
    timing = PieceTiming(map_text(text))
    found = []
    for index, piece in enumerate(reported):
        timing.feed(time_text(piece, index * 1.0))
        found.append(timing.release(audio_seconds / 2))
    found.append(timing.finish(audio_seconds))
    joined = join_alignments(piece for piece in found if piece is not None)
    assert text.startswith(joined.text)
    assert all(len(character) == 1 for character in joined.characters)
    assert all(before <= after for before, after in pairwise(joined.starts_seconds))
    assert all(
        0 <= start <= end <= audio_seconds
        for start, end in zip(joined.starts_seconds, joined.ends_seconds, strict=True)
    )
