"""What writing systems mean to the division of a text: which characters stop, cling, stand alone or belong together."""
# ruff: noqa: RUF001 - the characters that look alike are what this file is about

from __future__ import annotations

import re
import unicodedata

# The names in capitals are written for the inside of a character class of a regular expression.
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
"""Characters that end a sentence where white space follows, if they are not part of something else."""
CLAUSE_MARKS = ",;:،؛"
"""Characters that end a clause where white space follows."""
STRONG_CLAUSE_MARKS = "、，；：—"
"""Characters that end a clause by themselves."""
DASHES = r"\-–—"
"""Characters that join or introduce."""
BULLETS = rf"{DASHES}•*‣◦▪#"
"""Characters that begin an item of a list."""
APOSTROPHES = "'’"
"""Characters that stand within words."""
INVISIBLE = "\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
"""Marks that steer layout and stand where they like."""
_EMOJI = "\ufe0f\u200d\u2600-\u27bf\U0001f300-\U0001faff"
CLOSERS = rf"\"'”’»›)\]}}」』】〉》）］｝〕*_`{INVISIBLE}{_EMOJI}"
"""Characters that belong to the sentence whose stop they follow."""
OPENERS = r"\"'“‘„‚«‹»›(\[{「『【〈《（［｛〔¿¡*_`"
"""Characters that belong to what they precede."""
UNSPACED_OPENERS = "「『【〈《（［｛〔"
"""Those of OPENERS that are used in scripts without spaces only."""
SPACED_CLOSERS = "»›"
"""Those of CLOSERS that French sets apart by a space."""
GERMAN_CLOSERS = "“‘«‹"
"""Those of OPENERS that close a quotation in German."""
FULLWIDTH_FULL_STOP = "．"
"""The strong stop that may also be a decimal point."""

_HEARD = re.compile(r"[^\W_]")
_JOINER = "\u200d"
_SKIN_TONES = ("\U0001f3fb", "\U0001f3ff")
_FLAG_LETTERS = ("\U0001f1e6", "\U0001f1ff")
# Which letters make a pair shows at the begin of the row only; no text is worth walking back for ever.
_LONGEST_FLAG_ROW = 64


def is_heard(text: str) -> bool:
    """Return whether `text` holds a letter or a digit, so that somebody can say it."""
    return _HEARD.search(text) is not None


def is_joined(text: str, index: int) -> bool:
    """Return whether a cut before code point `index` would go through what a reader sees as one character.

    Knows combining marks, emoji sequences and flags; Hangul that is spelled in single jamo is not looked at.
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
        or (_is_flag_letter(after) and _flag_letters_before(text, index) % 2 == 1)
    )


def _is_flag_letter(character: str) -> bool:
    return _FLAG_LETTERS[0] <= character <= _FLAG_LETTERS[1]


def _flag_letters_before(text: str, index: int) -> int:
    """Return how many letters of flags stand in a row before `index`, at most _LONGEST_FLAG_ROW."""
    first = index
    while first > max(0, index - _LONGEST_FLAG_ROW) and _is_flag_letter(text[first - 1]):
        first -= 1
    return index - first
