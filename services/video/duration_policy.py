"""Decides how long a video with speech is, and what is done where the two differ: plain arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

_SAME_SECONDS = 0.001
"""Lengths that differ by less are the same: files count in ticks of their own."""


class Policy(Enum):
    """What happens where speech and video differ in length."""

    SHORTEST = "shortest"
    """Both end with the shorter one."""
    FREEZE = "freeze"
    """The last frame stands still until the speech has ended."""
    LOOP = "loop"
    """The video begins again until the speech has ended."""


@dataclass(frozen=True, slots=True)
class Given:
    """What is laid together."""

    video_seconds: float
    speech_seconds: float
    delay_seconds: float
    """Silence before the speech."""
    frame_rate: float
    """Frames a second of the video, greater than 0."""


@dataclass(frozen=True, slots=True)
class MuxDurations:
    """How long everything becomes."""

    result_seconds: float
    """Length of the result: whole frames, unless it ends with the shorter of two."""
    freeze_seconds: float = 0.0
    """How long the last frame stands still."""
    loops: int = 0
    """How often the video is repeated after its first time."""
    looped_seconds: float = 0.0
    """How much of the result is repetition."""
    cut_speech_seconds: float = 0.0
    """How much of the speech's end is missing."""
    cut_video_seconds: float = 0.0
    """How much of the video's end is missing."""
    video_frames: int = 0
    """Frames of the result where the video is cut or repeated; 0: all that there are."""


def lengths(given: Given, policy: Policy) -> MuxDurations:
    """Return how long everything becomes.

    Args:
        given: What is laid together.
        policy: What happens where the lengths differ.
    """
    speech_ends = given.delay_seconds + given.speech_seconds
    surplus = speech_ends - given.video_seconds
    if policy is Policy.SHORTEST:
        return _shortest(given, speech_ends)
    if surplus <= _SAME_SECONDS:
        return MuxDurations(given.video_seconds)
    # Up to the end of the frame in which the speech ends, so that none of it is lost.
    result_seconds = max(given.video_seconds, math.ceil(speech_ends * given.frame_rate - 1e-6) / given.frame_rate)
    added = result_seconds - given.video_seconds
    if policy is Policy.FREEZE:
        return MuxDurations(result_seconds, freeze_seconds=added)
    return MuxDurations(
        result_seconds,
        loops=math.ceil(result_seconds / given.video_seconds - 1e-9) - 1,
        looped_seconds=added,
        video_frames=round(result_seconds * given.frame_rate),
    )


def _shortest(given: Given, speech_ends: float) -> MuxDurations:
    result_seconds = min(given.video_seconds, speech_ends)
    cut_video = given.video_seconds - result_seconds
    if cut_video <= _SAME_SECONDS:
        return MuxDurations(
            given.video_seconds,
            cut_speech_seconds=min(given.speech_seconds, max(0.0, speech_ends - given.video_seconds)),
        )
    frames = max(1, round(result_seconds * given.frame_rate))
    return MuxDurations(result_seconds, cut_video_seconds=cut_video, video_frames=frames)
