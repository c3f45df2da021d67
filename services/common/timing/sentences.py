"""Divides a text into sentences, and into pieces of a bounded length that end where a speaker would pause."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from services.common.timing.abbreviations import full_stop_ends
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
    is_heard,
    is_joined,
)

# Possessive and bounded throughout: the time grows with the length of the text only, however odd it is.
_BORDER = re.compile(
    rf"(?P<stop>[{WEAK_STOPS}{STRONG_STOPS}]++(?:[ \xa0]\.(?!\w))*+)"
    rf"(?P<close>(?:[{CLOSERS}]|[{GERMAN_CLOSERS}](?=[\s{WEAK_STOPS}{CLAUSE_MARKS})]|\Z)"
    rf"|[ \xa0\u202f][{SPACED_CLOSERS}](?=\s|\Z))*+)(?P<gap>\s*+)"
    rf"|(?P<line>[{LINE_ENDS}]\s*+)"
)
_NEW_LINE = re.compile(rf"\r\n|[{LINE_ENDS}]")
_LIST_ITEM = re.compile(rf"(?:[{BULLETS}]|\(?\w{{1,2}}[.)])\s")
_OPENING = re.compile(rf"[\s{OPENERS}{DASHES}…]{{0,32}}+")
# Japanese goes on after a quotation with the particle that reports it.
_REPORTING = re.compile("と|って")
_UNSPACED = re.compile(f"[{UNSPACED}]")
_STRONG = re.compile(f"[{STRONG_STOPS}]")
_CLAUSE = re.compile(
    rf"(?:(?<![{CLAUSE_MARKS}])[{CLAUSE_MARKS}]++[{CLOSERS}]*+(?=\s)|[{STRONG_CLAUSE_MARKS}][{CLOSERS}]*+)(?P<gap>\s*+)"
)
_SPACE = re.compile(r"(?<=\S)(?P<gap>\s++)")


@dataclass(frozen=True, slots=True)
class TextSpan:
    """A part of a text, in code points: from `start` to before `end`."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    def of(self, text: str) -> str:
        """Return the part of `text` that the span stands for."""
        return text[self.start : self.end]


def split_sentences(text: str) -> tuple[TextSpan, ...]:
    """Return the sentences of `text`, in order and without gaps: white space belongs to the sentence before it.

    Every sentence holds a letter or a digit, unless the whole text has none. A blank line always ends a sentence; a
    single line end does so where the next line does not look like the rest of a sentence.
    """
    return _spans([border for border in _borders(text) if not is_joined(text, border)], text)


def split_for_limit(text: str, limit: int) -> tuple[TextSpan, ...]:
    """Return `text` in pieces of at most `limit` code points, in order and without gaps, each as long as may be.

    A piece ends with a sentence where one fits, else with a clause, else before a word, else after the last whole
    character. White space belongs to the piece before it, as far as it fits there.

    Raises:
        ValueError: `limit` is less than 1.
    """
    if limit < 1:
        raise ValueError("limit must be at least 1")
    sentence_ends = [span.end for span in split_sentences(text)] if len(text) > limit else []
    cuts = [0]
    while len(text) - cuts[-1] > limit:
        cuts.append(_cut(text, cuts[-1], cuts[-1] + limit, sentence_ends))
    return tuple(TextSpan(*pair) for pair in pairwise([*cuts, len(text)])) if text else ()


def _spans(borders: list[int], text: str) -> tuple[TextSpan, ...]:
    """Return the spans between `borders`, joining what nobody can say to its neighbour."""
    spans: list[TextSpan] = []
    start = 0
    for before, end in pairwise([0, *borders, len(text)]):
        if is_heard(text[before:end]):
            spans.append(TextSpan(start, end))
        elif spans:
            spans[-1] = TextSpan(spans[-1].start, end)
        else:
            continue
        start = end
    if start < len(text):
        spans.append(TextSpan(start, len(text)))
    return tuple(spans)


def _borders(text: str) -> Iterator[int]:
    """Yield the offset behind every sentence but the last."""
    for match in _BORDER.finditer(text):
        after = match.end()
        if after < len(text) and (_line_ends(text, match) if match["line"] else _stop_ends(text, match)):
            yield after


def _line_ends(text: str, match: re.Match[str]) -> bool:
    return (
        _ends_paragraph(match["line"]) or _LIST_ITEM.match(text, match.end()) is not None or not _goes_on(text, match)
    )


def _stop_ends(text: str, match: re.Match[str]) -> bool:
    stop, gap, after = match["stop"], match["gap"], match.end()
    if _ends_paragraph(gap):
        return True
    if not gap:
        return _stop_without_space_ends(text, match)
    if _NEW_LINE.search(gap) and _LIST_ITEM.match(text, after):
        return True
    if _STRONG.search(stop):
        return True
    goes_on = _goes_on(text, match)
    if stop == ".":
        return not (match["close"] and goes_on) and full_stop_ends(text, match.start(), after)
    # "Really?" he said. Wait ... what?
    may_go_on = match["close"] or not ("!" in stop or "?" in stop)
    return not (may_go_on and goes_on)


def _stop_without_space_ends(text: str, match: re.Match[str]) -> bool:
    after = match.end()
    if match["close"] and _REPORTING.match(text, after):
        return False
    if match["stop"] == FULLWIDTH_FULL_STOP and text[after].isdigit():
        return False
    if _STRONG.search(match["stop"]):
        return True
    return match["stop"][-1] in "!?" and _UNSPACED.match(text, after) is not None


def _ends_paragraph(gap: str) -> bool:
    return "\u2029" in gap or len(_NEW_LINE.findall(gap)) > 1


def _goes_on(text: str, match: re.Match[str]) -> bool:
    """Return whether what follows looks like the rest of a sentence, because it begins with a small letter."""
    opening = _OPENING.match(text, match.end())
    first = match.end() if opening is None else opening.end()
    return text[first : first + 1].islower()


def _cut(text: str, start: int, stop: int, sentence_ends: list[int]) -> int:
    """Return where the piece from `start` ends, at `stop` at the latest; more text follows."""
    return (
        _sentence_cut(text, start, stop, sentence_ends)
        or _last_gap(_CLAUSE, text, start, stop)
        or _last_gap(_SPACE, text, start, stop)
        or _character_cut(text, start, stop)
    )


def _sentence_cut(text: str, start: int, stop: int, sentence_ends: list[int]) -> int | None:
    following = bisect_right(sentence_ends, stop)
    # The sentence fits, and only the white space behind it does not.
    only_space_is_left = following < len(sentence_ends) and text[stop : sentence_ends[following]].isspace()
    if only_space_is_left and not text[start:stop].isspace():
        return stop
    last = sentence_ends[following - 1] if following else 0
    return last if last > start else None


def _last_gap(pattern: re.Pattern[str], text: str, start: int, stop: int) -> int | None:
    """Return the end of the last match that has nothing but white space beyond `stop`."""
    last = None
    for match in pattern.finditer(text, start, stop + 1):
        cut = min(match.end(), stop)
        if start < match.start("gap") <= stop and not is_joined(text, cut):
            last = cut
    return last


def _character_cut(text: str, start: int, stop: int) -> int:
    cut = stop
    while cut > start and is_joined(text, cut):
        cut -= 1
    return cut if cut > start else stop
