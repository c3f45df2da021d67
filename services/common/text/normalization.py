"""Makes equal texts equal: one form of each character, without control characters and invisible signs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache

from services.common.text.mapping import MappedText, map_parts, map_text

# Control characters except tab and line ends; marks that override the direction of a text or annotate it; the byte
# order mark; code points that Unicode reserves. None of them has a meaning to a provider, and some hide text.
_CONTROL = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u206a-\u206f\ufeff\ufff9-\ufffb\ufdd0-\ufdef"
    + "".join(chr(plane * 0x10000 + last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
)
_REMOVED = re.compile(f"[{_CONTROL}]")
# Signs without a shape of their own, which are never spoken: those that Unicode calls "default ignorable".
_INVISIBLE = re.compile(
    f"[{_CONTROL}"
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060-\u2069\u3164\ufe00-\ufe0f\uffa0"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# These forms have a reading of their own: 10⁵ is not 105, ½ is not 1/2.
_SPOKEN_FORMS = ("<super>", "<sub>", "<fraction>")
_VOWEL_AND_FINAL_JAMO = ("\u1160", "\u11ff")

Fold = Callable[[str], str]


def normalize_text(text: str) -> MappedText:
    """Return the form of `text` that is sent to providers: composed (NFC), without control characters.

    A control character that is white space becomes a space or a line end. Line ends, tabs, and signs that shape the
    writing, such as joiners, stay as they are.
    """
    if unicodedata.is_normalized("NFC", text) and not _REMOVED.search(text):
        return map_text(text)
    return map_parts(_fold_segments(text, _compose))


def clean_text(text: str) -> str:
    """Return `text` as `normalize_text` does, where positions do not matter."""
    return normalize_text(text).text


def fold_for_speech(text: str) -> MappedText:
    """Return the form of `text` for an engine that knows plain letters only.

    It is the compatibility form (NFKC) without invisible signs, so that full-width, styled and ligature letters are
    read as the plain ones. Superscripts, subscripts and fractions keep their own form, because it is spoken.
    """
    return map_text(text) if _is_plain(text) else map_parts(_fold_segments(text, _fold_compatible))


def list_folded_parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of `text` for `map_parts`, with their forms as `fold_for_speech` makes them."""
    if not _is_plain(text):
        yield from _fold_segments(text, _fold_compatible)
    elif text:
        yield text, text


def _is_plain(text: str) -> bool:
    return (text.isascii() and not _REMOVED.search(text)) or _fold_compatible(text) == text


def _fold_segments(text: str, fold: Fold) -> Iterator[tuple[str, str]]:
    """Yield the parts of `text` that change independently of each other, each with its replacement."""
    start = 0
    for index in range(1, len(text) + 1):
        if index == len(text) or _begins_segment(text[index]):
            yield from _fold_segment(text[start:index], fold)
            start = index


def _fold_segment(segment: str, fold: Fold) -> Iterator[tuple[str, str]]:
    if len(segment) == 1 and segment.isascii() and not _REMOVED.match(segment):
        yield segment, segment
        return
    # An invisible sign at the end is a part of its own, so that it takes no time.
    visible = segment
    while visible and not fold(visible[-1]):
        visible = visible[:-1]
    if visible:
        yield visible, fold(visible)
    for removed in segment[len(visible) :]:
        yield removed, ""


@lru_cache(maxsize=4096)
def _begins_segment(character: str) -> bool:
    """Return whether `character` never combines with what is before it, in any of the forms."""
    first = unicodedata.normalize("NFKD", character)[0]
    return not (
        unicodedata.combining(first)
        or unicodedata.category(first)[0] == "M"
        or _VOWEL_AND_FINAL_JAMO[0] <= first <= _VOWEL_AND_FINAL_JAMO[1]
        # Vowel signs that compose although Unicode classifies them as letters (Kirat Rai).
        or first in "\U00016d63\U00016d67\U00016d68"
        or _INVISIBLE.match(character)
    )


def _compose(text: str) -> str:
    return unicodedata.normalize("NFC", _REMOVED.sub(_replace_control, text))


def _replace_control(match: re.Match[str]) -> str:
    control = match[0]
    if control in "\x0b\x0c\x85":
        return "\n"
    return " " if control.isspace() else ""


def _fold_compatible(text: str) -> str:
    visible = _INVISIBLE.sub(_replace_control, text)
    return unicodedata.normalize("NFC", "".join(map(_fold_character, visible)))


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    form = unicodedata.decomposition(character).partition(" ")[0]
    folded = unicodedata.normalize("NFKC", character)
    # A spacing accent would become a space with a combining accent.
    keeps_form = form in _SPOKEN_FORMS or (folded[:1] == " " and len(folded) > 1)
    return character if keeps_form else folded
