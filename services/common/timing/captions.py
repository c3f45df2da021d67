"""Captions of an alignment: two short lines, broken at clauses, as cues and as WebVTT and SubRip (SRT) files."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from services.common.text.directions import remove_directions
from services.common.timing.alignment import Alignment
from services.common.timing.scripts import (
    CLAUSE_MARKS,
    CLOSERS,
    DASHES,
    STRONG_CLAUSE_MARKS,
    STRONG_STOPS,
    WEAK_STOPS,
    splits_character,
)
from services.common.timing.sentences import TextSpan, split_sentences
from services.common.timing.words import Timeline, is_word, split_tokens

_WEBVTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# SubRip has no escapes. An invisible character keeps players from reading text as an arrow, a tag, an override or a
# line break.
_WORD_JOINER = "\u2060"
_SUBRIP_MARKUP = re.compile(r"(?<=--)(?=>)|(?<=<)(?=[A-Za-z/])|(?<=\{)(?=\\)|(?<=\\)(?=[Nnh])")
MAX_LINE_CHARACTERS = 42
"""Longest line; wide characters, such as Chinese ones, count twice."""
MIN_CUE_MILLISECONDS = 1_000
"""Shortest time of a caption, unless the next one starts earlier."""
MAX_CUE_MILLISECONDS = 7_000
"""Longest time of a caption."""
_WIDE = frozenset("WF")
_CLAUSE_END = re.compile(rf"[{CLAUSE_MARKS}{STRONG_CLAUSE_MARKS}{WEAK_STOPS}{STRONG_STOPS}{DASHES}][{CLOSERS}]*\Z")
# How much more the lines may differ in width if the first one ends with a clause.
_CLAUSE_BONUS_CHARACTERS = 12


def to_webvtt(alignment: Alignment, until_seconds: float = math.inf) -> str:
    """Return the captions of `alignment` as a WebVTT file; without text it contains only the header.

    Args:
        alignment: Timing of the characters.
        until_seconds: End of the media: captions are cut at this time, and later ones are dropped.
    """
    blocks = ["WEBVTT\n"]
    for cue in cut_cues(build_cues(alignment), until_seconds):
        text = "\n".join(line.translate(_WEBVTT_ESCAPES) for line in cue.lines)
        blocks.append(f"{_format_times(cue, '.')}\n{text}\n")
    return "\n".join(blocks)


def to_srt(alignment: Alignment, until_seconds: float = math.inf) -> str:
    """Return the captions of `alignment` as an SRT file, to be encoded in UTF-8; without text it is empty.

    Args:
        alignment: Timing of the characters.
        until_seconds: End of the media: captions are cut at this time, and later ones are dropped.
    """
    blocks = []
    for number, cue in enumerate(cut_cues(build_cues(alignment), until_seconds), start=1):
        text = "\n".join(_SUBRIP_MARKUP.sub(_WORD_JOINER, line) for line in cue.lines)
        blocks.append(f"{number}\n{_format_times(cue, ',')}\n{text}\n")
    return "\n".join(blocks)


def cut_cues(cues: Iterable[Cue], until_seconds: float) -> Iterator[Cue]:
    """Yield the captions that begin before the end of the media, none of them longer."""
    for cue in cues:
        end_milliseconds = int(min(cue.end_milliseconds, until_seconds * 1000))
        if cue.start_milliseconds < end_milliseconds:
            yield replace(cue, end_milliseconds=end_milliseconds)


def _format_times(cue: Cue, decimal_mark: str) -> str:
    return (
        f"{_format_time(cue.start_milliseconds, decimal_mark)} --> {_format_time(cue.end_milliseconds, decimal_mark)}"
    )


def _format_time(milliseconds: int, decimal_mark: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{decimal_mark}{milliseconds:03}"


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption."""

    start_milliseconds: int
    """Start time, from the start of the whole audio."""
    end_milliseconds: int
    """End time; after the start, and not after the start of the next caption."""
    lines: tuple[str, ...]
    """One or two lines, none of them empty."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A word, or the part of a long word that fits a line."""

    text: str
    width: int
    spaced: bool
    """Whether white space precedes it."""
    is_word: bool
    """Whether it belongs to a word, and not to punctuation alone."""
    ends_clause: bool
    start_milliseconds: int
    end_milliseconds: int


_Group = Sequence[_Piece]


def build_cues(alignment: Alignment) -> tuple[Cue, ...]:
    """Return the captions of `alignment` in order, without overlap, and with every word.

    Times are rounded to milliseconds. A short caption is prolonged to one second, even beyond the last word, unless the
    next caption starts earlier.
    """
    groups = _join_short([group for sentence in _build_sentences(Timeline(alignment)) for group in _divide(sentence)])
    return tuple(_build_captions([group for group in groups if any(piece.is_word for piece in group)]))


