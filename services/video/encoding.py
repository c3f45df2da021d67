"""Decides whether the video stream of a mux is copied or encoded again, and how long the result is."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace

from services.common.errors import MediaError, Reason, invalid
from services.video.duration_policy import InputDurations, LengthPolicy, MuxDurations, decide_durations
from services.video.ffmpeg.video_filters import EncodedFrames
from services.video.frame_times import choose_output_rate
from services.video.probe import StreamInfo

_EIGHT_BITS = frozenset({"yuv420p", "yuvj420p"})
_TEN_BITS = _EIGHT_BITS | {"yuv420p10le"}
_COPIED: Mapping[str, Set[str]] = {"h264": _EIGHT_BITS, "hevc": _TEN_BITS, "av1": _TEN_BITS, "vp9": _TEN_BITS}
"""Codecs and pixel formats that common players show from an MP4. MPEG-4 part 2, 4:2:2 and 4:4:4 are not among them."""
_TAGS: Mapping[str, str] = {"hevc": "hvc1"}
"""Names of codecs in an MP4 where the usual name (hev1) is one that Apple's players do not accept."""
_LEAST_CUT_RATE, _MOST_COPIED_RATE = 10.0, 120.0
"""Frames per second: with fewer, a cut between two frames is too coarse; more are not for players."""
_LATEST_CUT_SECONDS = 0.2
"""How much too late a copy may end: a packet out of order is needed by the frames before it."""
_MAX_PIXELS = 4096 * 2304
_MAX_ENCODED_PIXELS = 600 * 30 * 1920 * 1080
"""Most pixels that one run encodes: ten minutes of 1080p with 30 frames a second."""
_MAX_DECODED_FRAMES = 600 * 240
"""Most frames that one run decodes: ten minutes of the slow motion of a phone."""


@dataclass(frozen=True, slots=True)
class VideoPlan:
    """What happens to the video stream of a mux."""

    durations: MuxDurations
    """Durations of the result."""
    encoded: EncodedFrames | None = None
    """The frames of an encoded video; None if the stream is copied."""
    copied_frames: int = 0
    """Number of frames of a copy; 0 for all frames."""
    copied_tag: str = ""
    """Name of the codec in a copy; empty for the usual one."""


def plan_video(
    image: StreamInfo, inputs: InputDurations, policy: LengthPolicy, field: str, *, is_burned: bool
) -> VideoPlan:
    """Return what happens to the video stream.

    Args:
        image: The video stream.
        inputs: Durations of the inputs; the frame rate follows from the plan.
        policy: What to do where they differ.
        field: Name of the request field, for errors.
        is_burned: Whether captions are drawn into the image.

    Raises:
        MediaError: MEDIA_INVALID: the frames are too large, or too many to encode.
    """
    if image.width * image.height > _MAX_PIXELS:
        raise invalid(field, f"must have at most {_MAX_PIXELS:,} pixels a frame", Reason.MEDIA_INVALID)
    if policy is LengthPolicy.LOOP and image.frames.count == 1:
        # One frame that is repeated stands still.
        policy = LengthPolicy.FREEZE
    if is_playable(image) and not is_burned:
        durations = decide_durations(replace(inputs, frame_rate=image.frame_rate), policy)
        if not durations.freeze_seconds and (not durations.video_frames or _can_be_cut(image)):
            return VideoPlan(durations, copied_frames=durations.video_frames, copied_tag=_TAGS.get(image.codec, ""))
    rate = choose_output_rate(image.frames)
    durations = decide_durations(replace(inputs, frame_rate=float(rate)), policy)
    encoded = EncodedFrames(image.format, rate, max(1, round(durations.result_seconds * rate)))
    _check_cost(image, durations, encoded, field)
    return VideoPlan(durations, encoded)


def is_playable(image: StreamInfo) -> bool:
    """Return whether common players show a copy of the stream in an MP4 as it is meant."""
    mean_rate = image.frames.count / image.duration_seconds
    return (
        image.format.pixel_format in _COPIED.get(image.codec, frozenset())
        and not image.format.is_cropped
        and (image.is_whole or image.has_hidden_frames)
        and mean_rate <= _MOST_COPIED_RATE
    )


def _can_be_cut(image: StreamInfo) -> bool:
    """Return whether a copy can end near any frame: each packet is one shown frame, at one rate, almost in order."""
    return (
        image.frames.is_steady
        and not image.has_hidden_frames
        and image.frame_rate >= _LEAST_CUT_RATE
        and image.frames.reordered_frames <= _LATEST_CUT_SECONDS * image.frame_rate
    )


def _check_cost(image: StreamInfo, durations: MuxDurations, encoded: EncodedFrames, field: str) -> None:
    if encoded.count * encoded.width * encoded.height > _MAX_ENCODED_PIXELS:
        raise _build_cost_error(field, durations, f"{encoded.width} x {encoded.height} pixels")
    if durations.result_seconds * image.frames.count / image.duration_seconds > _MAX_DECODED_FRAMES:
        raise _build_cost_error(field, durations, f"{image.frame_rate:,.0f} frames a second")


def _build_cost_error(field: str, durations: MuxDurations, cause: str) -> MediaError:
    return invalid(
        field,
        f"must be smaller or shorter: {durations.result_seconds:.0f} seconds with {cause} are too many to encode",
        Reason.MEDIA_INVALID,
    )
