"""Computes the times of characters from the word events of the engine."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

# Chinese and Japanese have no spaces between words, so each character is a token.
_UNSPACED = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")

_LETTER_WEIGHT = 1.0
_DIGIT_WEIGHT = 2.5  # a digit is spoken as a word
_OTHER_WEIGHT = 0.25

_LOUD = 250  # of 32,768; anything softer counts as silence
_BLOCK_SAMPLES = 110  # 5 ms at the engine's rate

SampleRange = tuple[float, float]


def find_token_starts(text: str) -> list[int]:
    """Return where the tokens of `text` begin: runs without white space, and each character of unspaced scripts."""
    return [match.start() for match in _TOKEN.finditer(text)]


def spread_time(characters: str, start: float, end: float) -> list[SampleRange]:
    """Divide the time from `start` to `end` among `characters`, by the typical duration of each."""
    end = max(start, end)
    weights = [_get_weight(character) for character in characters]
    scale = (end - start) / (sum(weights) or 1.0)
    borders = [start]
    passed = 0.0
    for weight in weights:
        passed += weight
        borders.append(min(end, start + passed * scale))
    borders[-1] = end
    return list(pairwise(borders))


def find_last_loud_sample(pcm: bytes) -> int | None:
    """Return the end of the last audible 5 ms of 16-bit `pcm`, in samples; None if all of it is silent."""
    samples = array("h", pcm)
    end = len(samples)
    while end > 0:
        block = samples[max(0, end - _BLOCK_SAMPLES) : end]
        if max(block) > _LOUD or min(block) < -_LOUD:
            return end
        end -= _BLOCK_SAMPLES
    return None


@dataclass(slots=True)
class _Run:
    """The characters from `first`, whose times are not known yet."""

    first: int = 0
    start: float = 0.0
    started: bool = False
    """Whether a word event has fixed the start; the start of a clause moves to its first word."""


class CharacterClock:
    """Computes the times of the characters of one text while it is spoken.

    Positions are code points from 0, times are samples. Each call returns the ranges of the next characters whose
    times are certain; `finish` returns the last ones. Together they are one range per character, without overlap.

    Args:
        text: The text as passed to the engine.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = find_token_starts(text)
        self._run = _Run()

    def mark_word(self, position: int, sample: int) -> list[SampleRange]:
        """Record that the word at `position` starts at `sample`."""
        first = self._find_token(position)
        if first is None or first < self._run.first or (first == self._run.first and self._run.started):
            # Numbers and merged words cause several events inside one token; only the first counts.
            return []
        start = max(self._run.start, float(sample))
        spans = spread_time(self._text[self._run.first : first], self._run.start, start)
        self._run = _Run(first, start, started=True)
        return spans

    def mark_clause_end(self, position: int, sample: int, speech_end: int) -> list[SampleRange]:
        """Record that the clause before `position` ended; its pause lasts from `speech_end` to `sample`."""
        if not self._run.first < position < len(self._text):
            # The last clause of the text stays open, because only `finish` knows the silence after it.
            return []
        spans = self._close(position, float(speech_end), float(sample))
        self._run = _Run(position, max(self._run.start, float(sample)))
        return spans

    def finish(self, total_samples: int, speech_end: int) -> list[SampleRange]:
        """Record the end of the audio, where the last character ends, too."""
        spans = self._close(len(self._text), float(speech_end), float(total_samples))
        if spans:
            spans[-1] = (spans[-1][0], max(spans[-1][0], float(total_samples)))
        self._run = _Run(len(self._text), float(total_samples))
        return spans

    def _close(self, position: int, speech_end: float, end: float) -> list[SampleRange]:
        """Spread the open run up to `position`; the white space at its end gets the time of the pause."""
        run = self._text[self._run.first : position]
        spoken = run.rstrip()
        start = self._run.start
        end = max(start, end)
        speech_end = min(max(start, speech_end), end)
        return spread_time(spoken, start, speech_end) + spread_time(run[len(spoken) :], speech_end, end)

    def _find_token(self, position: int) -> int | None:
        """Return the start of the token at `position`, or of the next token if it is between two."""
        if not 0 <= position < len(self._text):
            return None
        index = bisect_right(self._tokens, position)
        if self._text[position].isspace():
            return self._tokens[index] if index < len(self._tokens) else None
        return self._tokens[index - 1] if index else None


def _get_weight(character: str) -> float:
    if character.isalpha():
        return _LETTER_WEIGHT
    return _DIGIT_WEIGHT if character.isdigit() else _OTHER_WEIGHT
