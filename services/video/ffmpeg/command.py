"""What is asked of ffmpeg once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One run of ffmpeg."""

    arguments: tuple[str, ...]
    """All arguments behind the program's name."""
    seconds: float
    """Length of what is made; 100 percent of the progress."""
