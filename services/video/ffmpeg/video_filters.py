"""Builds the filters through which the frames of an encoded video pass.

They leave as players expect them: upright, with square pixels, progressive, in SDR colors, at one frame rate from the
moment 0, and exactly as many as planned.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from services.video.frame_format import FrameFormat

_RGB_PREFIXES = ("rgb", "bgr", "gbr", "argb", "abgr", "pal8", "0rgb", "0bgr")
_BT709 = {"color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709"}
_SDR_WHITE_NITS = 203
"""Brightness of white paper in HDR video (ITU-R BT.2408); it becomes the white of SDR."""


@dataclass(frozen=True, slots=True)
class EncodedFrames:
    """The frames of an encoded video."""

    format: FrameFormat
    """How the frames of the input look."""
    frame_rate: Fraction
    """Frames per second of the output."""
    count: int
    """Number of frames of the output; the last frame of the input is repeated where there are fewer."""

    @property
    def width(self) -> int:
        """Width of the output; the encoder accepts even sides only."""
        return max(2, self.format.width // 2 * 2)

    @property
    def height(self) -> int:
        """Height of the output."""
        return max(2, self.format.height // 2 * 2)


def normalize_frames(image: Any, frames: EncodedFrames) -> Any:
    """Return the stream `image` with the size, colors, times and number of `frames`."""
    if frames.format.is_interlaced:
        image = image.filter("bwdif", mode="send_frame", deint="interlaced")
    # First of all: a recorder may change the size of its frames in the middle of a file.
    image = image.filter("scale", frames.width, frames.height, **_choose_matrix(frames.format)).filter("setsar", 1)
    image = image.filter("setpts", "PTS-STARTPTS").filter("fps", str(frames.frame_rate), start_time=0)
    image = _convert_colors(image, frames.format)
    return image.filter("tpad", stop=-1, stop_mode="clone").filter("trim", end_frame=frames.count)


def _choose_matrix(frame_format: FrameFormat) -> dict[str, str]:
    is_rgb = frame_format.pixel_format.startswith(_RGB_PREFIXES)
    return {"out_color_matrix": "bt709", "out_range": "tv"} if is_rgb else {}


def _convert_colors(image: Any, frame_format: FrameFormat) -> Any:
    """Convert HDR and wide colors to BT.709, in linear light."""
    if frame_format.pixel_format.startswith(_RGB_PREFIXES):
        return image.filter("format", "yuv420p").filter("setparams", **_BT709)
    if not frame_format.is_wide_gamut:
        return image
    source = {
        "transferin": frame_format.transfer or "709",
        "primariesin": frame_format.primaries or "2020",
        "matrixin": frame_format.matrix or "2020_ncl",
        "rangein": "full" if frame_format.is_full_range else "limited",
    }
    image = image.filter("zscale", transfer="linear", npl=_SDR_WHITE_NITS, **source)
    image = image.filter("format", "gbrpf32le").filter("zscale", primaries="709")
    if frame_format.is_hdr:
        image = image.filter("tonemap", "mobius", desat=0)
    image = image.filter("zscale", transfer="709", matrix="709", range="limited")
    return image.filter("format", "yuv420p")
