"""Equal texts become equal, without control characters, and every position maps back."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.text.mapping import MappedText
from services.common.text.normalization import clean_text, fold_for_speech, normalize_text

TEXTS = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from(
            "aoe\u0301\u0308\u0323\u1100\u1161\u11a8\uac00\u200b\u00ad\ufeff\ufb01\uff21\uff76\uff9e\u0344"
        ),
    )
)


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("scho\u0308n", "schön"),
        ("a\u0323\u0302", "ậ"),
        ("\u1112\u1161\u11ab", "한"),
        ("Hi\x00 there", "Hi there"),
        ("\ufeffHi\u202e there\u2069", "Hi there"),
        ("one\x0btwo\x0cthree\x85four", "one\ntwo\nthree\nfour"),
        ("one\x1ftwo", "one two"),
        ("tab\tand\r\nline", "tab\tand\r\nline"),
        ("می\u200cروم", "می\u200cروم"),
        ("\uff21 \ufb01 ½", "\uff21 \ufb01 ½"),
        ("noncharacter\ufffe\U0010ffff", "noncharacter"),
    ],
)
def test_a_provider_gets_composed_text_without_control_characters(text: str, normalized: str) -> None:
    assert clean_text(text) == normalized


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("\uff21\uff22\uff23\u3000\uff48\uff49", "ABC hi"),
        ("\U0001d407\U0001d422", "Hi"),
        ("ﬁne", "fine"),
        ("ｶﾞ", "ガ"),
        ("so\u00adft ze\u200bro \ufeffmark❤\ufe0f", "soft zero mark❤"),
        ("e\u200b\u0301", "é"),
        ("20℃", "20°C"),
        # Forms with a reading of their own.
        ("10⁵ m² ½ H₂O", "10⁵ m² ½ H₂O"),
        ("\u00b4", "\u00b4"),
    ],
)
def test_an_engine_gets_plain_letters_without_invisible_signs(text: str, spoken: str) -> None:
    assert fold_for_speech(text).text == spoken


@given(TEXTS)
def test_texts_that_are_canonically_equal_become_equal(text: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert clean_text(composed) == clean_text(decomposed) == clean_text(text)
    assert clean_text(clean_text(text)) == clean_text(text)
    assert unicodedata.is_normalized("NFC", clean_text(text))
    assert fold_for_speech(clean_text(composed)).text == fold_for_speech(clean_text(decomposed)).text


@given(TEXTS)
def test_every_code_point_has_a_place_in_order(text: str) -> None:
    for mapped in (normalize_text(text), fold_for_speech(text)):
        assert mapped.source == text
        check_places(mapped)


def check_places(mapped: MappedText) -> None:
    """Assert that the places of the source's code points cover the text in order without gaps."""
    if mapped.starts is None or mapped.ends is None:
        assert mapped.text == mapped.source
        return
    borders = [0.0, *mapped.ends]
    assert list(mapped.starts) == borders[:-1]
    assert borders == sorted(borders)
    assert borders[-1] == len(mapped.text)


def test_no_character_composes_across_the_border_of_two_parts() -> None:
    pairs = {unicodedata.normalize("NFD", chr(code)) for code in range(0xC0, sys.maxunicode) if is_composed(chr(code))}
    assert len(pairs) > 900
    assert [pair for pair in pairs if not unicodedata.is_normalized("NFC", clean_text(f"{pair} {pair}"))] == []


def is_composed(character: str) -> bool:
    """Return whether a character has a canonical decomposition; one Hangul syllable stands for all."""
    decomposition = unicodedata.decomposition(character)
    return character == "\ud55c" or (decomposition != "" and not decomposition.startswith("<"))


@given(TEXTS, st.integers(0))
def test_an_offset_maps_to_the_character_that_begins_there(text: str, offset: int) -> None:
    mapped = normalize_text(text)
    found = mapped.find_source_offset(offset)
    if offset <= len(mapped.text):
        assert 0 <= found <= len(text)
        assert mapped.starts is None or found == len(text) or mapped.starts[found] >= offset
