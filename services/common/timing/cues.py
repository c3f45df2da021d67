"""Divides an alignment into captions that can be read: two short lines, shown long enough, broken with sense."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from services.common.timing.alignment import Alignment
from services.common.timing.scripts import (
    CLAUSE_MARKS,
    CLOSERS,
    DASHES,
    STRONG_CLAUSE_MARKS,
    STRONG_STOPS,
    WEAK_STOPS,
    is_joined,
)
from services.common.timing.sentences import TextSpan, split_sentences
from services.common.timing.words import Timeline, is_word, split_tokens

MAX_LINE_CHARACTERS = 42
"""Longest line; characters of double width, such as Chinese ones, count twice."""
MIN_CUE_MILLISECONDS = 1_000
"""Shortest time that a caption stays, unless the next one comes sooner."""
MAX_CUE_MILLISECONDS = 7_000
"""Longest time that a caption stays."""

_WIDE = frozenset("WF")
_CLAUSE_END = re.compile(rf"[{CLAUSE_MARKS}{STRONG_CLAUSE_MARKS}{WEAK_STOPS}{STRONG_STOPS}{DASHES}][{CLOSERS}]*\Z")
# What a line may be more uneven by, if it ends with a clause then.
_CLAUSE_BONUS_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption."""

    start_milliseconds: int
    """When it appears, from the start of the whole audio."""
    end_milliseconds: int
    """When it goes; after it appears, and never after the next one appears."""
    lines: tuple[str, ...]
    """One or two lines of text, none of them empty."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A word, or as much of a long one as fits a line."""

    text: str
    width: int
    spaced: bool
    """Whether white space comes before it."""
    is_heard: bool
    """Whether it belongs to a word, and not to punctuation that stands alone."""
    ends_clause: bool
    start_milliseconds: int
    end_milliseconds: int


_Group = Sequence[_Piece]


def build_cues(alignment: Alignment) -> tuple[Cue, ...]:
    """Return the captions of `alignment`: in order, never two at once, every word in one of them.

    Times are rounded to milliseconds. A caption that would be gone too soon stays for a second, if the next one lets
    it, even beyond the last word.
    """
    groups = _join_short([group for sentence in _sentences(Timeline(alignment)) for group in _divide(sentence)])
    return tuple(_place([group for group in groups if any(piece.is_heard for piece in group)]))


def _sentences(timeline: Timeline) -> Iterator[_Group]:
    """Yield the pieces of each sentence."""
    last = 0
    for sentence in split_sentences(timeline.text):
        pieces: list[_Piece] = []
        for token in split_tokens(timeline.text, sentence):
            pieces += _pieces(timeline, token, spaced=token.start > last)
            last = token.end
        yield pieces


def _pieces(timeline: Timeline, token: TextSpan, *, spaced: bool) -> Iterator[_Piece]:
    """Yield `token`, in parts if it does not fit a line."""
    is_heard = is_word(token.of(timeline.text))
    for part in _parts(timeline.text, token):
        timed = timeline.time_span(part)
        # Control characters cannot be shown, and no file format takes them.
        if shown := "".join(character for character in timed.text if unicodedata.category(character) != "Cc"):
            yield _Piece(
                text=shown,
                width=_width(shown),
                spaced=spaced and part.start == token.start,
                is_heard=is_heard,
                ends_clause=part.end == token.end and _CLAUSE_END.search(shown) is not None,
                start_milliseconds=round(timed.start_seconds * 1000),
                end_milliseconds=round(timed.end_seconds * 1000),
            )


def _parts(text: str, token: TextSpan) -> Iterator[TextSpan]:
    """Yield `token` in parts that fit a line, cut between whole characters where that is possible."""
    start, width = token.start, 0
    for index in range(token.start, token.end):
        width += _width(text[index])
        while width > MAX_LINE_CHARACTERS:
            cut = next((at for at in range(index, start, -1) if not is_joined(text, at)), index)
            yield TextSpan(start, cut)
            start, width = cut, _width(text[cut : index + 1])
    yield TextSpan(start, token.end)


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(character) in _WIDE else 1 for character in text)


def _divide(sentence: _Group) -> Iterator[_Group]:
    """Yield the captions of one sentence: each as long as may be, or shorter by up to half to end a clause."""
    rest = sentence
    while rest:
        count = _fitting(rest)
        if count < len(rest):
            clauses = (number for number in range(count, count // 2, -1) if rest[number - 1].ends_clause)
            count = next(clauses, count)
        yield rest[:count]
        rest = rest[count:]


def _fitting(pieces: _Group) -> int:
    """Return how many of the first `pieces` one caption holds; at least one."""
    line, width = 1, 0
    for number, piece in enumerate(pieces):
        if number and piece.end_milliseconds - pieces[0].start_milliseconds > MAX_CUE_MILLISECONDS:
            return number
        gap = int(piece.spaced and width > 0)
        width += gap + piece.width
        if width > MAX_LINE_CHARACTERS:
            line, width = line + 1, piece.width
        if line > 2:  # noqa: PLR2004 - a caption has two lines
            return number
    return len(pieces)


def _join_short(groups: list[_Group]) -> list[_Group]:
    """Return `groups` with those that could not stay for long joined to a neighbour, where one caption holds both."""
    kept: list[_Group] = []
    for group in groups:
        hasty = bool(kept) and group[0].start_milliseconds - kept[-1][0].start_milliseconds < MIN_CUE_MILLISECONDS
        if hasty and _fit([*kept[-1], *group]):
            kept[-1] = [*kept[-1], *group]
            continue
        if hasty and len(kept) > 1 and _fit([*kept[-2], *kept[-1]]):
            kept[-2:] = [[*kept[-2], *kept[-1]]]
        kept.append(group)
    return kept


def _fit(group: _Group) -> bool:
    return _fitting(group) == len(group)


def _place(groups: Sequence[_Group]) -> Iterator[Cue]:
    """Yield each group as a caption, with times that do not overlap."""
    earliest = 0
    for number, group in enumerate(groups, start=1):
        start = max(earliest, group[0].start_milliseconds)
        end = max(start + MIN_CUE_MILLISECONDS, group[-1].end_milliseconds)
        if number < len(groups):
            end = min(end, groups[number][0].start_milliseconds)
        # Where many words are heard at one moment, the captions still follow each other.
        end = max(start + 1, min(end, start + MAX_CUE_MILLISECONDS))
        yield Cue(start, end, _lines(group))
        earliest = end


def _lines(group: _Group) -> tuple[str, ...]:
    if _measure_width(group) <= MAX_LINE_CHARACTERS:
        return (_text(group),)
    candidates = [
        (_unevenness(group[:number], group[number:]), number)
        for number in range(1, len(group))
        if max(_measure_width(group[:number]), _measure_width(group[number:])) <= MAX_LINE_CHARACTERS
    ]
    _, number = min(candidates)
    return _text(group[:number]), _text(group[number:])


def _unevenness(first: _Group, second: _Group) -> int:
    bonus = _CLAUSE_BONUS_CHARACTERS if first[-1].ends_clause else 0
    return abs(_measure_width(first) - _measure_width(second)) - bonus


def _text(group: _Group) -> str:
    return group[0].text + "".join(" " * piece.spaced + piece.text for piece in group[1:])


def _measure_width(group: _Group) -> int:
    return sum(piece.width for piece in group) + sum(following.spaced for _, following in pairwise(group))
