"""Decides the duration of a video with speech, and what is cut, frozen or looped where the inputs differ."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

_SAME_SECONDS = 0.001
"""Durations that differ by less are equal: each file has its own time base."""


class LengthPolicy(Enum):
    """What to do where speech and video differ in duration."""

    SHORTEST = "shortest"
    """End both with the shorter one."""
    FREEZE = "freeze"
    """Repeat the last frame until the speech ends."""
    LOOP = "loop"
    """Repeat the video until the speech ends."""


@dataclass(frozen=True, slots=True)
class InputDurations:
    """Durations of the inputs of a mux."""

    video_seconds: float
    speech_seconds: float
    delay_seconds: float
    """Silence before the speech."""
    frame_rate: float = 24.0
    """Frames per second of the result, greater than 0."""


@dataclass(frozen=True, slots=True)
class MuxDurations:
    """Durations of the result, and how they come about."""

    result_seconds: float
    """Duration of the result: whole frames, unless it ends with the shorter input."""
    freeze_seconds: float = 0.0
    """How long the last frame is repeated."""
    loops: int = 0
    """Number of repetitions of the video after the first pass."""
    looped_seconds: float = 0.0
    """Duration of the repetitions in the result."""
    cut_speech_seconds: float = 0.0
    """Duration of the speech that is cut off at the end."""
    cut_video_seconds: float = 0.0
    """Duration of the video that is cut off at the end."""
    video_frames: int = 0
    """Number of frames where the video is cut or repeated; 0 for all frames."""


def decide_durations(inputs: InputDurations, policy: LengthPolicy) -> MuxDurations:
    """Return the durations of the result.

    Args:
        inputs: Durations of the inputs.
        policy: What to do where they differ.
    """
    speech_ends = inputs.delay_seconds + inputs.speech_seconds
    surplus = speech_ends - inputs.video_seconds
    if policy is LengthPolicy.SHORTEST:
        return _decide_shortest(inputs, speech_ends)
    if surplus <= _SAME_SECONDS:
        return MuxDurations(inputs.video_seconds)
    # Up to the end of the frame in which the speech ends, so that no speech is lost.
    result_seconds = max(inputs.video_seconds, math.ceil(speech_ends * inputs.frame_rate - 1e-6) / inputs.frame_rate)
    added = result_seconds - inputs.video_seconds
    if policy is LengthPolicy.FREEZE:
        return MuxDurations(result_seconds, freeze_seconds=added)
    return MuxDurations(
        result_seconds,
        loops=math.ceil(result_seconds / inputs.video_seconds - 1e-9) - 1,
        looped_seconds=added,
        video_frames=round(result_seconds * inputs.frame_rate),
    )


def _decide_shortest(inputs: InputDurations, speech_ends: float) -> MuxDurations:
    result_seconds = min(inputs.video_seconds, speech_ends)
    cut_video = inputs.video_seconds - result_seconds
    if cut_video <= _SAME_SECONDS:
        return MuxDurations(
            inputs.video_seconds,
            cut_speech_seconds=min(inputs.speech_seconds, max(0.0, speech_ends - inputs.video_seconds)),
        )
    frames = max(1, round(result_seconds * inputs.frame_rate))
    return MuxDurations(result_seconds, cut_video_seconds=cut_video, video_frames=frames)
