"""Moves alignments in time and puts them one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import accumulate

from services.common.timing.alignment import Alignment


def shift_alignment(alignment: Alignment, seconds: float) -> Alignment:
    """Return `alignment` later by `seconds`; negative seconds move it earlier, and no time goes below 0.

    Raises:
        ValueError: `seconds` is not finite.
    """
    if not math.isfinite(seconds):
        raise ValueError("an alignment can only be moved by a finite number of seconds")
    if seconds == 0:
        return alignment
    return Alignment(
        alignment.characters,
        tuple(max(0.0, start + seconds) for start in alignment.starts_seconds),
        tuple(max(0.0, end + seconds) for end in alignment.ends_seconds),
    )


def join(alignments: Iterable[Alignment]) -> Alignment:
    """Return the alignments of successive chunks, all on one clock, as one whose times never decrease.

    What would begin before the chunk before it has ended, as rounding makes it, begins at that end instead.
    """
    characters: list[str] = []
    starts: list[float] = []
    ends: list[float] = []
    for alignment in alignments:
        if alignment:
            ended_seconds = ends[-1] if ends else 0.0
            new_starts = list(accumulate(alignment.starts_seconds, max, initial=ended_seconds))[1:]
            highest = accumulate(map(max, new_starts, alignment.ends_seconds), max)
            characters += alignment.characters
            starts += new_starts
            ends += highest
    return Alignment(tuple(characters), tuple(starts), tuple(ends))
