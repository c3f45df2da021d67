"""Checks the timing that a provider reports for one call: it is that of the requested text, and ends with the audio."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from services.common.text.mapping import MappedText
from services.common.timing.alignment import Alignment
from services.common.timing.mapping import AlignmentMapper
from services.common.timing.scripts import is_speakable

Repair = Literal["respelled", "foreign", "incomplete", "beyond_audio"]
"""What was wrong: other characters for the same words, another text, no times for words, times after the audio."""

_ROUNDING_SECONDS = 0.05
"""Timing that ends this much after the audio is a rounding error of the provider."""
_COMPARED_CHARACTERS = 400
"""Bounds the time of a comparison, which is quadratic."""
_SKIPPED_CHARACTERS = 200
"""Most characters of the text that a provider leaves out in one place, such as a tag."""
_MATCHING_RUN = 3
"""Shorter runs of equal characters are chance."""
_MIN_MATCHING_PART = 0.5


@dataclass(frozen=True, slots=True)
class _Times:
    """The times of one code point, in seconds."""

    start: float
    end: float


class PieceTiming:
    """The timing of one provider call: one entry per code point of the source, in order, each at most once.

    Args:
        spoken: The text that the provider got, and the text whose characters are timed.
    """

    def __init__(self, spoken: MappedText) -> None:
        self._text = spoken.text
        self._mapper = AlignmentMapper(spoken)
        self._timed = 0
        self._released = 0
        self._is_foreign = False
        # Times of the code points from `_released` on, whose audio has not arrived.
        self._starts: list[float] = []
        self._ends: list[float] = []
        self._last_end_seconds = 0.0
        self.repairs: set[Repair] = set()
        """What had to be repaired so far."""

    def feed(self, alignment: Alignment) -> None:
        """Add the next timing of the provider."""
        if self._is_foreign:
            return
        characters = alignment.text
        if self._text.startswith(characters, self._timed) and len(characters) == len(alignment):
            self._add(alignment.starts_seconds, alignment.ends_seconds)
            return
        times = list(_divide_entries(alignment))
        for start in range(0, len(times), _COMPARED_CHARACTERS):
            end = start + _COMPARED_CHARACTERS
            self._match(characters[start:end], times[start:end])

    def release(self, audio_seconds: float) -> Alignment | None:
        """Return the timing of the characters that end in the audio so far; None if there are no further ones."""
        return self._take(bisect_right(self._ends, audio_seconds))

    def finish(self, audio_seconds: float) -> Alignment | None:
        """Return the rest of the timing, which ends with the audio.

        Characters that the provider left out share the time that is left.

        Args:
            audio_seconds: Length of the audio; 0 if it could not be measured.
        """
        if self._timed == 0:
            return None
        end = audio_seconds if audio_seconds > 0 else self._last_end_seconds
        self._clamp(end)
        missing = len(self._text) - self._timed
        if missing and not self._is_foreign:
            if is_speakable(self._text[self._timed :]):
                self.repairs.add("incomplete")
            start = min(self._last_end_seconds, end)
            borders = [start + (end - start) * index / missing for index in range(missing)]
            self._add(borders, [*borders[1:], end])
        return self._take(len(self._ends))

    def cut(self, audio_seconds: float) -> Alignment | None:
        """Return the timing of what can be heard of a call that broke off; the other characters are never timed."""
        del self._starts[bisect_right(self._starts, audio_seconds) :]
        del self._ends[len(self._starts) :]
        self._ends = [min(end, audio_seconds) for end in self._ends]
        return self._take(len(self._ends))

    def _clamp(self, end_seconds: float) -> None:
        if self._ends and self._ends[-1] > end_seconds:
            if self._ends[-1] > end_seconds + _ROUNDING_SECONDS:
                self.repairs.add("beyond_audio")
            self._starts = [min(start, end_seconds) for start in self._starts]
            self._ends = [min(end, end_seconds) for end in self._ends]

    def _add(self, starts: tuple[float, ...] | list[float], ends: tuple[float, ...] | list[float]) -> None:
        self._timed += len(starts)
        self._starts += starts
        self._ends += ends
        if ends:
            self._last_end_seconds = max(self._last_end_seconds, ends[-1])

    def _match(self, characters: str, times: list[_Times]) -> None:
        """Add the times of characters that are almost those of the text; drop all timing of another text."""
        expected = self._text[self._timed : self._timed + len(characters) + _SKIPPED_CHARACTERS]
        blocks = SequenceMatcher(None, expected, characters, autojunk=False).get_matching_blocks()
        shortest = min(_MATCHING_RUN, len(characters))
        blocks = [block for block in blocks if block.size >= shortest]
        if self._is_foreign or sum(block.size for block in blocks) < _MIN_MATCHING_PART * len(characters):
            self._is_foreign = True
            self.repairs.add("foreign")
            return
        self.repairs.add("respelled")
        text_position = position = 0
        for block in blocks:
            self._spread(block.a - text_position, times[position : block.b])
            matched = times[block.b : block.b + block.size]
            self._add([item.start for item in matched], [item.end for item in matched])
            text_position, position = block.a + block.size, block.b + block.size

    def _spread(self, count: int, times: list[_Times]) -> None:
        """Divide the time of other characters among `count` code points of the text; without any, they take no time."""
        if count:
            start = times[0].start if times else self._last_end_seconds
            end = max(start, times[-1].end) if times else start
            borders = [start + (end - start) * index / count for index in range(count)]
            self._add(borders, [*borders[1:], end])

    def _take(self, count: int) -> Alignment | None:
        if count == 0:
            return None
        characters = self._text[self._released : self._released + count]
        taken = Alignment(tuple(characters), tuple(self._starts[:count]), tuple(self._ends[:count]))
        del self._starts[:count], self._ends[:count]
        self._released += count
        mapped = self._mapper.map_piece(taken)
        return mapped if len(mapped) else None


def _divide_entries(alignment: Alignment) -> Iterator[_Times]:
    """Yield the times of each code point; those of an entry divide its time evenly."""
    entries = zip(alignment.characters, alignment.starts_seconds, alignment.ends_seconds, strict=True)
    for characters, start, end in entries:
        width = (end - start) / max(1, len(characters))
        for index in range(len(characters)):
            yield _Times(start + index * width, start + (index + 1) * width)
