"""Finds the program ffmpeg: the operator's own, or the one that comes as a wheel."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import imageio_ffmpeg

from services.common.settings import ConfigurationError


def ffmpeg_binary(configured: str) -> Path:
    """Return the program.

    Args:
        configured: FFMPEG_BINARY: a path, or a name that is looked for on PATH; empty for the wheel's.

    Raises:
        ConfigurationError: There is no such program, or it cannot be run.
    """
    if not configured:
        try:
            return Path(imageio_ffmpeg.get_ffmpeg_exe())
        except RuntimeError:
            raise ConfigurationError(
                "FFMPEG_BINARY must be set: the package imageio-ffmpeg brings no ffmpeg for this machine"
            ) from None
    found = shutil.which(configured)
    if found is None or not os.access(found, os.X_OK):
        raise ConfigurationError(f"FFMPEG_BINARY must be a program that can be run; {configured} is none")
    return Path(found)
