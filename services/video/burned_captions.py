"""Writes captions that ffmpeg draws into the image, as an ASS file with a font for each part of the text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from services.common.timing.captions import MAX_LINE_CHARACTERS, Cue
from services.video.caption_fonts import CaptionFont, FontRun, choose_fonts

_LETTER_SHARE = 0.052
"""Size of letters, as a share of the height of the image."""
_LINE_WIDTH_SHARE = 0.9
"""Most of the width of the image that the longest line takes."""
_MEAN_LETTER_WIDTH = 0.5
"""Mean width of a letter, in sizes of letters."""
_MARGIN_SHARE = 0.08
_OUTLINE_SHARE = 0.06
_WORD_JOINER = "\u2060"
_STYLE_FIELDS = (
    "Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, "
    "StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, "
    "Encoding"
)
_AUTOMATIC_DIRECTION = -1


@dataclass(frozen=True, slots=True)
class CaptionStyle:
    """How captions are drawn into an image."""

    width: int
    """Width of the image in pixels."""
    height: int
    """Height of the image in pixels."""
    language: str
    """Three letters of ISO 639-2."""

    @property
    def letter_pixels(self) -> float:
        """Size of letters: the longest line fits the width."""
        widest = self.width * _LINE_WIDTH_SHARE / (MAX_LINE_CHARACTERS * _MEAN_LETTER_WIDTH)
        return min(self.height * _LETTER_SHARE, widest)


def write_burned_captions(cues: Iterable[Cue], style: CaptionStyle, captions: Path, fonts: Path) -> None:
    """Write the captions and links to their fonts.

    Args:
        cues: The captions, in the time of the video.
        style: How to draw them.
        captions: The file to write.
        fonts: The folder to create.
    """
    used: dict[CaptionFont, None] = {}
    lines = list(_build_events(cues, style, used))
    captions.write_text("\n".join((*_build_head(style, next(iter(used))), *lines, "")), encoding="utf-8")
    fonts.mkdir()
    for path in {font.path for font in used}:
        (fonts / path.name).symlink_to(path)


def _build_head(style: CaptionStyle, font: CaptionFont) -> Iterator[str]:
    yield from ("[Script Info]", "ScriptType: v4.00+", "WrapStyle: 0", "ScaledBorderAndShadow: yes")
    yield f"PlayResX: {style.width}"
    yield f"PlayResY: {style.height}"
    yield from ("", "[V4+ Styles]", f"Format: {_STYLE_FIELDS}")
    size, margin = style.letter_pixels, style.height * _MARGIN_SHARE
    yield (
        f"Style: Default,{font.family},{size * font.line_share:.2f},&H00FFFFFF,&H00FFFFFF,&H00000000,&H00000000,"
        f"0,0,0,0,100,100,0,0,1,{size * _OUTLINE_SHARE:.2f},0,2,"
        f"{style.width * (1 - _LINE_WIDTH_SHARE) / 2:.0f},{style.width * (1 - _LINE_WIDTH_SHARE) / 2:.0f},{margin:.0f},"
        f"{_AUTOMATIC_DIRECTION}"
    )
    yield from ("", "[Events]", "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text")


def _build_events(cues: Iterable[Cue], style: CaptionStyle, used: dict[CaptionFont, None]) -> Iterator[str]:
    for cue in cues:
        lines = []
        for line in cue.lines:
            runs = choose_fonts(line, style.language)
            used.update(dict.fromkeys(run.font for run in runs))
            lines.append("".join(_format_run(run, style.letter_pixels) for run in runs))
        times = f"{_format_time(cue.start_milliseconds)},{_format_time(cue.end_milliseconds)}"
        yield f"Dialogue: 0,{times},Default,,0,0,0,," + r"\N".join(lines)


def _format_run(run: FontRun, letter_pixels: float) -> str:
    # An invisible character keeps a backslash from being read as an instruction.
    text = run.text.replace("\\", f"\\{_WORD_JOINER}").replace("{", r"\{").replace("}", r"\}")
    return f"{{\\fn{run.font.family}\\fs{letter_pixels * run.font.line_share:.2f}}}{text}"


def _format_time(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}.{rest // 10:02}"
