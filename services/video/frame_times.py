"""Measures the frames of a video by their own times: how long it lasts, at which rate, and whether the rate is steady.

Headers are not believed: recorders in browsers and phones write no frame rate, a wrong one, or vary it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

LEAST_OUTPUT_RATE, MOST_OUTPUT_RATE = Fraction(24), Fraction(60)
"""Bounds of the frame rate of encoded videos, in frames per second."""
_STANDARD_RATES = (
    Fraction(24000, 1001),
    Fraction(24),
    Fraction(25),
    Fraction(30000, 1001),
    Fraction(30),
    Fraction(50),
    Fraction(60000, 1001),
    Fraction(60),
)
_WHOLE_RATES = tuple(rate for rate in _STANDARD_RATES if rate.denominator == 1)
_JITTER_SHARE = 0.12
"""Accepted difference between a measured rate and the standard rate that a recorder aimed for."""
_NEARLY_EQUAL = 0.005
_HALF = 0.5
_RATE_DENOMINATOR = 1001
_STEADY_SHARE = 0.25
_LONGEST_LAST_SHARE = 1.5
_UNKNOWN_FRAME_SECONDS = 1 / 24
"""Assumed duration of a frame that is alone and states none."""

_SHORTEST_FRAME_SECONDS = 0.01
"""A shorter duration of a single frame is a unit of the clock, not a statement."""


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """The measured times of the frames that a video shows."""

    count: int = 0
    """Number of different times at which a frame is shown."""
    first_seconds: float = 0.0
    """Time of the first frame, in the clock of the file; it may be negative."""
    duration_seconds: float = 0.0
    """Time from the first frame to the end of the last one."""
    rate: float = 0.0
    """Frames per second: the steady rate, or the mean."""
    is_steady: bool = False
    """Whether all frames follow each other at one rate."""
    typical_interval_seconds: float = 0.0
    """Time between two frames where the video moves: a quarter of all intervals are shorter."""
    reordered_frames: int = 0
    """How many frames too late a cut after some packet may end, because frames are stored out of order."""


def measure_frames(times: Sequence[float], last_duration_seconds: float, stated_rate: float = 0.0) -> FrameTimes:
    """Measure a video.

    Args:
        times: Time of each frame in seconds, in the order of the packets.
        last_duration_seconds: Duration that the file states for the last frame; 0 if it states none. If it is too short
            to be seen beside the others, it is unknown, and the last frame lasts as long as the middle one of all.
        stated_rate: Frame rate from the header; used only where all frames agree with it.
    """
    shown = sorted(set(times))
    if not shown:
        return FrameTimes()
    if len(shown) == 1:
        return _measure_one_frame(shown[0], last_duration_seconds)
    intervals = sorted(later - earlier for earlier, later in pairwise(shown))
    median = intervals[len(intervals) // 2]
    last = last_duration_seconds if last_duration_seconds > _HALF * median else median
    duration = shown[-1] - shown[0] + last
    # A last frame that stands longer than the others breaks the rate.
    steady = _find_steady_rate(shown, stated_rate) if last <= _LONGEST_LAST_SHARE * median else 0.0
    return FrameTimes(
        count=len(shown),
        first_seconds=shown[0],
        duration_seconds=duration,
        rate=steady or len(shown) / duration,
        is_steady=steady > 0,
        typical_interval_seconds=intervals[len(intervals) // 4],
        reordered_frames=_count_reordered_frames(times, shown),
    )


def choose_output_rate(frames: FrameTimes) -> Fraction:
    """Return the frame rate for an encoded video: between 24 and 60, near to what the frames need.

    A steady rate is kept, or multiplied or divided by a whole number. Otherwise the rate follows the intervals of the
    moving parts; the nearest standard rate is chosen if it is close.
    """
    if not frames.is_steady:
        return _choose_rate_of_uneven_frames(1 / frames.typical_interval_seconds)
    if frames.rate < 1:
        return LEAST_OUTPUT_RATE
    rate = next(
        (each for each in _STANDARD_RATES if abs(float(each) - frames.rate) < _NEARLY_EQUAL),
        Fraction(frames.rate).limit_denominator(_RATE_DENOMINATOR),
    )
    if rate > MOST_OUTPUT_RATE:
        return rate / math.ceil(rate / MOST_OUTPUT_RATE)
    # 23.976 is a rate of its own, not to be doubled.
    return rate * max(1, math.ceil(_STANDARD_RATES[0] / rate))


def _count_reordered_frames(times: Sequence[float], shown: Sequence[float]) -> int:
    places = {time: place for place, time in enumerate(shown, 1)}
    last_place, most = 0, 0
    for number, time in enumerate(dict.fromkeys(times), 1):
        last_place = max(last_place, places[time])
        most = max(most, last_place - number)
    return most


def _measure_one_frame(time: float, stated_seconds: float) -> FrameTimes:
    duration = stated_seconds if stated_seconds >= _SHORTEST_FRAME_SECONDS else _UNKNOWN_FRAME_SECONDS
    return FrameTimes(1, time, duration, 1 / duration, is_steady=True, typical_interval_seconds=duration)


def _choose_rate_of_uneven_frames(measured: float) -> Fraction:
    nearest = min(_WHOLE_RATES, key=lambda rate: abs(float(rate) - measured))
    if abs(float(nearest) - measured) <= _JITTER_SHARE * float(nearest):
        return nearest
    return min(MOST_OUTPUT_RATE, max(LEAST_OUTPUT_RATE, Fraction(math.ceil(measured))))


def _find_steady_rate(shown: Sequence[float], stated_rate: float) -> float:
    """Return the rate at which every frame is at its place, to a quarter of a frame; 0 without one."""
    mean = (len(shown) - 1) / (shown[-1] - shown[0])
    standards = sorted((float(rate) for rate in _STANDARD_RATES), key=lambda rate: abs(rate - mean))
    near = (rate for rate in (stated_rate, *standards, mean) if abs(rate - mean) <= _HALF * mean)
    return next((rate for rate in near if _is_steady(shown, rate)), 0.0)


def _is_steady(shown: Sequence[float], rate: float) -> bool:
    first = shown[0]
    return all(abs(time - first - number / rate) * rate < _STEADY_SHARE for number, time in enumerate(shown))
