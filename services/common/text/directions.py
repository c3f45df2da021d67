"""Directions in a text: markup and bracketed tags that say how to speak, and are not spoken themselves."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum

MAX_PAUSE_SECONDS = 10.0
"""Longest pause that one direction asks for; longer ones are shortened."""

_DIRECTION = re.compile(
    r"<(?P<name>/?(?:break|phoneme|speak|emphasis|prosody|say-as|sub|voice|lang|mark|audio|p|s))"
    r"(?P<attributes>(?:\s[^<>]{0,500})?)\s{0,10}/?>"
    r"|\[(?P<words>[a-z][a-z' -]{1,48})\](?!\()",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"""\btime\s{0,5}=\s{0,5}["']?\+?(?P<value>\d{1,6}(?:\.\d{1,6})?|\.\d{1,6})\s?(?P<unit>ms|s)\b""", re.I
)
_STRENGTH = re.compile(r"""\bstrength\s{0,5}=\s{0,5}["']?(?P<strength>[a-z-]{1,10})""", re.IGNORECASE)
_STRENGTH_SECONDS = {"none": 0.0, "x-weak": 0.1, "weak": 0.25, "medium": 0.5, "strong": 0.8, "x-strong": 1.2}
_DEFAULT_PAUSE_SECONDS = _STRENGTH_SECONDS["medium"]
_MAX_TAG_WORDS = 5
_CLOSING = ",.;:!?…)]}"

# Brackets are directions only with one of these words: [1], [Smith], [sic] and [their] are part of the text. First
# whole words, then beginnings of words.
_TAG_WORD = re.compile(
    r"\b(?:"
    r"sad|sadly|sing|sings|singing|sang|hum|hums|humming|cry|cries|crying|sobs?|sobbing|woo|shy|shyly|sly|"
    r"slyly|calm|calmly|fast|faster|slow|slower|slowly|quick|quickly|warm|warmly|flat|flatly|soft|softly|loud|"
    r"loudly|quiet|quietly|gentle|gently|happy|happily|joyful|joyfully|proud|proudly|tired|tiredly|bored|"
    r"scared|awe|door|music|farts?|rushed|accent|pauses?|silence|beeps?|smug|smugly|tender|tenderly|serious|"
    r"seriously|firm|firmly|breath|breathes|breathing"
    r")\b"
    r"|\b(?:"
    r"whisper|laugh|chuckl|giggl|snicker|snort|sigh|gasp|groan|moan|grunt|cough|sneez|sniff|weep|wail|scream|"
    r"shout|yell|exhal|inhal|gulp|swallow|yawn|wheez|throat|sarcas|excit|curious|mischiev|angr|furious|nervous|"
    r"anxious|frustrat|surpris|amaz|hesitat|stammer|stutter|dramatic|monoton|robotic|childlike|applau|clap|"
    r"gunshot|explosion|footstep|thunder|playful|cheerful|confident|confus|worried|fearful|terrif|disappoint|"
    r"regret|resign|deadpan|mumbl|mutter|plead|panic|reassur|thoughtful|wistful|sorrow|reliev|annoyed|sheepish|"
    r"lighthearted|hysteric|tearful"
    r")",
    re.IGNORECASE,
)


class Kind(Enum):
    """What a direction is written as; models know different ones."""

    BREAK = "break"
    """A pause: `<break time="1s"/>`."""
    PHONEME = "phoneme"
    """A pronunciation: `<phoneme ...>word</phoneme>`; only the two tags are directions."""
    MARKUP = "markup"
    """Another element of SSML, such as `<emphasis>`."""
    TAG = "tag"
    """An audio tag in brackets: `[whispers]`."""


@dataclass(frozen=True, slots=True)
class Direction:
    """A direction in a text."""

    kind: Kind
    start: int
    """Code points before it."""
    end: int
    """Code points up to its end."""
    pause_seconds: float = 0.0
    """Pause that a BREAK asks for, 0 to MAX_PAUSE_SECONDS; 0 for other kinds."""
    closes: bool = False
    """Whether it ends an element, and so belongs to the text before it."""


def find_directions(text: str, start: int = 0, end: int | None = None) -> tuple[Direction, ...]:
    """Return the directions of `text` between two positions, in order."""
    stop = len(text) if end is None else end
    if text.find("<", start, stop) < 0 and text.find("[", start, stop) < 0:
        return ()
    return tuple(
        _build_direction(match)
        for match in _DIRECTION.finditer(text, start, stop)
        if match["name"] or _is_direction(match["words"])
    )


def iterate_spoken(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of `text` between two positions that are no directions, as pairs of positions; none is empty."""
    position = start
    for direction in find_directions(text, start, end):
        if direction.start > position:
            yield position, direction.start
        position = direction.end
    if end > position:
        yield position, end


def list_parts(text: str, removed: Collection[Kind], replacement: str = "") -> Iterator[tuple[str, str]]:
    """Yield the parts of `text` for `map_parts`, with `replacement` for each direction of the kinds in `removed`.

    A direction before closing punctuation leaves nothing: the punctuation stays at its word.
    """
    position = 0
    for direction in find_directions(text):
        if direction.kind in removed:
            if direction.start > position:
                yield text[position : direction.start], text[position : direction.start]
            following = text[direction.end : direction.end + 1]
            yield text[direction.start : direction.end], "" if following and following in _CLOSING else replacement
            position = direction.end
    if position < len(text):
        yield text[position:], text[position:]


def remove_directions(text: str, removed: Collection[Kind] = frozenset(Kind)) -> str:
    """Return `text` without its directions of these kinds, with a space for each where words meet."""
    return "".join(part for _, part in list_parts(text, removed, " "))


def _build_direction(match: re.Match[str]) -> Direction:
    if not match["name"]:
        return Direction(Kind.TAG, *match.span())
    name = match["name"].lower().lstrip("/")
    kind = {"break": Kind.BREAK, "phoneme": Kind.PHONEME}.get(name, Kind.MARKUP)
    pause_seconds = _parse_pause(match["attributes"]) if kind is Kind.BREAK else 0.0
    return Direction(kind, *match.span(), pause_seconds, closes=match["name"].startswith("/"))


def _parse_pause(attributes: str) -> float:
    if time := _TIME.search(attributes):
        scale = 0.001 if time["unit"].lower() == "ms" else 1.0
        return min(MAX_PAUSE_SECONDS, float(time["value"]) * scale)
    strength = _STRENGTH.search(attributes)
    return _STRENGTH_SECONDS.get(strength["strength"].lower() if strength else "", _DEFAULT_PAUSE_SECONDS)


def _is_direction(words: str) -> bool:
    return len(words.split()) <= _MAX_TAG_WORDS and _TAG_WORD.search(words) is not None
