"""The ends of sentences, and stops that only look like ends."""
# ruff: noqa: RUF001 - the tests use other scripts

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings

from services.common.timing.scripts import is_speakable, splits_character
from services.common.timing.sentences import TextSpan, split_sentences
from tests.unit.common.timing.samples import TEXTS

DIVIDED = {
    "plain": ["One. ", "Two! ", "Three?"],
    "titles": ["Mr. Smith met Dr. Jones. ", "They spoke."],
    "initials": ["J. K. Rowling and J. A. Smith wrote. ", "He read."],
    "explanations": ["Fruit, e.g. apples, i.e. food. ", "Eat it."],
    "acronym goes on": ["The U.S. Army came. ", "It left."],
    "acronym ends": ["She lives in the U.S. ", "He does not."],
    "time of day": ["At 5 p.m. Tokyo sleeps. ", "At 6 a.m. ", "It wakes."],
    "company": ["Acme Inc. Chairman Roe spoke. ", "He owns Acme Inc. ", "The end."],
    "decimals": ["It costs 3.14 dollars. ", "No, 1,000.50."],
    "number of": ["See no. 5, Vol. 2 and fig. 3. ", "No. ", "I said no. ", "Then yes."],
    "and so on": ["Apples, pears, etc. are fruit. ", "Apples, etc. ", "Pears too."],
    "ellipsis goes on": ["Wait... what? ", "Well… yes."],
    "ellipsis ends": ["I wonder... ", "Never mind."],
    "spaced ellipsis": ["And then . . . nothing. ", "The end."],
    "quotation": ["“Really?” he asked. ", "“Yes.” ", "She left."],
    "straight quotation": ['"I left." ', '"Me too," he said.'],
    "brackets": ["(He stayed.) ", "She [of all people!] left."],
    "many stops": ["What?! ", "No!!! ", "Yes."],
    "web address": ["See https://a.example/b?c=d.e for node.js. ", "Then write to me@b.example. ", "Bye."],
    "small letters": ["hey! ", "how are you? ", "i am fine. ", "bye"],
    "emoji": ["Great!😀 ", "Next."],
    "nobody can say it": ["Yes. ... !!! ", "No. — "],
    "chinese": ["你好。", "你好吗？", "很好！", "“走吧。”", "他说。"],
    "chinese without space": ["Hello!", "你好"],
    "japanese report": ["「行くの？」と彼は言った。", "はい。"],
    "full-width decimal": ["３．１４です。", "はい。"],
    "hindi": ["नमस्ते। ", "आप कैसे हैं? ", "ठीक।"],
    "arabic": ["مرحبا؟ ", "نعم. ", "شكرا۔"],
    "hebrew with a mark": ["שלום.\u200f ", "תודה."],
    "german": ["Am 3. Mai kam er, z.B. um 5. ", "Im 19. Jahrhundert nicht."],
    "german quotation": ["Er sagte: »Ja.« ", "»Nein«, sagte sie. ", "„Gut.“ ", "Sie ging."],
    "french quotation": ["Il dit : « Oui. » ", "Elle part."],
    "spanish": ["¿Qué? ", "¡Hola! ", "Bien."],
    "paragraphs": ["A title\n\n", "a text, e.g.\n\n", "another"],
    "wrapped lines": ["This goes\non here. ", "And Mr.\nSmith too."],
    "lines": ["Roses are red\n", "Violets are blue"],
    "list": ["Buy:\n", "- milk\n", "- eggs\n", "1. First a thing.\n", "2. Then another."],
    "windows lines": ["One\r\n", "Two\r\n\r\n", "three"],
    "white space first": ["  One. ", "Two."],
    "markdown": ["**Bold.** ", "_Not so._ ", "Plain."],
}


@pytest.mark.parametrize("sentences", DIVIDED.values(), ids=DIVIDED)
def test_a_text_is_divided_into_its_sentences(sentences: list[str]) -> None:
    text = "".join(sentences)
    assert [span.extract(text) for span in split_sentences(text)] == sentences


def test_an_empty_text_has_no_sentence_and_white_space_is_one() -> None:
    assert split_sentences("") == ()
    assert split_sentences(" \n\n ") == (TextSpan(0, 4),)


@settings(deadline=None)
@given(TEXTS)
def test_sentences_make_up_the_text_without_gaps(text: str) -> None:
    spans = split_sentences(text)
    assert "".join(span.extract(text) for span in spans) == text
    assert all(first.end == second.start for first, second in pairwise(spans))
    assert all(len(span) for span in spans)


@settings(deadline=None)
@given(TEXTS)
def test_every_sentence_can_be_spoken_if_the_text_can(text: str) -> None:
    if is_speakable(text):
        assert all(is_speakable(span.extract(text)) for span in split_sentences(text))
    else:
        assert len(split_sentences(text)) <= 1


@settings(deadline=None)
@given(TEXTS)
def test_no_later_sentence_starts_with_white_space_or_inside_a_character(text: str) -> None:
    for span in split_sentences(text)[1:]:
        assert not span.extract(text)[0].isspace()
        assert not splits_character(text, span.start)


@pytest.mark.parametrize(
    "unit", [".", '."', "\n'", " ", ",", "a. ", "1. \n", " .", "!」", "\u0301", "🇩", "a", "。", "\n-"], ids=ascii
)
def test_a_long_text_of_one_unit_is_split_in_order(unit: str) -> None:
    # Looking back over the text at each character would take minutes here.
    text = (unit * 100_000)[:100_000]
    spans = split_sentences(text)
    assert "".join(text[span.start : span.end] for span in spans) == text
