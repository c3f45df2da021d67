"""The alignment: timing of spoken characters, in the normalized form of the contract."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain


@dataclass(frozen=True, slots=True)
class Alignment:
    """The time of each character, in seconds from the start of the whole audio.

    The three tuples have the same length; times are never negative and never decrease.
    """

    characters: tuple[str, ...] = ()
    """The characters, in order; an entry may hold more than one code point."""
    starts_seconds: tuple[float, ...] = ()
    """Start time of each entry."""
    ends_seconds: tuple[float, ...] = ()
    """End time of each entry; never before its start."""

    def __post_init__(self) -> None:
        """Raise ValueError if the tuples differ in length."""
        if not len(self.characters) == len(self.starts_seconds) == len(self.ends_seconds):
            raise ValueError("characters, starts and ends must have the same length")

    def __len__(self) -> int:
        return len(self.characters)

    def __add__(self, later: Alignment) -> Alignment:
        """Return this alignment followed by `later`."""
        return Alignment(
            self.characters + later.characters,
            self.starts_seconds + later.starts_seconds,
            self.ends_seconds + later.ends_seconds,
        )

    @property
    def text(self) -> str:
        """The characters as one string."""
        return "".join(self.characters)


def join_alignments(pieces: Iterable[Alignment]) -> Alignment:
    """Return one alignment from `pieces`, which are in order and share one start of time."""
    parts = list(pieces)
    return Alignment(
        tuple(chain.from_iterable(piece.characters for piece in parts)),
        tuple(chain.from_iterable(piece.starts_seconds for piece in parts)),
        tuple(chain.from_iterable(piece.ends_seconds for piece in parts)),
    )


def check_times(alignment: Alignment) -> None:
    """Check the times of an alignment that a caller sent.

    Raises:
        ValueError: A time is not finite, negative or earlier than the one before it; the message names it.
    """
    earlier_start = earlier_end = 0.0
    for index, (start, end) in enumerate(zip(alignment.starts_seconds, alignment.ends_seconds, strict=True)):
        if not (math.isfinite(start) and math.isfinite(end)) or start < 0:
            raise ValueError(f"characters[{index}] must have times that are finite numbers of seconds, at least 0")
        if end < start:
            raise ValueError(f"characters[{index}] must not end before its start")
        if start < earlier_start or end < earlier_end:
            raise ValueError(f"characters[{index}] must not start or end before the entry before it")
        earlier_start, earlier_end = start, end


def shift_alignment(alignment: Alignment, seconds: float) -> Alignment:
    """Return `alignment` shifted by `seconds`, which may be negative; no time becomes negative.

    Raises:
        ValueError: `seconds` is not finite.
    """
    if not math.isfinite(seconds):
        raise ValueError("an alignment can only be shifted by a finite number of seconds")
    if seconds == 0:
        return alignment
    return Alignment(
        alignment.characters,
        tuple(max(0.0, start + seconds) for start in alignment.starts_seconds),
        tuple(max(0.0, end + seconds) for end in alignment.ends_seconds),
    )
