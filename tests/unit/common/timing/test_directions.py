"""Directions are no words: they are hidden in words, sentences and captions, and never divided."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.text.directions import find_directions
from services.common.timing.captions import build_cues, to_srt, to_webvtt
from services.common.timing.sentences import split_for_limit, split_sentences
from services.common.timing.words import find_sentences, find_words
from tests.unit.common.timing.samples import align_evenly

TEXT = (
    '[whispers] Come closer. <break time="1.5s"/> Now run! [1] Hello<break/>there, <prosody rate="slow">Ann</prosody>.'
)


def test_words_and_sentences_have_no_directions_and_their_own_offsets() -> None:
    timing = align_evenly(TEXT)
    words = find_words(timing)
    assert [word.text for word in words] == ["Come", "closer.", "Now", "run!", "[1]", "Hello", "there,", "Ann"]
    for item in words:
        assert TEXT[item.text_offset : item.text_offset + item.text_length] == item.text
        assert item.start_seconds == item.text_offset * 0.0625
    sentences = find_sentences(timing)
    assert [item.text for item in sentences] == ["Come closer.", "Now run!", "[1] Hello there, Ann."]
    assert sentences[0].text_offset == len("[whispers] ")
    assert sentences[1].start_seconds == TEXT.index("Now") * 0.0625


def test_captions_have_no_directions() -> None:
    timing = align_evenly(TEXT)
    shown = " ".join(line for cue in build_cues(timing) for line in cue.lines)
    assert shown == "Come closer. Now run! [1] Hello there, Ann."
    for file in (to_webvtt(timing), to_srt(timing)):
        assert "break" not in file
        assert "whispers" not in file


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (TEXT, [TEXT[:24], TEXT[24:54], TEXT[54:]]),
        ("Stop.<break/>Go.", ["Stop.", "<break/>Go."]),
        ("<speak>Stop. Go.</speak> Run.", ["<speak>Stop. ", "Go.</speak> ", "Run."]),
        ("[whispers] [softly] Come.", ["[whispers] [softly] Come."]),
        ("Go. <break/>", ["Go. <break/>"]),
        ("<break/>", ["<break/>"]),
    ],
)
def test_a_direction_belongs_to_the_sentence_after_it(text: str, sentences: list[str]) -> None:
    assert [span.extract(text) for span in split_sentences(text)] == sentences


@given(
    st.lists(
        st.sampled_from(
            ["Hello ", "there. ", "[whispers] ", '<break time="1.5s"/>', "Is it? ", "<break/> ", "supercalifragilistic"]
        )
    ),
    st.integers(24, 60),
)
def test_no_piece_divides_a_direction(parts: list[str], limit: int) -> None:
    text = "".join(parts)
    borders = {span.end for span in (*split_for_limit(text, limit), *split_sentences(text))}
    assert not [found for found in find_directions(text) if borders & set(range(found.start + 1, found.end))]
    assert "".join(span.extract(text) for span in split_for_limit(text, limit)) == text
    assert all(len(span) <= limit for span in split_for_limit(text, limit))
