"""Tells the full stop that ends a sentence from the one of an abbreviation, an initial or a number."""

from __future__ import annotations

import re

from services.common.timing.scripts import APOSTROPHES, DASHES, OPENERS


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A name or an explanation follows.
_NEVER_LAST = _words(
    "mr mrs ms mx messrs dr prof rev hon gen col maj capt cpt cmdr lt sgt gov sen rep pres supt mt"
    " e.g eg i.e ie cf viz vs approx esp z.b d.h u.a o.ä bzw fr frl dipl ing inkl evtl ggf sog vgl"
    " mme mlle mgr sra srta dña p.ej p.ex ud uds"
)
# A sentence may end here, so the word that follows decides.
_SOMETIMES_LAST = _words("al ft hr st jr sr inc ltd co corp llc bros dept govt univ assn ave blvd rd a.m p.m ph.d d.c")
# A sentence ends here if a capital letter follows.
_BEFORE_CAPITAL = _words("etc usw")
# A number follows, or it is no abbreviation.
_BEFORE_NUMBER = _words(
    "no nos nr ca pp fig figs vol ch chap sec art par abs bd ed eq ver max min abb tab"
    " jan feb mar apr jun jul aug sep sept oct okt nov dec dez"
)
# What follows a German ordinal, which has a full stop: am 3. Mai, im 19. Jahrhundert.
_AFTER_ORDINAL = _words(
    "januar jänner februar märz april mai juni juli august september oktober november dezember"
    " jahrhundert jahrhunderts jahrtausend klasse platz etage stock"
)
_BEGINNERS = _words(
    "the a an i he she it we you they this that these those there here my his her its our your their what who when"
    " where why how which if in on at as for from after before but and or so yet then now not no is are was were do"
    " does did can could will would should let let's please however meanwhile although because while with by to one"
    " some many most all each every nobody everyone don"
    " der das ein eine er sie es wir ihr ich und aber dann doch il elle nous vous ils elles je mais"
)

_LONGEST_TOKEN = 20
_BORDERS = re.compile(rf"[\s/{DASHES}{OPENERS}]")
_ACRONYM = re.compile(r"[^\W\d_]{1,2}(?:\.[^\W\d_]{1,2})+")
_NEXT_WORD = re.compile(rf"[\s{OPENERS}]{{0,32}}+([\w{APOSTROPHES}]{{0,32}}+)(\.?)")
_BEFORE_APOSTROPHE = re.compile(f"[{APOSTROPHES}]")
_LIST_MARKER = re.compile(r"(?:^|[\n\r])[^\S\n\r]*\(?\d{1,3}\Z")


def full_stop_ends(text: str, stop: int, after: int) -> bool:
    """Return whether the single full stop at `stop` ends its sentence.

    Args:
        text: The whole text.
        stop: Offset of the full stop.
        after: Offset of what follows it, after white space; before the end of the text.
    """
    token = _token_before(text, stop)
    following = _NEXT_WORD.match(text, after)
    word, its_stop = following.groups() if following is not None else ("", "")
    if token.isdigit():
        return _number_ends(text, stop, word)
    if token in _NEVER_LAST:
        return False
    if token in _BEFORE_NUMBER:
        return not word[:1].isdigit()
    if token in _SOMETIMES_LAST or _is_initial(token) or _ACRONYM.fullmatch(token):
        # J. A. Smith: the second initial only looks like a beginner.
        return _is_beginner(word) and not (len(word) == 1 and its_stop)
    return token not in _BEFORE_CAPITAL or not word[:1].islower()


def _token_before(text: str, stop: int) -> str:
    """Return what the full stop at `stop` follows, in lower case; empty for what no table knows."""
    token = _BORDERS.split(text[max(0, stop - _LONGEST_TOKEN - 1) : stop])[-1]
    return token.casefold() if len(token) <= _LONGEST_TOKEN else ""


def _number_ends(text: str, stop: int, word: str) -> bool:
    if word[:1].islower() or word.casefold() in _AFTER_ORDINAL:
        return False
    return _LIST_MARKER.search(text, max(0, stop - _LONGEST_TOKEN), stop) is None


def _is_initial(token: str) -> bool:
    """Return whether `token` is one letter of a script that has capitals."""
    return len(token) == 1 and token.upper() != token


def _is_beginner(word: str) -> bool:
    return word[:1].isupper() and _BEFORE_APOSTROPHE.split(word.casefold())[0] in _BEGINNERS
