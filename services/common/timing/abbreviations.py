"""Distinguishes full stops that end a sentence from those of abbreviations, initials and numbers."""

from __future__ import annotations

import re

from services.common.timing.scripts import APOSTROPHES, DASHES, OPENERS


def _split_words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Abbreviations that a name or an explanation follows.
_NEVER_LAST = _split_words(
    "mr mrs ms mx messrs dr prof rev hon gen col maj capt cpt cmdr lt sgt gov sen rep pres supt mt"
    " e.g eg i.e ie cf viz vs approx esp z.b d.h u.a o.ä bzw fr frl dipl ing inkl evtl ggf sog vgl"
    " mme mlle mgr sra srta dña p.ej p.ex ud uds"
)
# Abbreviations that may end a sentence; the next word decides.
_SOMETIMES_LAST = _split_words(
    "al ft hr st jr sr inc ltd co corp llc bros dept govt univ assn ave blvd rd a.m p.m ph.d d.c"
)
# Abbreviations that end a sentence if a capital letter follows.
_BEFORE_CAPITAL = _split_words("etc usw")
# Abbreviations only if a number follows.
_BEFORE_NUMBER = _split_words(
    "no nos nr ca pp fig figs vol ch chap sec art par abs bd ed eq ver max min abb tab"
    " jan feb mar apr jun jul aug sep sept oct okt nov dec dez"
)
# Words after a German ordinal, which is written with a full stop: am 3. Mai, im 19. Jahrhundert.
_AFTER_ORDINAL = _split_words(
    "januar jänner februar märz april mai juni juli august september oktober november dezember"
    " jahrhundert jahrhunderts jahrtausend klasse platz etage stock"
)
# Words that commonly start a sentence.
_BEGINNERS = _split_words(
    "the a an i he she it we you they this that these those there here my his her its our your their what who when"
    " where why how which if in on at as for from after before but and or so yet then now not no is are was were do"
    " does did can could will would should let let's please however meanwhile although because while with by to one"
    " some many most all each every nobody everyone don"
    " der das ein eine er sie es wir ihr ich und aber dann doch il elle nous vous ils elles je mais"
)

_MAX_TOKEN = 20
_BORDERS = re.compile(rf"[\s/{DASHES}{OPENERS}]")
_ACRONYM = re.compile(r"[^\W\d_]{1,2}(?:\.[^\W\d_]{1,2})+")
_NEXT_WORD = re.compile(rf"[\s{OPENERS}]{{0,32}}+([\w{APOSTROPHES}]{{0,32}}+)(\.?)")
_BEFORE_APOSTROPHE = re.compile(f"[{APOSTROPHES}]")
_LIST_MARKER = re.compile(r"(?:^|[\n\r])[^\S\n\r]*\(?\d{1,3}\Z")


def is_sentence_end(text: str, stop: int, after: int) -> bool:
    """Return whether the single full stop at `stop` ends its sentence.

    Args:
        text: The whole text.
        stop: Offset of the full stop.
        after: Offset of the next character after the white space; less than the length of the text.
    """
    token = _find_token_before(text, stop)
    following = _NEXT_WORD.match(text, after)
    word, next_stop = following.groups() if following is not None else ("", "")
    if token.isdigit():
        return _is_end_after_number(text, stop, word)
    if token in _NEVER_LAST:
        return False
    if token in _BEFORE_NUMBER:
        return not word[:1].isdigit()
    if token in _SOMETIMES_LAST or _is_initial(token) or _ACRONYM.fullmatch(token):
        # J. A. Smith: a second initial only looks like the start of a sentence.
        return _is_beginner(word) and not (len(word) == 1 and next_stop)
    return token not in _BEFORE_CAPITAL or not word[:1].islower()


def _find_token_before(text: str, stop: int) -> str:
    """Return the token before the full stop at `stop`, in lower case; empty if it is too long."""
    token = _BORDERS.split(text[max(0, stop - _MAX_TOKEN - 1) : stop])[-1]
    return token.casefold() if len(token) <= _MAX_TOKEN else ""


def _is_end_after_number(text: str, stop: int, word: str) -> bool:
    if word[:1].islower() or word.casefold() in _AFTER_ORDINAL:
        return False
    return _LIST_MARKER.search(text, max(0, stop - _MAX_TOKEN), stop) is None


def _is_initial(token: str) -> bool:
    """Return whether `token` is one letter of a script that has capitals."""
    return len(token) == 1 and token.upper() != token


def _is_beginner(word: str) -> bool:
    return word[:1].isupper() and _BEFORE_APOSTROPHE.split(word.casefold())[0] in _BEGINNERS
