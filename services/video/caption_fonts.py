"""Chooses fonts for burned captions among those that are installed with the suite.

Fonts of the machine are not used: a text that is shown on one machine would be empty boxes on another. Whether a font
has a character is read from its table of characters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import manimgx_fonts
import noto_cjk_sans_otc
from fontTools.ttLib import TTFont

from services.common.errors import MediaError, invalid

_FOLDER = Path(manimgx_fonts.__file__).parent
_CJK_FILE = Path(noto_cjk_sans_otc.__file__).parent / "NotoSansCJK-Regular.ttc"
_CJK_NUMBERS: Mapping[str, int] = {"jpn": 0, "kor": 1, "zho": 2, "chi": 2}
"""Numbers of the fonts in the collection, by language: the same characters have other shapes."""
_MAIN, _LAST = "NotoSans[wght].ttf", ("NotoSansSymbols[wght].ttf", "NotoEmoji[wght].ttf")
_FAMILY_NAME = 1
_JOINERS = "\u200c\u200d"
_DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_VARIATIONS = range(0xFE00, 0xFE10)
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class CaptionFont:
    """A font for captions."""

    family: str
    """Name by which libass finds it."""
    path: Path
    """The file."""
    line_share: float
    """Height of its lines, by which libass measures sizes, divided by the size of its letters."""
    characters: frozenset[int]
    """Code points that it has."""

    def has(self, cluster: str) -> bool:
        """Return whether the font shows all of `cluster`."""
        return all(ord(letter) in self.characters or _is_invisible(letter) for letter in cluster)


@dataclass(frozen=True, slots=True)
class FontRun:
    """A part of a text that one font shows."""

    font: CaptionFont
    text: str


def check_characters(text: str, field: str) -> None:
    """Raise if no font has some character of `text`, before any other work.

    Raises:
        MediaError: VALIDATION_ERROR, naming `field`, the scripts and the characters.
    """
    missing = {cluster: None for cluster in split_clusters(clean_text(text)) if _find_font(cluster, "und") is None}
    if missing:
        raise _build_missing_error(missing, field)


def choose_fonts(text: str, language: str) -> list[FontRun]:
    """Divide a line into parts, each with its font.

    Digits, marks and spaces stay in the font of the letters before them where that has them.

    Args:
        text: The line; `check_characters` accepts its characters.
        language: Language of the text, as three letters of ISO 639-2. It chooses the shapes of Chinese characters;
            without it, kana and hangul in the line do.
    """
    if language not in _CJK_NUMBERS:
        language = _guess_cjk_language(text)
    runs: list[FontRun] = []
    for cluster in split_clusters(clean_text(text)):
        font = runs[-1].font if runs else None
        is_kept = font is not None and font.path.name not in _LAST and _is_neutral(cluster) and font.has(cluster)
        if font is None or not is_kept:
            font = _find_font(cluster, language) or _load_main_font()
        if runs and runs[-1].font is font:
            runs[-1] = FontRun(font, runs[-1].text + cluster)
        else:
            runs.append(FontRun(font, cluster))
    return runs


def clean_text(text: str) -> str:
    """Return `text` with spaces for line breaks, without characters that are controls or have no shape."""
    spaced = (" " if letter.isspace() else letter for letter in text)
    return "".join(letter for letter in spaced if unicodedata.category(letter) not in ("Cc", "Cf") or _is_kept(letter))


def split_clusters(text: str) -> Iterator[str]:
    """Yield each character with the marks, joiners and modifiers that belong to it."""
    cluster = ""
    for letter in text:
        if cluster and not (_extends(letter) or cluster[-1] == "\u200d"):
            yield cluster
            cluster = ""
        cluster += letter
    if cluster:
        yield cluster


def _extends(letter: str) -> bool:
    return (
        unicodedata.category(letter).startswith("M")
        or letter in _JOINERS
        or letter in _DIRECTIONS
        or ord(letter) in _VARIATIONS
        or ord(letter) in _SKIN_TONES
    )


def _is_kept(letter: str) -> bool:
    return letter in _JOINERS or letter in _DIRECTIONS


def _is_invisible(letter: str) -> bool:
    return _is_kept(letter) or ord(letter) in _VARIATIONS


def _is_neutral(cluster: str) -> bool:
    """Return whether a cluster belongs to no script: digits, punctuation, symbols, spaces."""
    return unicodedata.category(cluster[0])[0] in "NPSZ"


def _find_font(cluster: str, language: str) -> CaptionFont | None:
    return next((font for font in _list_fonts(_CJK_NUMBERS.get(language, 2)) if font.has(cluster)), None)


@cache
def _list_fonts(cjk_number: int) -> Sequence[CaptionFont]:
    """Return all fonts: Latin, Greek and Cyrillic first, then other scripts, symbols, CJK, emoji."""
    names = sorted(path.name for path in _FOLDER.glob("NotoSans*.ttf") if "Italic" not in path.name)
    scripts = [_load_font(_FOLDER / name) for name in names if name not in (_MAIN, *_LAST)]
    symbols, emoji = (_load_font(_FOLDER / name) for name in _LAST)
    return (_load_main_font(), *scripts, symbols, _load_font(_CJK_FILE, cjk_number), emoji)


def _load_main_font() -> CaptionFont:
    return _load_font(_FOLDER / _MAIN)


@cache
def _load_font(path: Path, number: int = -1) -> CaptionFont:
    with TTFont(path, fontNumber=number, lazy=True) as font:
        family = font["name"].getDebugName(_FAMILY_NAME)
        share = (font["OS/2"].usWinAscent + font["OS/2"].usWinDescent) / font["head"].unitsPerEm
        return CaptionFont(family, path, share, frozenset(font.getBestCmap()))


def _guess_cjk_language(text: str) -> str:
    names = {unicodedata.name(letter, "").partition(" ")[0] for letter in text}
    if names & {"HIRAGANA", "KATAKANA"}:
        return "jpn"
    return "kor" if "HANGUL" in names else "zho"


def _build_missing_error(clusters: Iterable[str], field: str) -> MediaError:
    letters = [cluster[0] for cluster in clusters]
    scripts = list(dict.fromkeys(_name_script(letter) for letter in letters))
    codes = [f"U+{ord(letter):04X}" for letter in letters]
    more = " and more" if len(codes) > _MAX_NAMED else ""
    return invalid(
        field,
        f"must have characters that can be burned into the image; no font has {', '.join(scripts[:_MAX_NAMED])} "
        f"({', '.join(codes[:_MAX_NAMED])}{more}). Use a caption track",
    )


def _name_script(letter: str) -> str:
    """Return the script of a character, or what stands for it at the beginning of its name, such as Tibetan."""
    name = unicodedata.name(letter, "")
    return name.partition(" ")[0].title() if name else "unassigned characters"
