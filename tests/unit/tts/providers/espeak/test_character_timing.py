"""Times of characters from the word and clause events of the engine."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.providers.espeak.character_timing import (
    CharacterClock,
    SampleRange,
    find_last_loud_sample,
    find_token_starts,
    spread_time,
)

TEXTS = st.text(st.sampled_from("abz09 .,!?-'\n\t你好。あ😀مرé\x01"), min_size=1, max_size=60)


@dataclass(frozen=True)
class Event:
    is_word: bool
    position: int
    sample: int
    pause: int


EVENTS = st.lists(
    st.builds(Event, st.booleans(), st.integers(-2, 70), st.integers(0, 50_000), st.integers(0, 5_000)), max_size=30
)


def time_all(text: str, events: list[Event], total: int) -> list[SampleRange]:
    clock = CharacterClock(text)
    spans: list[SampleRange] = []
    for event in events:
        if event.is_word:
            spans += clock.mark_word(event.position, event.sample)
        else:
            spans += clock.mark_clause_end(event.position, event.sample, event.sample - event.pause)
    return spans + clock.finish(total, total - 100)


@given(TEXTS, EVENTS)
def test_each_character_has_one_range_and_times_never_decrease(text: str, events: list[Event]) -> None:
    ordered = sorted(events, key=lambda event: event.sample)
    spans = time_all(text, ordered, 60_000)

    assert len(spans) == len(text)
    borders = [border for span in spans for border in span]
    assert borders == sorted(borders)
    assert borders[0] >= 0


@given(TEXTS, EVENTS)
def test_the_last_character_ends_with_the_audio(text: str, events: list[Event]) -> None:
    ordered = sorted(events, key=lambda event: event.sample)

    assert time_all(text, ordered, 60_000)[-1][1] == 60_000


@given(TEXTS, EVENTS)
def test_events_in_any_order_give_ordered_times(text: str, events: list[Event]) -> None:
    spans = time_all(text, events, 60_000)

    borders = [border for span in spans for border in span]
    assert len(spans) == len(text)
    assert borders == sorted(borders)


@given(st.text(min_size=1, max_size=40), st.floats(0, 1e6), st.floats(0, 1e6))
def test_spread_fills_the_whole_time(characters: str, start: float, length: float) -> None:
    spans = spread_time(characters, start, start + length)

    assert spans[0][0] == start
    assert spans[-1][1] == start + length
    assert all(first[1] == second[0] for first, second in pairwise(spans))


def test_a_digit_takes_longer_than_a_letter_and_a_letter_longer_than_a_comma() -> None:
    letter, digit, comma = (end - start for start, end in spread_time("a7,", 0, 375))

    assert (letter, digit, comma) == pytest.approx((100, 250, 25))


def test_words_begin_at_the_events_of_the_engine() -> None:
    clock = CharacterClock("one two")
    spans = clock.mark_word(0, 100) + clock.mark_word(4, 500) + clock.finish(1000, 900)

    assert spans[0][0] == 100
    assert spans[4][0] == 500


def test_a_word_is_timed_as_soon_as_the_next_begins() -> None:
    clock = CharacterClock("one two three")
    clock.mark_word(0, 0)

    assert len(clock.mark_word(4, 500)) == len("one ")
    assert len(clock.mark_word(8, 900)) == len("two ")


def test_events_inside_a_number_do_not_split_it() -> None:
    clock = CharacterClock("$3.50 left")
    clock.mark_word(0, 0)

    assert clock.mark_word(1, 300) == []
    assert clock.mark_word(2, 600) == []
    assert clock.mark_word(6, 900)[-1][1] == 900


def test_each_chinese_character_is_a_token() -> None:
    assert find_token_starts("你好 ok") == [0, 1, 3]

    clock = CharacterClock("你好吗")
    clock.mark_word(0, 0)
    assert clock.mark_word(1, 400) == [(0, 400)]


def test_the_white_space_after_a_clause_takes_its_pause() -> None:
    clock = CharacterClock("Hi. Yes")
    clock.mark_word(0, 0)

    spans = clock.mark_clause_end(4, 1000, 700)

    assert spans[2][1] == 700
    assert spans[3] == (700, 1000)


def test_a_merged_word_shares_the_time_of_its_neighbour() -> None:
    clock = CharacterClock("of the end")
    clock.mark_word(0, 0)

    spans = clock.mark_word(7, 700)

    assert len(spans) == len("of the ")
    assert 0 < spans[3][0] < 700


def test_without_events_the_speech_is_spread_over_the_text() -> None:
    assert CharacterClock("ab").finish(200, 200) == [(0, 100), (100, 200)]


def test_the_end_of_sound_is_found_to_within_five_milliseconds() -> None:
    pcm = array("h", [0] * 219 + [9000] + [0] * 1100).tobytes()

    assert find_last_loud_sample(pcm) == 220
    assert find_last_loud_sample(array("h", [200, -200] * 300).tobytes()) is None
    assert find_last_loud_sample(b"") is None
