"""Writes the files that captions need: the words with their times, and a font for those that become image."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from PIL import ImageFont

from services.common.timing.alignment import Alignment, shift_alignment
from services.common.timing.captions import to_srt
from services.video.ffmpeg.arguments import CAPTIONS, FONTS

_FONT_FILE = "Aileron-Regular.ttf"


def write_captions(
    alignment: Alignment, delay_seconds: float, result_seconds: float, folder: Path, *, burned: bool
) -> bool:
    """Write the captions into `folder` and tells whether there are any.

    Args:
        alignment: When each character is heard, from the start of the speech.
        delay_seconds: Silence before the speech.
        result_seconds: Length of the video, which no caption may make longer.
        folder: Where ffmpeg runs.
        burned: Whether they become part of the image, so that a font is needed.
    """
    text = to_srt(shift_alignment(alignment, delay_seconds), until_seconds=result_seconds)
    if not text:
        return False
    if burned:
        # What draws them takes all between braces for instructions.
        text = text.replace("{", r"\{").replace("}", r"\}")
    (folder / CAPTIONS).write_text(text, encoding="utf-8")
    if burned:
        fonts = folder / FONTS
        fonts.mkdir()
        (fonts / _FONT_FILE).write_bytes(_font())
    return True


def _font() -> bytes:
    """Return the font that comes with Pillow (Latin letters); for others the machine's own fonts step in."""
    font = ImageFont.load_default(16)
    source = font.path if isinstance(font, ImageFont.FreeTypeFont) else None
    return source.getvalue() if isinstance(source, BytesIO) else b""
