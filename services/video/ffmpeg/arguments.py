"""Builds all arguments of ffmpeg.

Every input names its format and may read only its own file: a "video" could otherwise be a playlist of other files or
addresses. Durations are computed and passed as -t, because -shortest may cut either stream. The service chooses all
file names; the files are in the working directory of ffmpeg.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ffmpeg

from services.video.camera_motion import Motion
from services.video.ffmpeg.video_filters import EncodedFrames, normalize_frames

RESULT = "result.mp4"
"""The finished video."""
FRAGMENTS = "pipe:1"
CAPTIONS = "captions.srt"
"""Captions for a track."""
BURNED_CAPTIONS = "captions.ass"
"""Captions that are drawn into the image."""
FONTS = "fonts"
SOURCE_IMAGE, LABEL = "still.png", "label.png"
FRAME_RATE = 24
"""Frames per second of videos from the embedded engine."""

_ALONE = {"protocol_whitelist": "file", "format_whitelist": "mov,mp3,wav,ogg,flac,aac,matroska,png_pipe,srt"}
_THREADS = 2
_AUDIO_RATE_HZ = 44_100
_AUDIO = {"c:a": "aac", "b:a": "160k", "ac": 2, "ar": _AUDIO_RATE_HZ}
_PRIMING_SAMPLES = 1024
"""Samples that the AAC encoder adds at the beginning. Not every player removes them from a fragmented file."""
_ENCODED = {"c:v": "libx264", "preset": "veryfast", "crf": 20, "pix_fmt": "yuv420p"}
_COPIED = {"c:v": "copy"}
_BARE = {"map_metadata": -1, "map_chapters": -1, "fflags": "+bitexact"}
_WHOLE = {"f": "mp4", "movflags": "+faststart"}
# A fragment every half second, independent of key frames, so that a player can start early. delay_moov sends the header
# with the first fragment: only then is it known how many priming samples the audio encoder has added.
_FRAGMENTED = {"f": "mp4", "movflags": "+frag_keyframe+delay_moov+default_base_moof", "frag_duration": 500_000}
# Above the caption of an image of the embedded engine.


@dataclass(frozen=True, slots=True)
class Command:
    """One run of ffmpeg."""

    arguments: tuple[str, ...]
    """All arguments after the program's name."""
    seconds: float
    """Duration of the output; 100 percent of the progress."""


@dataclass(frozen=True, slots=True)
class Input:
    """An input file in the working directory."""

    name: str
    """Name of the file."""
    format: str
    """Name of ffmpeg's demuxer for the file."""
    start_seconds: float = 0.0
    """Start of the used stream, counted from the beginning of the file; the output begins with that moment."""
    stream_index: int = 0
    """Number of the used stream in its file."""


@dataclass(frozen=True, slots=True)
class MuxArguments:
    """What the command for a mux depends on."""

    video: Input
    audio: Input
    seconds: float
    """Duration of the result."""
    audio_delay_ms: int
    """Silence before the speech."""
    encoded: EncodedFrames | None = None
    """The frames of an encoded video; None copies the video stream."""
    copied_frames: int = 0
    """Number of frames to copy; 0 copies all. -t alone ends too late where frames are stored out of order."""
    copied_tag: str = ""
    """Name of the codec in a copy; empty for the usual one."""
    loops: int = 0
    """Number of repetitions of the video after the first pass."""
    burn_captions: bool = False
    """Whether the captions file is drawn into the image, which must be encoded."""
    caption_language: str = ""
    """Language of the caption track; empty for no track."""
    fragmented: bool = False
    """Whether the output goes to the standard output in fragments, not to a file."""


