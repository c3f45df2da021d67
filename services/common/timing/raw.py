"""Converts an alignment to and from the raw form, which has one object per character."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypedDict

from services.common.timing.alignment import Alignment

_ENTRY_FIELDS = frozenset({"char", "start", "end"})


class RawCharacter(TypedDict):
    """When one character is heard, in seconds from the start of the whole audio."""

    char: str
    start: float
    end: float


class RawAlignment(TypedDict):
    """When each character is heard, in order."""

    characters: list[RawCharacter]


def to_raw(alignment: Alignment) -> RawAlignment:
    """Return the raw form of `alignment`; `from_raw` gives back the same alignment."""
    entries = zip(alignment.characters, alignment.starts_seconds, alignment.ends_seconds, strict=True)
    return {"characters": [{"char": char, "start": start, "end": end} for char, start, end in entries]}


def from_raw(raw: object) -> Alignment:
    """Return the alignment that `raw`, parsed from JSON, stands for; `to_raw` gives back the same object.

    Raises:
        ValueError: It is not of the form `{"characters": [{"char": ..., "start": ..., "end": ...}]}`, or a time is not
            a finite number of seconds from 0, or an entry ends before its start.
    """
    if not isinstance(raw, Mapping) or raw.keys() != {"characters"} or not isinstance(raw["characters"], list):
        raise ValueError("a raw alignment is an object with one list, `characters`")
    entries = [_entry(number, entry) for number, entry in enumerate(raw["characters"])]
    characters, starts, ends = zip(*entries, strict=True) if entries else ((), (), ())
    return Alignment(tuple(characters), tuple(starts), tuple(ends))


def _entry(number: int, entry: object) -> tuple[str, float, float]:
    if not isinstance(entry, Mapping) or entry.keys() != _ENTRY_FIELDS or not isinstance(entry["char"], str):
        raise ValueError(f"characters[{number}] must be an object of a text `char` and the numbers `start` and `end`")
    start, end = _seconds(number, entry["start"]), _seconds(number, entry["end"])
    if end < start:
        raise ValueError(f"characters[{number}] must not end before its start")
    return entry["char"], start, end


def _seconds(number: int, value: object) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    try:
        seconds = float(value) if is_number else math.nan  # type: ignore[arg-type]  # is_number says so
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"characters[{number}] must have times that are finite numbers of seconds, from 0")
    return seconds
