"""measure_frames, choose_output_rate: durations and rates are those of the frames, whatever a header states."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.video.frame_times import (
    LEAST_OUTPUT_RATE,
    MOST_OUTPUT_RATE,
    FrameTimes,
    choose_output_rate,
    measure_frames,
)

INTERVALS = st.lists(st.floats(0.0005, 30.0), min_size=1, max_size=60)
NTSC = 24_000 / 1001


def make_times(rate: float, count: int, first: float = 0.0) -> list[float]:
    return [first + number / rate for number in range(count)]


def round_to_milliseconds(times: list[float]) -> list[float]:
    return [round(time, 3) for time in times]


@pytest.mark.parametrize("rate", [1.0, 10.0, NTSC, 24.0, 25.0, 29.97, 30.0, 50.0, 60.0, 120.0])
@pytest.mark.parametrize("first", [0.0, -1.5, 700.0])
def test_a_steady_rate_is_found_without_a_header_from_any_start(rate: float, first: float) -> None:
    found = measure_frames(make_times(rate, 240, first), 0.0)
    assert found.is_steady
    assert found.rate == pytest.approx(rate, rel=0.001)
    assert found.first_seconds == first
    assert found.duration_seconds == pytest.approx(240 / rate)


@pytest.mark.parametrize("stated", [0.0, 1000.0, 12.0, 24.0])
def test_times_in_milliseconds_are_steady_and_a_wrong_header_is_ignored(stated: float) -> None:
    found = measure_frames(round_to_milliseconds(make_times(24.0, 240)), 0.001, stated)
    assert (found.rate, found.is_steady) == (24.0, True)
    assert found.duration_seconds == pytest.approx(10.0, abs=0.002)


def test_the_frames_of_a_browser_are_counted() -> None:
    # Timer and camera do not agree: 33, 57, 57 ms.
    times = list(accumulate([0.0, *[0.033, 0.057, 0.057] * 40]))
    found = measure_frames(times, 0.001, 1000.0)
    assert (found.count, found.is_steady) == (121, False)
    assert found.rate == pytest.approx(121 / found.duration_seconds)
    assert choose_output_rate(found) == 30


def test_a_last_frame_without_a_duration_lasts_as_long_as_the_others() -> None:
    for stated in (0.0, 0.001, 1 / 24):
        assert measure_frames(make_times(24.0, 48), stated).duration_seconds == pytest.approx(2.0)


def test_a_last_frame_that_stands_long_counts_and_is_not_steady() -> None:
    found = measure_frames(make_times(24.0, 48), 3.0)
    assert found.duration_seconds == pytest.approx(47 / 24 + 3.0)
    assert not found.is_steady
    assert choose_output_rate(found) == 24


@pytest.mark.parametrize(("stated", "seconds"), [(0.0, 1 / 24), (0.001, 1 / 24), (12.0, 12.0)])
def test_a_single_frame_lasts_as_it_states_or_a_moment(stated: float, seconds: float) -> None:
    found = measure_frames([5.0], stated, 1000.0)
    assert (found.count, found.duration_seconds, found.is_steady) == (1, seconds, True)
    assert choose_output_rate(found) == 24


def test_no_frames_have_no_duration() -> None:
    assert measure_frames([], 1.0, 24.0) == FrameTimes()


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (0.25, Fraction(24)),
        (1.0, Fraction(24)),
        (10.0, Fraction(30)),
        (12.5, Fraction(25)),
        (15.0, Fraction(30)),
        (NTSC, Fraction(24_000, 1001)),
        (24.0, Fraction(24)),
        (29.97, Fraction(30_000, 1001)),
        (60.0, Fraction(60)),
        (120.0, Fraction(60)),
        (240.0, Fraction(60)),
        (100.0, Fraction(50)),
    ],
)
def test_a_steady_rate_is_kept_or_a_whole_multiple_or_part(rate: float, expected: Fraction) -> None:
    assert choose_output_rate(measure_frames(make_times(rate, 2000), 0.0)) == expected


def test_the_rate_of_a_screen_recording_follows_its_moving_parts() -> None:
    times = list(accumulate([0.0, *[2.0] * 10, *[1 / 60] * 100]))
    assert choose_output_rate(measure_frames(times, 0.0)) == 60


@given(INTERVALS, st.floats(-100, 1000), st.floats(0, 30), st.floats(0, 100_000))
def test_the_output_rate_is_bounded_for_any_times_and_header(
    intervals: list[float], first: float, last: float, stated: float
) -> None:
    found = measure_frames(list(accumulate([first, *intervals])), last, stated)
    rate = choose_output_rate(found)
    assert Fraction(23976, 1001) <= rate <= MOST_OUTPUT_RATE
    assert rate >= LEAST_OUTPUT_RATE - Fraction(1, 40)
    assert found.duration_seconds >= sum(intervals) - 1e-6
    assert found.rate > 0


@given(INTERVALS, st.floats(-100, 1000), st.randoms(use_true_random=False))
def test_the_start_and_the_order_of_packets_change_no_length(intervals: list[float], first: float, random) -> None:  # type: ignore[no-untyped-def]
    times = list(accumulate([0.0, *intervals]))
    shuffled = [first + time for time in times]
    random.shuffle(shuffled)
    there, here = measure_frames(shuffled, 0.0), measure_frames(times, 0.0)
    assert there.duration_seconds == pytest.approx(here.duration_seconds, abs=1e-6)
    assert there.first_seconds == pytest.approx(first)
    assert here.reordered_frames == 0


@pytest.mark.parametrize(("places", "expected"), [([0, 1, 2, 3], 0), ([0, 3, 1, 2], 2), ([0, 4, 2, 1, 3], 3)])
def test_frames_out_of_order_make_a_cut_late(places: list[int], expected: int) -> None:
    assert measure_frames([place / 24 for place in places], 0.0).reordered_frames == expected
