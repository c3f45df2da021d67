"""Describes how the frames of a video are stored and shown: pixels, colors, shape and rotation.

The size that players show differs from the stored one by rotation, pixel shape and cropping.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

_TRANSFERS = {13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 18: "arib-std-b67"}
_PRIMARIES = {1: "bt709", 5: "bt470bg", 6: "smpte170m", 9: "bt2020", 11: "smpte431", 12: "smpte432"}
_MATRICES = {0: "gbr", 1: "bt709", 5: "bt470bg", 6: "smpte170m", 9: "bt2020nc", 10: "bt2020c", 14: "ictcp"}
"""ffmpeg's names of the values of ITU-T H.273."""
_HDR_TRANSFERS = frozenset({"smpte2084", "arib-std-b67"})
_WIDE_PRIMARIES = frozenset({"bt2020", "smpte431", "smpte432"})
_SQUARE = Fraction(1)
_MOST_STRETCH = 10
_MAX_PACKETS_TO_FIRST_FRAME = 300
_QUARTER_TURN, _HALF_TURN = 90, 180
_CROPPING = re.compile(r"^ +Frame Cropping: (\d+)/(\d+)/(\d+)/(\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FrameFormat:
    """How the frames of a video are stored, and what follows for showing them."""

    width: int = 0
    """Shown width in pixels: after cropping, with square pixels, upright."""
    height: int = 0
    """Shown height in pixels."""
    pixel_format: str = ""
    """ffmpeg's name, such as yuv420p; empty if unknown."""
    transfer: str = ""
    """Transfer characteristics that are not those of plain SDR video; else empty."""
    primaries: str = ""
    """Color primaries; empty if unknown."""
    matrix: str = ""
    """Color matrix; empty if unknown."""
    is_full_range: bool = False
    """Whether black is 0 and white the largest value."""
    is_cropped: bool = False
    """Whether the container crops the frames, which not every player does."""
    is_interlaced: bool = False
    """Whether each frame holds two fields of different times."""

    @property
    def is_hdr(self) -> bool:
        """Whether the frames have a high dynamic range: HLG or PQ."""
        return self.transfer in _HDR_TRANSFERS

    @property
    def is_wide_gamut(self) -> bool:
        """Whether the colors exceed those of BT.709."""
        return self.is_hdr or self.primaries in _WIDE_PRIMARIES


def decode_first_frame(path: str, demuxer: str, index: int, options: dict[str, str]) -> VideoFrame | None:
    """Return the first frame of a stream; None if its first packets cannot be decoded.

    Args:
        path: Path of the file.
        demuxer: ffmpeg's name of the format.
        index: Number of the stream in the file.
        options: Options that keep the library within the file.
    """
    with av.open(path, format=demuxer, options=options) as media:
        stream = media.streams[index]
        stream.codec_context.thread_count = 1
        for number, packet in enumerate(media.demux(stream)):
            if number > _MAX_PACKETS_TO_FIRST_FRAME:
                return None
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue
            for frame in frames:
                if isinstance(frame, VideoFrame):
                    return frame
    return None


def describe_frames(stream: VideoStream, frame: VideoFrame | None, description: str) -> FrameFormat:
    """Return the format of the frames of `stream`.

    Args:
        stream: The stream.
        frame: Its first frame, which is believed more than the header; None if it has none.
        description: Text about the stream from the library, the only source of cropping by the container.
    """
    left, right, top, bottom = _parse_cropping(description)
    width, height = stream.width - left - right, stream.height - top - bottom
    if min(width, height) <= 0:
        width, height, left, right, top, bottom = stream.width, stream.height, 0, 0, 0, 0
    shown_width = max(1, round(width * _get_pixel_shape(stream)))
    if frame is not None and frame.rotation % _HALF_TURN == _QUARTER_TURN:
        shown_width, height = height, shown_width
    # Both count from the same table.
    colors = stream.codec_context if frame is None else frame
    return FrameFormat(
        width=shown_width,
        height=height,
        pixel_format=(frame.format.name if frame is not None else stream.codec_context.pix_fmt) or "",
        transfer=_TRANSFERS.get(int(colors.color_trc or 0), ""),
        primaries=_PRIMARIES.get(int(colors.color_primaries or 0), ""),
        matrix=_MATRICES.get(int(colors.colorspace), ""),
        is_full_range=int(colors.color_range or 0) == int(av.video.reformatter.ColorRange.JPEG),
        is_cropped=any((left, right, top, bottom)),
        is_interlaced=frame is not None and frame.interlaced_frame,
    )


def _get_pixel_shape(stream: VideoStream) -> Fraction:
    """Return the width of a pixel divided by its height; 1 for values that no camera writes."""
    shape: Fraction | None = stream.sample_aspect_ratio
    shape = shape or _SQUARE
    return shape if Fraction(1, _MOST_STRETCH) <= shape <= _MOST_STRETCH else _SQUARE


def _parse_cropping(description: str) -> tuple[int, int, int, int]:
    found = _CROPPING.search(description)
    return (0, 0, 0, 0) if found is None else (int(found[1]), int(found[2]), int(found[3]), int(found[4]))
