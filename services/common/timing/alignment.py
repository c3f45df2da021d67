"""Timing of spoken characters, in the normalized form that the contract carries."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain


@dataclass(frozen=True, slots=True)
class Alignment:
    """Says when each character is heard, in seconds from the start of the whole audio.

    The three tuples have the same length; times are never negative and never decrease.
    """

    characters: tuple[str, ...] = ()
    """The characters, in order; an entry may hold more than one code point."""
    starts_seconds: tuple[float, ...] = ()
    """When each entry begins to sound."""
    ends_seconds: tuple[float, ...] = ()
    """When each entry has been heard; never before its start."""

    def __post_init__(self) -> None:
        """Raise ValueError where the lists differ in length."""
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
    """Return `pieces`, which are on one clock and in order, as one."""
    found = list(pieces)
    return Alignment(
        tuple(chain.from_iterable(piece.characters for piece in found)),
        tuple(chain.from_iterable(piece.starts_seconds for piece in found)),
        tuple(chain.from_iterable(piece.ends_seconds for piece in found)),
    )


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
