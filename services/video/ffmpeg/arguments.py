"""All arguments of ffmpeg, built in one place.

Every input has its format named and may read nothing but its own file: what a caller calls a video could otherwise be a
playlist of other files or addresses. Lengths are computed and given as -t; -shortest cuts either stream at its whim.
Files are named by us and lie in the folder that ffmpeg runs in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ffmpeg

from services.video.camera_motion import Motion
from services.video.ffmpeg.command import Command

RESULT = "result.mp4"
"""The finished video."""
FRAGMENTS = "pipe:1"
CAPTIONS = "captions.srt"
FONTS = "fonts"
SOURCE_IMAGE, LABEL = "still.png", "label.png"
FRAME_RATE = 24
"""Frames a second of what the embedded engine makes."""

_ALONE = {"protocol_whitelist": "file", "format_whitelist": "mov,mp3,wav,ogg,flac,aac,matroska,png_pipe,srt"}
_THREADS = 2
_AUDIO = {"c:a": "aac", "b:a": "160k", "ac": 2, "ar": 44_100}
_ENCODED = {"c:v": "libx264", "preset": "veryfast", "crf": 20, "pix_fmt": "yuv420p"}
_COPIED = {"c:v": "copy"}
_BARE = {"map_metadata": -1, "map_chapters": -1, "fflags": "+bitexact"}
_WHOLE = {"f": "mp4", "movflags": "+faststart"}
# A fragment every half second, whatever the distance of key frames: a player can begin with the first. The head comes
# with it, and not before, because only then it is known how many samples the sound's encoder has put in front.
_FRAGMENTED = {"f": "mp4", "movflags": "+frag_keyframe+delay_moov+default_base_moof", "frag_duration": 500_000}
_CAPTION_STYLE = "FontName=Aileron,FontSize=18,Outline=1,Shadow=0,MarginV=24"


@dataclass(frozen=True, slots=True)
class Input:
    """A file in the folder."""

    name: str
    """Its name."""
    format: str
    """Name of ffmpeg's demuxer for it."""
    start_seconds: float = 0.0
    """How long after the file's beginning the stream begins that is used; it is used from its own beginning."""


@dataclass(frozen=True, slots=True)
class Mux:
    """Speech over a video."""

    video: Input
    audio: Input
    seconds: float
    """Length of the result."""
    audio_delay_ms: int
    """Silence before the speech."""
    freeze_seconds: float = 0.0
    """How long the last frame stands still."""
    loops: int = 0
    """How often the video is repeated after its first time."""
    video_frames: int = 0
    """Frames of a result that is copied; 0: all that there are. -t alone ends too late where frames are stored out of
    order."""
    copy_video: bool = True
    """Whether the image is copied as it is."""
    burn_captions: bool = False
    """Whether the file of captions becomes part of the image."""
    caption_language: str = ""
    """Language of the track of captions; empty: there is none."""
    fragmented: bool = False
    """Whether it is written to standard output in fragments, and not to a file."""


def mux(wanted: Mux) -> Command:
    """Return the command that lays speech over a video."""
    video_input = _input(wanted.video, **({"stream_loop": wanted.loops} if wanted.loops else {}))
    image = video_input["v:0"]
    if wanted.freeze_seconds:
        image = image.filter("tpad", stop_mode="clone", stop_duration=_seconds(wanted.freeze_seconds))
    if wanted.burn_captions:
        image = image.filter("subtitles", CAPTIONS, fontsdir=FONTS, force_style=_CAPTION_STYLE)
    if not wanted.copy_video:
        # The encoder takes even sides only.
        image = image.filter("scale", w="trunc(iw/2)*2", h="trunc(ih/2)*2")
    sound = _input(wanted.audio)["a:0"].filter("adelay", wanted.audio_delay_ms, all=1).filter("apad")
    streams = [image, sound]
    options: dict[str, Any] = {**(_COPIED if wanted.copy_video else _ENCODED), **_AUDIO}
    if wanted.copy_video and wanted.video_frames:
        # Not -frames:v, which ends the sound with the last frame.
        options["bsf:v"] = f"noise=drop=gte(n\\,{wanted.video_frames})"
    if wanted.caption_language:
        streams.append(_input(Input(CAPTIONS, "srt"))["s:0"])
        options |= {"c:s": "mov_text", "metadata:s:s:0": f"language={wanted.caption_language}"}
    return _command(streams, wanted.seconds, options, fragmented=wanted.fragmented)


def remux(source: Input, seconds: float) -> Command:
    """Return the command that makes a whole video of fragments, copying every stream."""
    given = _input(source)
    return _command([given["v"], given["a"], given["s?"]], seconds, {"c": "copy"}, fragmented=False)


def moving_source_image(motion: Motion, seconds: float) -> Command:
    """Return the command that makes a video of one still image, with its label on it."""
    frames = max(2, round(seconds * FRAME_RATE))
    corners = motion.corners(frames)
    moving = (
        _input(Input(SOURCE_IMAGE, "png_pipe"), framerate=FRAME_RATE)
        # The filter, not the option -loop, which decodes the image again for every frame.
        .filter("loop", loop=-1, size=1, start=0)
        .filter("setpts", f"N/{FRAME_RATE}/TB")
        .filter("format", "yuv420p")
        .filter("perspective", **corners, interpolation="linear", sense="source", eval="frame")
    )
    label = _input(Input(LABEL, "png_pipe"))
    shown = ffmpeg.overlay(moving, label, x=16, y="H-h-16").filter("format", "yuv420p")
    return _command([shown], frames / FRAME_RATE, {**_ENCODED, "r": FRAME_RATE}, fragmented=False)


def _input(given: Input, **options: Any) -> Any:
    if given.start_seconds:
        options["itsoffset"] = _seconds(-given.start_seconds)
    return ffmpeg.input(given.name, f=given.format, threads=_THREADS, **_ALONE, **options)


def _command(streams: Sequence[Any], seconds: float, options: dict[str, Any], *, fragmented: bool) -> Command:
    target, shape = (FRAGMENTS, _FRAGMENTED) if fragmented else (RESULT, _WHOLE)
    output = ffmpeg.output(*streams, target, t=_seconds(seconds), threads=_THREADS, **options, **_BARE, **shape)
    return Command(tuple(output.overwrite_output().get_args()), seconds)


def _seconds(seconds: float) -> str:
    return f"{seconds:.6f}"
