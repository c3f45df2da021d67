"""Reads caption files as players do, strictly."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

_TIME = r"(\d{2,}):([0-5]\d):([0-5]\d)%s(\d{3})"


@dataclass(frozen=True, slots=True)
class Shown:
    """One caption as a player shows it."""

    start_milliseconds: int
    end_milliseconds: int
    lines: tuple[str, ...]


def read_webvtt(file: str) -> list[Shown]:
    """Return the captions of a WebVTT file; its form is asserted."""
    header, *blocks = _blocks(file)
    assert header == ["WEBVTT"]
    for block in blocks:
        assert not any("-->" in line or re.search(r"<|&(?!amp;|lt;|gt;)", line) for line in block[1:])
    return [_shown(block[0], [html.unescape(line) for line in block[1:]], r"\.") for block in blocks]


def read_srt(file: str) -> list[Shown]:
    """Return the captions of an SRT file; its form is asserted."""
    blocks = _blocks(file)
    assert [block[0] for block in blocks] == [str(number) for number in range(1, len(blocks) + 1)]
    for block in blocks:
        assert not any(re.search(r"-->|<[A-Za-z/]|\{\\", line) for line in block[2:])
    return [_shown(block[1], [line.replace("\u2060", "") for line in block[2:]], ",") for block in blocks]


def _blocks(file: str) -> list[list[str]]:
    assert "\r" not in file
    assert "\0" not in file
    assert not file or file.endswith("\n")
    return [block.strip("\n").split("\n") for block in file.split("\n\n")] if file else []


def _shown(times: str, lines: list[str], decimal_mark: str) -> Shown:
    time = _TIME % decimal_mark
    found = re.fullmatch(f"{time} --> {time}", times)
    assert found is not None, times
    numbers = [int(number) for number in found.groups()]
    assert lines
    assert all(lines)
    return Shown(_milliseconds(*numbers[:4]), _milliseconds(*numbers[4:]), tuple(lines))


def _milliseconds(hours: int, minutes: int, seconds: int, milliseconds: int) -> int:
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds
