"""Strict parsers of caption files."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

_TIME = r"(\d{2,}):([0-5]\d):([0-5]\d)%s(\d{3})"


@dataclass(frozen=True, slots=True)
class ParsedCue:
    """One caption of a file."""

    start_milliseconds: int
    end_milliseconds: int
    lines: tuple[str, ...]


def read_webvtt(file: str) -> list[ParsedCue]:
    """Parse a WebVTT file, and assert its format."""
    header, *blocks = _split_blocks(file)
    assert header == ["WEBVTT"]
    for block in blocks:
        assert not any("-->" in line or re.search(r"<|&(?!amp;|lt;|gt;)", line) for line in block[1:])
    return [_parse_cue(block[0], [html.unescape(line) for line in block[1:]], r"\.") for block in blocks]


def read_srt(file: str) -> list[ParsedCue]:
    """Parse an SRT file, and assert its format."""
    blocks = _split_blocks(file)
    assert [block[0] for block in blocks] == [str(number) for number in range(1, len(blocks) + 1)]
    for block in blocks:
        assert not any(re.search(r"-->|<[A-Za-z/]|\{\\", line) for line in block[2:])
    return [_parse_cue(block[1], [line.replace("\u2060", "") for line in block[2:]], ",") for block in blocks]


def _split_blocks(file: str) -> list[list[str]]:
    assert "\r" not in file
    assert "\0" not in file
    assert not file or file.endswith("\n")
    return [block.strip("\n").split("\n") for block in file.split("\n\n")] if file else []


def _parse_cue(times: str, lines: list[str], decimal_mark: str) -> ParsedCue:
    time = _TIME % decimal_mark
    found = re.fullmatch(f"{time} --> {time}", times)
    assert found is not None, times
    numbers = [int(number) for number in found.groups()]
    assert lines
    assert all(lines)
    return ParsedCue(_to_milliseconds(*numbers[:4]), _to_milliseconds(*numbers[4:]), tuple(lines))


def _to_milliseconds(hours: int, minutes: int, seconds: int, milliseconds: int) -> int:
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds
