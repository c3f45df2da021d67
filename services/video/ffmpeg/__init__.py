"""The only way to ffmpeg: find the program, build its arguments, run it within limits."""

from __future__ import annotations

from services.video.ffmpeg.arguments import Command
from services.video.ffmpeg.limiter import FfmpegLimiter
from services.video.ffmpeg.runner import FfmpegLimits, FfmpegRunner, RunCallbacks, find_ffmpeg, list_missing_parts

__all__ = [
    "Command",
    "FfmpegLimiter",
    "FfmpegLimits",
    "FfmpegRunner",
    "RunCallbacks",
    "find_ffmpeg",
    "list_missing_parts",
]
