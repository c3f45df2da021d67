"""Words and sentences of an alignment with their times, for highlighting text during playback."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from services.common.text.directions import find_directions, iterate_spoken, remove_directions
from services.common.timing.alignment import Alignment
from services.common.timing.scripts import UNSPACED, UNSPACED_OPENERS
from services.common.timing.sentences import TextSpan, split_sentences
from services.common.timing.unspaced_words import find_word_starts

_RUN = re.compile(r"\S+")
_UNSPACED = re.compile(f"[{UNSPACED}]")
# An opening quotation mark belongs to the next character, all other punctuation to the previous one.
_OPENER = rf"(?:[{UNSPACED_OPENERS}]|[\u201c\u2018](?=[{UNSPACED}]))"
_MIXED_RUN = re.compile(
    rf"{_OPENER}*+(?:[{UNSPACED}](?:(?!{_OPENER})(?:_|[^\w\s]))*+|(?:(?!{_OPENER})[^\s{UNSPACED}])++)|{_OPENER}++"
)
_SPOKEN_CATEGORIES = frozenset("LNS")
_SPOKEN_PUNCTUATION = frozenset("&%@§‰")


@dataclass(frozen=True, slots=True)
class TimedSpan:
    """A part of the spoken text with its times."""

    text: str
    """Text of the part."""
    start_seconds: float
    """Start time, from the start of the whole audio."""
    end_seconds: float
    """End time; never before the start."""
    text_offset: int
    """Number of code points before it in the text of the alignment."""
    text_length: int
    """Number of code points of the part."""


class Timeline:
    """The times of every code point of an alignment.

    The time of an entry with several code points is divided evenly among them.
    """

    def __init__(self, alignment: Alignment) -> None:
        self.text = alignment.text
        """The characters as one string."""
        self._starts: list[float] = []
        self._ends: list[float] = []
        for characters, start, end in zip(
            alignment.characters, alignment.starts_seconds, alignment.ends_seconds, strict=True
        ):
            if len(characters) == 1:
                self._starts.append(start)
                self._ends.append(end)
            else:
                self._divide_time(len(characters), start, end)

    def time_span(self, span: TextSpan) -> TimedSpan:
        """Return `span` with its times; `span` must not be empty."""
        start_seconds, end_seconds = self._starts[span.start], self._ends[span.end - 1]
        return TimedSpan(span.extract(self.text), start_seconds, end_seconds, span.start, len(span))

    def _divide_time(self, code_points: int, start: float, end: float) -> None:
        if code_points:
            borders = [start, *(min(end, start + (end - start) * i / code_points) for i in range(1, code_points)), end]
            self._starts += borders[:-1]
            self._ends += borders[1:]


def find_words(alignment: Alignment) -> tuple[TimedSpan, ...]:
    """Return the words of `alignment` with their times, in order.

    A word contains no white space. Punctuation belongs to its word; punctuation alone is not a word. In Chinese and
    Japanese, each character is a word; Thai, Lao, Khmer and Burmese are divided by dictionary.
    """
    timeline = Timeline(alignment)
    text = timeline.text
    found = (token for sentence in split_sentences(text) for token in split_tokens(text, sentence))
    return tuple(timeline.time_span(token) for token in found if is_word(token.extract(text)))


def find_sentences(alignment: Alignment) -> tuple[TimedSpan, ...]:
    """Return the sentences of `alignment` with their times, in order, without the white space around them.

    The text of a sentence has no directions; its offset and length are those in the text of the alignment.
    """
    timeline = Timeline(alignment)
    trimmed = (_trim(timeline.text, span) for span in split_sentences(timeline.text))
    return tuple(_hide_directions(timeline.time_span(span)) for span in trimmed if len(span))


def split_tokens(text: str, part: TextSpan) -> Iterator[TextSpan]:
    """Yield the parts of `part` between white space or directions; scripts without spaces are divided further."""
    pattern = _MIXED_RUN if _UNSPACED.search(text, part.start, part.end) else _RUN
    for start, end in iterate_spoken(text, part.start, part.end):
        for match in pattern.finditer(text, start, end):
            borders = [match.start(), *find_word_starts(text, *match.span()), match.end()]
            yield from (TextSpan(*pair) for pair in pairwise(borders))


def is_word(token: str) -> bool:
    """Return whether `token` contains a letter, a digit or a symbol, and not only punctuation."""
    return token.isalnum() or any(
        unicodedata.category(character)[0] in _SPOKEN_CATEGORIES or character in _SPOKEN_PUNCTUATION
        for character in token
    )


def _trim(text: str, span: TextSpan) -> TextSpan:
    """Return `span` from its first to its last visible character that is spoken; empty if there is none."""
    spoken = [part for part in iterate_spoken(text, span.start, span.end) if not text[slice(*part)].isspace()]
    if not spoken:
        return TextSpan(span.start, span.start)
    (start, first_end), (last_start, end) = spoken[0], spoken[-1]
    start += first_end - start - len(text[start:first_end].lstrip())
    return TextSpan(start, last_start + len(text[last_start:end].rstrip()))


def _hide_directions(sentence: TimedSpan) -> TimedSpan:
    if not find_directions(sentence.text):
        return sentence
    return replace(sentence, text=" ".join(remove_directions(sentence.text).split()))
