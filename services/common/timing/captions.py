"""Writes the captions of an alignment as WebVTT and as SubRip (SRT)."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from services.common.timing.alignment import Alignment
from services.common.timing.cues import Cue, build_cues

_WEBVTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# SubRip has no escapes. An invisible character keeps players from taking text for an arrow, a tag, an override or
# the end of a line.
_WORD_JOINER = "\u2060"
_SUBRIP_MARKUP = re.compile(r"(?<=--)(?=>)|(?<=<)(?=[A-Za-z/])|(?<=\{)(?=\\)|(?<=\\)(?=[Nnh])")


def to_webvtt(alignment: Alignment) -> str:
    """Return the captions of `alignment` as a WebVTT file; without any text it has the header only."""
    blocks = ["WEBVTT\n"]
    for cue in build_cues(alignment):
        text = "\n".join(line.translate(_WEBVTT_ESCAPES) for line in cue.lines)
        blocks.append(f"{_times(cue, '.')}\n{text}\n")
    return "\n".join(blocks)


def to_srt(alignment: Alignment, *, until_seconds: float = math.inf) -> str:
    """Return the captions of `alignment` as an SRT file, to be stored in UTF-8; without any text it is empty.

    Args:
        alignment: When each character is heard.
        until_seconds: When what the captions belong to is over: none lasts longer, and none begins later.
    """
    until = until_seconds * 1000
    blocks = []
    shown = (replace(cue, end_milliseconds=int(min(cue.end_milliseconds, until))) for cue in build_cues(alignment))
    for number, cue in enumerate((cue for cue in shown if cue.start_milliseconds < cue.end_milliseconds), start=1):
        text = "\n".join(_SUBRIP_MARKUP.sub(_WORD_JOINER, line) for line in cue.lines)
        blocks.append(f"{number}\n{_times(cue, ',')}\n{text}\n")
    return "\n".join(blocks)


def _times(cue: Cue, decimal_mark: str) -> str:
    return f"{_time(cue.start_milliseconds, decimal_mark)} --> {_time(cue.end_milliseconds, decimal_mark)}"


def _time(milliseconds: int, decimal_mark: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{decimal_mark}{milliseconds:03}"
