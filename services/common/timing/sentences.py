"""Divides a text into sentences, and into pieces of bounded length that end at natural pauses."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from services.common.text.directions import Direction, Kind, find_directions, list_parts
from services.common.text.mapping import map_parts
from services.common.timing.abbreviations import is_sentence_end
from services.common.timing.scripts import (
    BULLETS,
    CLAUSE_MARKS,
    CLOSERS,
    DASHES,
    FULLWIDTH_FULL_STOP,
    GERMAN_CLOSERS,
    LINE_ENDS,
    OPENERS,
    SPACED_CLOSERS,
    STRONG_CLAUSE_MARKS,
    STRONG_STOPS,
    UNSPACED,
    WEAK_STOPS,
    is_speakable,
    splits_character,
)
from services.common.timing.unspaced_words import find_word_starts

# All quantifiers are possessive or bounded, so that the time is linear in the length of any text.
_BORDER = re.compile(
    rf"(?P<stop>[{WEAK_STOPS}{STRONG_STOPS}]++(?:[ \xa0]\.(?!\w))*+)"
    rf"(?P<close>(?:[{CLOSERS}]|[{GERMAN_CLOSERS}](?=[\s{WEAK_STOPS}{CLAUSE_MARKS})]|\Z)"
    rf"|[ \xa0\u202f][{SPACED_CLOSERS}](?=\s|\Z))*+)(?P<gap>\s*+)"
    rf"|(?P<line>[{LINE_ENDS}]\s*+)"
)
_NEW_LINE = re.compile(rf"\r\n|[{LINE_ENDS}]")
_LIST_ITEM = re.compile(rf"(?:[{BULLETS}]|\(?\w{{1,2}}[.)])\s")
_OPENING = re.compile(rf"[\s{OPENERS}{DASHES}…]{{0,32}}+")
# In Japanese the sentence continues after a quotation with a quotative particle.
_QUOTATIVE = re.compile("と|って")
_UNSPACED = re.compile(f"[{UNSPACED}]")
_STRONG = re.compile(f"[{STRONG_STOPS}]")
_CLAUSE = re.compile(
    rf"(?:(?<![{CLAUSE_MARKS}])[{CLAUSE_MARKS}]++[{CLOSERS}]*+(?=\s)|[{STRONG_CLAUSE_MARKS}][{CLOSERS}]*+)(?P<gap>\s*+)"
)
_LONGEST_WORD = 60
_SPACE = re.compile(r"(?<=\S)(?P<gap>\s++)")


@dataclass(frozen=True, slots=True)
class TextSpan:
    """A part of a text, in code points: from `start` to before `end`."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    def extract(self, text: str) -> str:
        """Return the part of `text` in this span."""
        return text[self.start : self.end]


def split_sentences(text: str) -> tuple[TextSpan, ...]:
    """Return the sentences of `text`, in order and without gaps.

    White space belongs to the sentence before it. Every sentence contains a letter or a digit, unless the whole text
    has none. A blank line always ends a sentence; a single line end does so unless the next line looks like the rest of
    the sentence. A direction is never divided, and belongs to the text after it.
    """
    directions = find_directions(text)
    if not directions:
        return _split_plain(text)
    plain = map_parts(list_parts(text, frozenset(Kind), " "))
    borders = [plain.find_source_offset(span.end) for span in _split_plain(plain.text)[:-1]]
    edges = [0, *(_move_before_directions(text, border, directions) for border in borders), len(text)]
    return tuple(TextSpan(*pair) for pair in pairwise(edges))


def _split_plain(text: str) -> tuple[TextSpan, ...]:
    """Return the sentences of a text without directions."""
    return _build_spans([border for border in _find_borders(text) if not splits_character(text, border)], text)


def _move_before_directions(text: str, border: int, directions: Sequence[Direction]) -> int:
    """Return the border before the directions that end at `border`: they are meant for the text after them."""
    moved, position = border, border
    for direction in reversed(directions[: bisect_right(directions, border, key=lambda item: item.end)]):
        if direction.closes or text[direction.end : position].strip():
            break
        moved = position = direction.start
    return moved


def split_for_limit(text: str, limit: int) -> tuple[TextSpan, ...]:
    """Return `text` in pieces of at most `limit` code points, each as long as possible.

    The pieces are in order, without gaps. A piece ends after a sentence if one fits, otherwise after a clause, before
    a word, or after the last whole character, but not inside of a direction that fits. White space belongs to the piece
    before it, as far as it fits.

    Raises:
        ValueError: `limit` is less than 1.
    """
    if limit < 1:
        raise ValueError("limit must be at least 1")
    if len(text) <= limit:
        return (TextSpan(0, len(text)),) if text else ()
    sentence_ends = [span.end for span in split_sentences(text)]
    directions = find_directions(text)
    # In one word each, directions have no gaps for a cut.
    masked = _mask_directions(text, directions)
    cuts = [0]
    while len(text) - cuts[-1] > limit:
        cut = _find_cut(masked, cuts[-1], cuts[-1] + limit, sentence_ends)
        cuts.append(_move_out_of_direction(text, cuts[-1], cut, directions))
    return tuple(TextSpan(*pair) for pair in pairwise([*cuts, len(text)]))


