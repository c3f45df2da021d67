"""The one way to ffmpeg: which program, with which arguments, within which bounds."""

from __future__ import annotations

from services.video.ffmpeg.binary import ffmpeg_binary
from services.video.ffmpeg.command import Command
from services.video.ffmpeg.limiter import FfmpegLimiter
from services.video.ffmpeg.runner import FfmpegRunner, Limits, Watch

__all__ = ["Command", "FfmpegLimiter", "FfmpegRunner", "Limits", "Watch", "ffmpeg_binary"]
