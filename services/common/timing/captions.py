"""Caption files in the formats WebVTT and SubRip (SRT)."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from services.common.timing.alignment import Alignment
from services.common.timing.cues import Cue, build_cues

_WEBVTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# SubRip has no escapes. An invisible character keeps players from reading text as an arrow, a tag, an override or a
# line break.
_WORD_JOINER = "\u2060"
_SUBRIP_MARKUP = re.compile(r"(?<=--)(?=>)|(?<=<)(?=[A-Za-z/])|(?<=\{)(?=\\)|(?<=\\)(?=[Nnh])")


def to_webvtt(alignment: Alignment) -> str:
    """Return the captions of `alignment` as a WebVTT file; without text it contains only the header."""
    blocks = ["WEBVTT\n"]
    for cue in build_cues(alignment):
        text = "\n".join(line.translate(_WEBVTT_ESCAPES) for line in cue.lines)
        blocks.append(f"{_format_times(cue, '.')}\n{text}\n")
    return "\n".join(blocks)


def to_srt(alignment: Alignment, *, until_seconds: float = math.inf) -> str:
    """Return the captions of `alignment` as an SRT file, to be encoded in UTF-8; without text it is empty.

    Args:
        alignment: Timing of the characters.
        until_seconds: End of the media: captions are cut at this time, and later ones are dropped.
    """
    until = until_seconds * 1000
    blocks = []
    shown = (replace(cue, end_milliseconds=int(min(cue.end_milliseconds, until))) for cue in build_cues(alignment))
    for number, cue in enumerate((cue for cue in shown if cue.start_milliseconds < cue.end_milliseconds), start=1):
        text = "\n".join(_SUBRIP_MARKUP.sub(_WORD_JOINER, line) for line in cue.lines)
        blocks.append(f"{number}\n{_format_times(cue, ',')}\n{text}\n")
    return "\n".join(blocks)


def _format_times(cue: Cue, decimal_mark: str) -> str:
    return (
        f"{_format_time(cue.start_milliseconds, decimal_mark)} --> {_format_time(cue.end_milliseconds, decimal_mark)}"
    )


def _format_time(milliseconds: int, decimal_mark: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{decimal_mark}{milliseconds:03}"
