"""Conversion between alignments and the raw JSON form, which has one object per character."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypedDict

from services.common.timing.alignment import Alignment

_ENTRY_FIELDS = frozenset({"char", "start", "end"})


class RawCharacter(TypedDict):
    """The times of one character, in seconds from the start of the whole audio."""

    char: str
    start: float
    end: float


class RawAlignment(TypedDict):
    """The times of all characters, in order."""

    characters: list[RawCharacter]


def to_raw(alignment: Alignment) -> RawAlignment:
    """Return the raw form of `alignment`; `from_raw` restores the same alignment."""
    entries = zip(alignment.characters, alignment.starts_seconds, alignment.ends_seconds, strict=True)
    return {"characters": [{"char": char, "start": start, "end": end} for char, start, end in entries]}


def from_raw(raw: object) -> Alignment:
    """Return the alignment of `raw`, which was parsed from JSON; `to_raw` restores the same object.

    Raises:
        ValueError: `raw` is not `{"characters": [{"char": ..., "start": ..., "end": ...}]}`, or a time is not a
            finite number of seconds from 0, or an entry ends before its start.
    """
    if not isinstance(raw, Mapping) or raw.keys() != {"characters"} or not isinstance(raw["characters"], list):
        raise ValueError("a raw alignment must be an object with one list, `characters`")
    entries = [_parse_entry(number, entry) for number, entry in enumerate(raw["characters"])]
    characters, starts, ends = zip(*entries, strict=True) if entries else ((), (), ())
    return Alignment(tuple(characters), tuple(starts), tuple(ends))


def _parse_entry(number: int, entry: object) -> tuple[str, float, float]:
    if not isinstance(entry, Mapping) or entry.keys() != _ENTRY_FIELDS or not isinstance(entry["char"], str):
        raise ValueError(f"characters[{number}] must be an object with a text `char` and numbers `start` and `end`")
    start, end = _parse_seconds(number, entry["start"]), _parse_seconds(number, entry["end"])
    if end < start:
        raise ValueError(f"characters[{number}] must not end before its start")
    return entry["char"], start, end


def _parse_seconds(number: int, value: object) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    try:
        seconds = float(value) if is_number else math.nan  # type: ignore[arg-type]  # checked by is_number
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"characters[{number}] must have times that are finite numbers of seconds, at least 0")
    return seconds
