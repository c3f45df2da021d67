"""Words of Thai, Lao, Khmer and Burmese: they are written without spaces, and their words are found by dictionary."""

from __future__ import annotations

import re
from collections.abc import Iterator

# All of them are in the basic plane, so that ICU's positions in UTF-16 are those of code points.
_SCRIPTS = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ec8\u0edc-\u0edf"
    "\u1000-\u103f\u1050-\u109f\ua9e0-\ua9ef\uaa60-\uaa7f\u1780-\u17d3"
)
_RUN = re.compile(f"[{_SCRIPTS}]+")
# ICU chooses the dictionary by script; the language only matters for other rules.
_LANGUAGE = "th"


def find_word_starts(text: str, start: int, end: int) -> Iterator[int]:
    """Yield where words of these scripts begin between two positions, except at the beginning of a run of them.

    Args:
        text: Any text.
        start: First position to consider.
        end: Position after the last one.
    """
    for run in _RUN.finditer(text, start, end):
        from icu4py.breakers import WordBreaker  # noqa: PLC0415 - takes 8 MB, and most processes never need it

        for word_start, _ in WordBreaker(run[0], _LANGUAGE).segments():
            if word_start:
                yield run.start() + word_start


def has_unspaced_words(text: str) -> bool:
    """Return whether `text` contains characters of these scripts."""
    return not text.isascii() and _RUN.search(text) is not None
