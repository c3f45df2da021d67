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

RESULT = "result.mp4"
"""The finished video."""
FRAGMENTS = "pipe:1"
CAPTIONS = "captions.srt"
FONTS = "fonts"
SOURCE_IMAGE, LABEL = "still.png", "label.png"
FRAME_RATE = 24
"""Frames per second of videos from the embedded engine."""

_ALONE = {"protocol_whitelist": "file", "format_whitelist": "mov,mp3,wav,ogg,flac,aac,matroska,png_pipe,srt"}
_THREADS = 2
_AUDIO = {"c:a": "aac", "b:a": "160k", "ac": 2, "ar": 44_100}
_ENCODED = {"c:v": "libx264", "preset": "veryfast", "crf": 20, "pix_fmt": "yuv420p"}
_COPIED = {"c:v": "copy"}
_BARE = {"map_metadata": -1, "map_chapters": -1, "fflags": "+bitexact"}
_WHOLE = {"f": "mp4", "movflags": "+faststart"}
# A fragment every half second, independent of key frames, so that a player can start early. delay_moov sends the header
# with the first fragment: only then is it known how many priming samples the audio encoder has added.
_FRAGMENTED = {"f": "mp4", "movflags": "+frag_keyframe+delay_moov+default_base_moof", "frag_duration": 500_000}
_CAPTION_STYLE = "FontName=Aileron,FontSize=18,Outline=1,Shadow=0,MarginV=24"


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


@dataclass(frozen=True, slots=True)
class MuxArguments:
    """What the command for a mux depends on."""

    video: Input
    audio: Input
    seconds: float
    """Duration of the result."""
    audio_delay_ms: int
    """Silence before the speech."""
    freeze_seconds: float = 0.0
    """How long the last frame is repeated at the end."""
    loops: int = 0
    """Number of repetitions of the video after the first pass."""
    video_frames: int = 0
    """Number of frames to copy; 0 copies all. -t alone ends too late where frames are stored out of order."""
    copy_video: bool = True
    """Whether the video stream is copied, not encoded again."""
    burn_captions: bool = False
    """Whether the captions file is drawn into the image."""
    caption_language: str = ""
    """Language of the caption track; empty for no track."""
    fragmented: bool = False
    """Whether the output goes to the standard output in fragments, not to a file."""


def build_mux_command(mux: MuxArguments) -> Command:
    """Return the command that adds speech to a video."""
    video_input = _build_input(mux.video, **({"stream_loop": mux.loops} if mux.loops else {}))
    image = video_input["v:0"]
    if mux.freeze_seconds:
        image = image.filter("tpad", stop_mode="clone", stop_duration=_format_seconds(mux.freeze_seconds))
    if mux.burn_captions:
        image = image.filter("subtitles", CAPTIONS, fontsdir=FONTS, force_style=_CAPTION_STYLE)
    if not mux.copy_video:
        # The encoder accepts even sides only.
        image = image.filter("scale", w="trunc(iw/2)*2", h="trunc(ih/2)*2")
    audio = _build_input(mux.audio)["a:0"].filter("adelay", mux.audio_delay_ms, all=1).filter("apad")
    streams = [image, audio]
    options: dict[str, Any] = {**(_COPIED if mux.copy_video else _ENCODED), **_AUDIO}
    if mux.copy_video and mux.video_frames:
        # Not -frames:v, which ends the audio with the last frame.
        options["bsf:v"] = f"noise=drop=gte(n\\,{mux.video_frames})"
    if mux.caption_language:
        streams.append(_build_input(Input(CAPTIONS, "srt"))["s:0"])
        options |= {"c:s": "mov_text", "metadata:s:s:0": f"language={mux.caption_language}"}
    return _build_command(streams, mux.seconds, options, fragmented=mux.fragmented)


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
    label = _build_input(Input(LABEL, "png_pipe"))
    labelled = ffmpeg.overlay(moving, label, x=16, y="H-h-16").filter("format", "yuv420p")
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