def _build_sentences(timeline: Timeline) -> Iterator[_Group]:
    """Yield the pieces of each sentence."""
    last = 0
    for sentence in split_sentences(timeline.text):
        pieces: list[_Piece] = []
        for token in split_tokens(timeline.text, sentence):
            # A direction counts as a space, but not before punctuation.
            before = remove_directions(timeline.text[last : token.start + 1])[:-1]
            pieces += _build_pieces(timeline, token, spaced=before != "")
            last = token.end
        yield pieces


def _build_pieces(timeline: Timeline, token: TextSpan, *, spaced: bool) -> Iterator[_Piece]:
    """Yield `token` as pieces that fit a line."""
    belongs_to_word = is_word(token.extract(timeline.text))
    for part in _split_for_line(timeline.text, token):
        timed = timeline.time_span(part)
        # Control characters are not visible and are not valid in the file formats.
        if shown := "".join(character for character in timed.text if unicodedata.category(character) != "Cc"):
            yield _Piece(
                text=shown,
                width=_measure_text_width(shown),
                spaced=spaced and part.start == token.start,
                is_word=belongs_to_word,
                ends_clause=part.end == token.end and _CLAUSE_END.search(shown) is not None,
                start_milliseconds=round(timed.start_seconds * 1000),
                end_milliseconds=round(timed.end_seconds * 1000),
            )


def _split_for_line(text: str, token: TextSpan) -> Iterator[TextSpan]:
    """Yield the parts of `token` that fit a line, cut between whole characters if possible."""
    start, width = token.start, 0
    for index in range(token.start, token.end):
        width += _measure_text_width(text[index])
        while width > MAX_LINE_CHARACTERS:
            cut = next((at for at in range(index, start, -1) if not splits_character(text, at)), index)
            yield TextSpan(start, cut)
            start, width = cut, _measure_text_width(text[cut : index + 1])
    yield TextSpan(start, token.end)


def _measure_text_width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(character) in _WIDE else 1 for character in text)


def _divide(sentence: _Group) -> Iterator[_Group]:
    """Yield the captions of one sentence: as long as possible, or up to half as long to end with a clause."""
    rest = sentence
    while rest:
        count = _count_fitting(rest)
        if count < len(rest):
            clauses = (number for number in range(count, count // 2, -1) if rest[number - 1].ends_clause)
            count = next(clauses, count)
        yield rest[:count]
        rest = rest[count:]


def _count_fitting(pieces: _Group) -> int:
    """Return the number of first `pieces` that fit one caption; at least one."""
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
    """Return `groups` with short ones joined to a neighbour if both fit one caption."""
    joined: list[_Group] = []
    for group in groups:
        too_short = (
            bool(joined) and group[0].start_milliseconds - joined[-1][0].start_milliseconds < MIN_CUE_MILLISECONDS
        )
        if too_short and _fits([*joined[-1], *group]):
            joined[-1] = [*joined[-1], *group]
            continue
        if too_short and len(joined) > 1 and _fits([*joined[-2], *joined[-1]]):
            joined[-2:] = [[*joined[-2], *joined[-1]]]
        joined.append(group)
    return joined


def _fits(group: _Group) -> bool:
    return _count_fitting(group) == len(group)


def _build_captions(groups: Sequence[_Group]) -> Iterator[Cue]:
    """Yield each group as a caption with times that do not overlap."""
    earliest = 0
    for number, group in enumerate(groups, start=1):
        start = max(earliest, group[0].start_milliseconds)
        end = max(start + MIN_CUE_MILLISECONDS, group[-1].end_milliseconds)
        if number < len(groups):
            end = min(end, groups[number][0].start_milliseconds)
        # Even if many words share one moment, the captions must not overlap.
        end = max(start + 1, min(end, start + MAX_CUE_MILLISECONDS))
        yield Cue(start, end, _break_lines(group))
        earliest = end


def _break_lines(group: _Group) -> tuple[str, ...]:
    if _measure_group_width(group) <= MAX_LINE_CHARACTERS:
        return (_join_text(group),)
    candidates = [
        (_measure_unevenness(group[:number], group[number:]), number)
        for number in range(1, len(group))
        if max(_measure_group_width(group[:number]), _measure_group_width(group[number:])) <= MAX_LINE_CHARACTERS
    ]
    _, number = min(candidates)
    return _join_text(group[:number]), _join_text(group[number:])


def _measure_unevenness(first: _Group, second: _Group) -> int:
    bonus = _CLAUSE_BONUS_CHARACTERS if first[-1].ends_clause else 0
    return abs(_measure_group_width(first) - _measure_group_width(second)) - bonus


def _join_text(group: _Group) -> str:
    return group[0].text + "".join(" " * piece.spaced + piece.text for piece in group[1:])


def _measure_group_width(group: _Group) -> int:
    return sum(piece.width for piece in group) + sum(following.spaced for _, following in pairwise(group))