def _mask_directions(text: str, directions: Sequence[Direction]) -> str:
    """Return `text` with a letter for each code point of a direction."""
    borders = [0, *(edge for item in directions for edge in (item.start, item.end)), len(text)]
    parts = [text[start:end] for start, end in pairwise(borders)]
    parts[1::2] = ["x" * len(part) for part in parts[1::2]]
    return "".join(parts)


def _move_out_of_direction(text: str, start: int, cut: int, directions: Sequence[Direction]) -> int:
    """Return a cut that divides no direction, unless one begins at `start` and is longer than the piece."""
    index = bisect_right(directions, cut, key=lambda item: item.end)
    if index < len(directions) and start < directions[index].start < cut:
        cut = directions[index].start
    moved = _move_before_directions(text, cut, directions)
    return moved if moved > start else cut


def _build_spans(borders: list[int], text: str) -> tuple[TextSpan, ...]:
    """Return the spans between `borders`; a span that cannot be spoken is joined to its neighbour."""
    spans: list[TextSpan] = []
    start = 0
    for before, end in pairwise([0, *borders, len(text)]):
        if is_speakable(text[before:end]):
            spans.append(TextSpan(start, end))
        elif spans:
            spans[-1] = TextSpan(spans[-1].start, end)
        else:
            continue
        start = end
    if start < len(text):
        spans.append(TextSpan(start, len(text)))
    return tuple(spans)


def _find_borders(text: str) -> Iterator[int]:
    """Yield the offset after every sentence except the last."""
    for match in _BORDER.finditer(text):
        after = match.end()
        if after < len(text) and (
            _is_sentence_end_at_line(text, match) if match["line"] else _is_sentence_end_at_stop(text, match)
        ):
            yield after


def _is_sentence_end_at_line(text: str, match: re.Match[str]) -> bool:
    return (
        _ends_paragraph(match["line"]) or _LIST_ITEM.match(text, match.end()) is not None or not _continues(text, match)
    )


def _is_sentence_end_at_stop(text: str, match: re.Match[str]) -> bool:
    stop, gap, after = match["stop"], match["gap"], match.end()
    if _ends_paragraph(gap):
        return True
    if not gap:
        return _is_sentence_end_without_space(text, match)
    if _NEW_LINE.search(gap) and _LIST_ITEM.match(text, after):
        return True
    if _STRONG.search(stop):
        return True
    continues = _continues(text, match)
    if stop == ".":
        return not (match["close"] and continues) and is_sentence_end(text, match.start(), after)
    # Such as: "Really?" asked Tom. Wait ... what?
    may_continue = match["close"] or not ("!" in stop or "?" in stop)
    return not (may_continue and continues)


def _is_sentence_end_without_space(text: str, match: re.Match[str]) -> bool:
    after = match.end()
    if match["close"] and _QUOTATIVE.match(text, after):
        return False
    if match["stop"] == FULLWIDTH_FULL_STOP and text[after].isdigit():
        return False
    if _STRONG.search(match["stop"]):
        return True
    return match["stop"][-1] in "!?" and _UNSPACED.match(text, after) is not None


def _ends_paragraph(gap: str) -> bool:
    return "\u2029" in gap or len(_NEW_LINE.findall(gap)) > 1


def _continues(text: str, match: re.Match[str]) -> bool:
    """Return whether the following text begins with a small letter, like the rest of a sentence."""
    opening = _OPENING.match(text, match.end())
    first = match.end() if opening is None else opening.end()
    return text[first : first + 1].islower()


def _find_cut(text: str, start: int, stop: int, sentence_ends: list[int]) -> int:
    """Return the end of the piece from `start`, at most `stop`; more text follows it."""
    return (
        _find_sentence_cut(text, start, stop, sentence_ends)
        or _find_last_gap(_CLAUSE, text, start, stop)
        or _find_last_gap(_SPACE, text, start, stop)
        or _find_word_cut(text, start, stop)
        or _find_character_cut(text, start, stop)
    )


def _find_sentence_cut(text: str, start: int, stop: int, sentence_ends: list[int]) -> int | None:
    following = bisect_right(sentence_ends, stop)
    # The sentence fits without the white space after it.
    only_space_is_left = following < len(sentence_ends) and text[stop : sentence_ends[following]].isspace()
    if only_space_is_left and not text[start:stop].isspace():
        return stop
    last = sentence_ends[following - 1] if following else 0
    return last if last > start else None


def _find_last_gap(pattern: re.Pattern[str], text: str, start: int, stop: int) -> int | None:
    """Return the end of the last match with nothing but white space after `stop`."""
    last = None
    for match in pattern.finditer(text, start, stop + 1):
        cut = min(match.end(), stop)
        if start < match.start("gap") <= stop and not splits_character(text, cut):
            last = cut
    return last


def _find_word_cut(text: str, start: int, stop: int) -> int | None:
    """Return the last place before a word of a script without spaces, such as Thai, at most `stop`."""
    # The dictionary needs the whole word around the cut.
    end = min(len(text), stop + _LONGEST_WORD)
    starts = find_word_starts(text, max(start, stop - 2 * _LONGEST_WORD), end)
    return max((at for at in starts if start < at <= stop), default=None)


def _find_character_cut(text: str, start: int, stop: int) -> int:
    cut = stop
    while cut > start and splits_character(text, cut):
        cut -= 1
    return cut if cut > start else stop