def build_mux_command(mux: MuxArguments) -> Command:
    """Return the command that adds speech to a video."""
    # An encoded video takes as many repetitions as it needs for its number of frames.
    loops = -1 if mux.loops and mux.encoded else mux.loops
    video_options: dict[str, Any] = {"stream_loop": loops} if loops else {}
    if mux.encoded:
        # Otherwise a change of the frame size would start all filters, and their clocks, a second time.
        video_options["reinit_filter"] = 0
    image = _build_input(mux.video, **video_options)[str(mux.video.stream_index)]
    if mux.encoded:
        image = normalize_frames(image, mux.encoded)
    if mux.burn_captions:
        image = image.filter("subtitles", BURNED_CAPTIONS, fontsdir=FONTS)
    delay_samples = round(mux.audio_delay_ms * _AUDIO_RATE_HZ / 1000)
    # The samples that the encoder adds are part of the silence before the speech, if that is long enough. Then speech
    # is at its place also in players that do not remove them.
    priming_samples = _PRIMING_SAMPLES if delay_samples >= _PRIMING_SAMPLES else 0
    streams = [image, _build_speech(mux, delay_samples - priming_samples, priming_samples)]
    options: dict[str, Any] = {**(_ENCODED if mux.encoded else _COPIED), **_AUDIO}
    if priming_samples:
        options["bsf:a"] = f"setts=ts=TS+{priming_samples}"
    if mux.encoded:
        options["fps_mode"] = "passthrough"
    elif mux.copied_tag:
        options["tag:v"] = mux.copied_tag
    if mux.copied_frames and not mux.encoded:
        # Not -frames:v, which ends the audio with the last frame.
        options["bsf:v"] = f"noise=drop=gte(n\\,{mux.copied_frames})"
    if mux.caption_language:
        streams.append(_build_input(Input(CAPTIONS, "srt"))["s:0"])
        options |= {"c:s": "mov_text", "metadata:s:s:0": f"language={mux.caption_language}"}
    return _build_command(streams, mux.seconds, options, fragmented=mux.fragmented)


def _build_speech(mux: MuxArguments, delay_samples: int, priming_samples: int) -> Any:
    """Return the speech from its first sample, with silence before, after, and where its file has gaps."""
    speech = _build_input(mux.audio)[str(mux.audio.stream_index)]
    speech = speech.filter("asetpts", "PTS-STARTPTS").filter("aresample", _AUDIO_RATE_HZ, **{"async": 1})
    speech = speech.filter("adelay", f"{delay_samples}S", all=1).filter("apad")
    return speech.filter("atrim", end_sample=max(1, round(mux.seconds * _AUDIO_RATE_HZ) - priming_samples))


def build_remux_command(source: Input, seconds: float) -> Command:
    """Return the command that turns a fragmented MP4 into a faststart MP4 by copying every stream."""
    fragments = _build_input(source)
    return _build_command([fragments["v"], fragments["a"], fragments["s?"]], seconds, {"c": "copy"}, fragmented=False)


def build_camera_command(motion: Motion, seconds: float) -> Command:
    """Return the command that moves a camera over SOURCE_IMAGE and overlays LABEL."""
    frames = max(2, round(seconds * FRAME_RATE))
    build_corners = motion.build_corners(frames)
    moving = (
        _build_input(Input(SOURCE_IMAGE, "png_pipe"), framerate=FRAME_RATE)
        # The filter, not the option -loop, which decodes the image again for every frame.
        .filter("loop", loop=-1, size=1, start=0)
        .filter("setpts", f"N/{FRAME_RATE}/TB")
        .filter("format", "yuv420p")
        .filter("perspective", **build_corners, interpolation="linear", sense="source", eval="frame")
    )
    # At the top: captions, and the caption of an image of the embedded engine, are at the bottom.
    label = _build_input(Input(LABEL, "png_pipe"))
    labelled = ffmpeg.overlay(moving, label, x=16, y=16).filter("format", "yuv420p")
    return _build_command([labelled], frames / FRAME_RATE, {**_ENCODED, "r": FRAME_RATE}, fragmented=False)


def _build_input(file: Input, **options: Any) -> Any:
    if file.start_seconds:
        options["itsoffset"] = _format_seconds(-file.start_seconds)
    return ffmpeg.input(file.name, f=file.format, threads=_THREADS, **_ALONE, **options)


def _build_command(streams: Sequence[Any], seconds: float, options: dict[str, Any], *, fragmented: bool) -> Command:
    target, shape = (FRAGMENTS, _FRAGMENTED) if fragmented else (RESULT, _WHOLE)
    output = ffmpeg.output(*streams, target, t=_format_seconds(seconds), threads=_THREADS, **options, **_BARE, **shape)
    return Command(tuple(output.overwrite_output().get_args()), seconds)


def _format_seconds(seconds: float) -> str:
    return f"{seconds:.6f}"
