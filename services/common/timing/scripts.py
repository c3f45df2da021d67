"""Character classes of writing systems, for dividing a text into sentences, words and lines."""
# ruff: noqa: RUF001 - this file lists characters that look alike

from __future__ import annotations

import re
import unicodedata

# The constants are meant for use inside a character class of a regular expression.
UNSPACED = (
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
"""Characters of scripts that are written without spaces between words."""
LINE_ENDS = "\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
"""Characters that end a line."""
STRONG_STOPS = "。．｡！？।॥؟۔።։။‼⁇⁈⁉‽"
"""Characters that end a sentence by themselves."""
WEAK_STOPS = ".!?…"
"""Characters that end a sentence if white space follows, unless they belong to an abbreviation or number."""
CLAUSE_MARKS = ",;:،؛"
"""Characters that end a clause if white space follows."""
STRONG_CLAUSE_MARKS = "、，；：—"
"""Characters that end a clause by themselves."""
DASHES = r"\-–—"
"""Dashes and hyphens."""
BULLETS = rf"{DASHES}•*‣◦▪#"
"""Characters that start an item of a list."""
APOSTROPHES = "'’"
"""Apostrophes, which are part of words."""
INVISIBLE = "\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
"""Invisible layout marks, which may appear anywhere."""
_EMOJI = "\ufe0f\u200d\u2600-\u27bf\U0001f300-\U0001faff"
CLOSERS = rf"\"'”’»›)\]}}」』】〉》）］｝〕*_`{INVISIBLE}{_EMOJI}"
"""Characters that belong to the sentence before them when they follow its stop."""
OPENERS = r"\"'“‘„‚«‹»›(\[{「『【〈《（［｛〔¿¡*_`"
"""Characters that belong to the text after them."""
UNSPACED_OPENERS = "「『【〈《（［｛〔"
"""OPENERS that are used only in scripts without spaces."""
SPACED_CLOSERS = "»›"
"""CLOSERS that follow a space in French."""
GERMAN_CLOSERS = "“‘«‹"
"""OPENERS that close a quotation in German."""
FULLWIDTH_FULL_STOP = "．"
"""Strong stop that may also be a decimal point."""

_SPOKEN = re.compile(r"[^\W_]")
_JOINER = "\u200d"
_SKIN_TONES = ("\U0001f3fb", "\U0001f3ff")
_FLAG_LETTERS = ("\U0001f1e6", "\U0001f1ff")
# Flags are pairs of letters counted from the start of a row; the bound keeps the search back in constant time.
_MAX_FLAG_ROW = 64


def is_speakable(text: str) -> bool:
    """Return whether `text` contains a letter or a digit, and so can be spoken."""
    return _SPOKEN.search(text) is not None


def splits_character(text: str, index: int) -> bool:
    """Return whether a cut before code point `index` would split a visible character.

    Covers combining marks, emoji sequences and flags, but not Hangul that is written in single jamo.
    """
    if not 0 < index < len(text):
        return False
    before, after = text[index - 1], text[index]
    if after.isascii():
        return False
    return (
        _JOINER in (before, after)
        or unicodedata.category(after)[0] == "M"
        or _SKIN_TONES[0] <= after <= _SKIN_TONES[1]
        or (_is_flag_letter(after) and _count_flag_letters_before(text, index) % 2 == 1)
    )


def _is_flag_letter(character: str) -> bool:
    return _FLAG_LETTERS[0] <= character <= _FLAG_LETTERS[1]


def _count_flag_letters_before(text: str, index: int) -> int:
    """Return the number of consecutive flag letters before `index`, at most _MAX_FLAG_ROW."""
    first = index
    while first > max(0, index - _MAX_FLAG_ROW) and _is_flag_letter(text[first - 1]):
        first -= 1
    return index - first
