"""Finds words and sentences in an alignment, with their times, for highlighting text while it is heard."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from services.common.timing.alignment import Alignment
from services.common.timing.scripts import UNSPACED, UNSPACED_OPENERS
from services.common.timing.sentences import TextSpan, split_sentences

_RUN = re.compile(r"\S+")
_UNSPACED = re.compile(f"[{UNSPACED}]")
# What opens a quotation belongs to the character that it opens, all other punctuation to the one before it.
_OPENER = rf"(?:[{UNSPACED_OPENERS}]|[\u201c\u2018](?=[{UNSPACED}]))"
_MIXED_RUN = re.compile(
    rf"{_OPENER}*+(?:[{UNSPACED}](?:(?!{_OPENER})(?:_|[^\w\s]))*+|(?:(?!{_OPENER})[^\s{UNSPACED}])++)|{_OPENER}++"
)
_HEARD_CATEGORIES = frozenset("LNS")
_HEARD_PUNCTUATION = frozenset("&%@§‰")


@dataclass(frozen=True, slots=True)
class TimedSpan:
    """A part of the spoken text and when it is heard."""

    text: str
    """The part itself."""
    start_seconds: float
    """When it begins to sound, from the start of the whole audio."""
    end_seconds: float
    """When it has been heard; never before its start."""
    text_offset: int
    """Code points of the alignment's text before it."""
    text_length: int
    """Code points of it."""


class Timeline:
    """Tells when any part of an alignment's text is heard.

    An entry of several code points shares its time among them evenly.
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
                self._share(len(characters), start, end)

    def time_span(self, span: TextSpan) -> TimedSpan:
        """Return `span`, which must not be empty, with its times."""
        start_seconds, end_seconds = self._starts[span.start], self._ends[span.end - 1]
        return TimedSpan(span.of(self.text), start_seconds, end_seconds, span.start, len(span))

    def _share(self, code_points: int, start: float, end: float) -> None:
        if code_points:
            borders = [start, *(min(end, start + (end - start) * i / code_points) for i in range(1, code_points)), end]
            self._starts += borders[:-1]
            self._ends += borders[1:]


def find_words(alignment: Alignment) -> tuple[TimedSpan, ...]:
    """Return the words of `alignment` with their times, in order.

    A word holds no white space; punctuation belongs to its word, and alone is none. Where a script has no spaces, as in
    Chinese and Japanese, each character is a word.
    """
    timeline = Timeline(alignment)
    text = timeline.text
    found = (token for sentence in split_sentences(text) for token in split_tokens(text, sentence))
    return tuple(timeline.time_span(token) for token in found if is_word(token.of(text)))


def find_sentences(alignment: Alignment) -> tuple[TimedSpan, ...]:
    """Return the sentences of `alignment` with their times, in order, without the white space around them."""
    timeline = Timeline(alignment)
    trimmed = (_trim(timeline.text, span) for span in split_sentences(timeline.text))
    return tuple(timeline.time_span(span) for span in trimmed if len(span))


def split_tokens(text: str, part: TextSpan) -> Iterator[TextSpan]:
    """Yield everything between white space in `part`, with each character of unspaced scripts by itself."""
    pattern = _MIXED_RUN if _UNSPACED.search(text, part.start, part.end) else _RUN
    for match in pattern.finditer(text, part.start, part.end):
        yield TextSpan(*match.span())


def is_word(token: str) -> bool:
    """Return whether `token` has a letter, a digit or a symbol in it, and not punctuation only."""
    return token.isalnum() or any(
        unicodedata.category(character)[0] in _HEARD_CATEGORIES or character in _HEARD_PUNCTUATION
        for character in token
    )


def _trim(text: str, span: TextSpan) -> TextSpan:
    visible = span.of(text).strip()
    start = span.start + len(span.of(text)) - len(span.of(text).lstrip())
    return TextSpan(start, start + len(visible))
