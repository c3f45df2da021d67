"""Durations of a mux for each policy, and invariants of all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.video.duration_policy import InputDurations, LengthPolicy, MuxDurations, decide_durations

SAME_SECONDS = 0.001
RATES = st.sampled_from((10.0, 12.5, 23.976, 24.0, 24_000 / 1001, 25.0, 29.97, 30.0, 50.0, 60.0))
LAID_TOGETHER = st.builds(
    InputDurations,
    video_seconds=st.floats(0.05, 600),
    speech_seconds=st.floats(0.01, 600),
    delay_seconds=st.integers(0, 60_000).map(lambda milliseconds: milliseconds / 1000),
    frame_rate=RATES,
)
LENGTHENING = st.sampled_from((LengthPolicy.FREEZE, LengthPolicy.LOOP))


def decide(
    policy: LengthPolicy,
    video_seconds: float,
    speech_seconds: float,
    delay_seconds: float = 0.5,
    frame_rate: float = 24.0,
) -> MuxDurations:
    return decide_durations(InputDurations(video_seconds, speech_seconds, delay_seconds, frame_rate), policy)


def compute_speech_end(inputs: InputDurations) -> float:
    return inputs.delay_seconds + inputs.speech_seconds


@pytest.mark.parametrize(
    ("video_seconds", "speech_seconds", "expected"),
    [
        (6.0, 3.5, MuxDurations(4.0, cut_video_seconds=2.0, video_frames=96)),
        (6.0, 7.5, MuxDurations(6.0, cut_speech_seconds=2.0)),
        (6.0, 5.5, MuxDurations(6.0)),
        (6.0, 5.4995, MuxDurations(6.0)),
        (6.0, 0.01, MuxDurations(0.51, cut_video_seconds=5.49, video_frames=12)),
    ],
)
def test_shortest_ends_with_the_shorter_one(
    video_seconds: float, speech_seconds: float, expected: MuxDurations
) -> None:
    assert decide(LengthPolicy.SHORTEST, video_seconds, speech_seconds) == expected


def test_a_video_cut_to_next_to_nothing_keeps_a_frame() -> None:
    assert decide(LengthPolicy.SHORTEST, 6.0, 0.01, delay_seconds=0).video_frames == 1


@pytest.mark.parametrize(
    ("video_seconds", "speech_seconds", "expected"),
    [
        (6.0, 3.5, MuxDurations(6.0)),
        (6.0, 5.5, MuxDurations(6.0)),
        (6.0, 5.5005, MuxDurations(6.0)),
        (6.0, 7.5, MuxDurations(8.0, freeze_seconds=2.0)),
        (6.0, 5.75, MuxDurations(6.25, freeze_seconds=0.25)),
        (6.0, 5.51, MuxDurations(145 / 24, freeze_seconds=145 / 24 - 6)),
    ],
)
def test_freeze_repeats_the_last_frame_until_the_speech_ends(
    video_seconds: float, speech_seconds: float, expected: MuxDurations
) -> None:
    assert decide(LengthPolicy.FREEZE, video_seconds, speech_seconds) == expected


@pytest.mark.parametrize(
    ("video_seconds", "speech_seconds", "expected"),
    [
        (6.0, 3.5, MuxDurations(6.0)),
        (6.0, 5.5, MuxDurations(6.0)),
        (6.0, 7.5, MuxDurations(8.0, loops=1, looped_seconds=2.0, video_frames=192)),
        (6.0, 11.5, MuxDurations(12.0, loops=1, looped_seconds=6.0, video_frames=288)),
        (6.0, 11.75, MuxDurations(12.25, loops=2, looped_seconds=6.25, video_frames=294)),
        (0.5, 9.5, MuxDurations(10.0, loops=19, looped_seconds=9.5, video_frames=240)),
    ],
)
def test_loop_repeats_the_video_until_the_speech_ends(
    video_seconds: float, speech_seconds: float, expected: MuxDurations
) -> None:
    assert decide(LengthPolicy.LOOP, video_seconds, speech_seconds) == expected


@pytest.mark.parametrize("policy", LengthPolicy)
def test_durations_that_differ_by_less_than_a_tick_are_equal(policy: LengthPolicy) -> None:
    for difference in (-0.0009, 0.0, 0.0009):
        found = decide(policy, 6.0, 5.5 + difference)
        assert (found.result_seconds, found.video_frames, found.loops, found.freeze_seconds) == (6.0, 0, 0, 0.0)


@given(LAID_TOGETHER, LENGTHENING)
def test_no_speech_is_cut_where_the_video_is_made_longer(inputs: InputDurations, policy: LengthPolicy) -> None:
    found = decide_durations(inputs, policy)
    assert found.result_seconds >= compute_speech_end(inputs) - SAME_SECONDS
    assert found.result_seconds >= inputs.video_seconds
    assert found.cut_speech_seconds == found.cut_video_seconds == 0.0


@given(LAID_TOGETHER, LENGTHENING)
def test_a_video_made_longer_is_whole_frames_and_no_frame_too_long(
    inputs: InputDurations, policy: LengthPolicy
) -> None:
    found = decide_durations(inputs, policy)
    if compute_speech_end(inputs) <= inputs.video_seconds:
        assert found == MuxDurations(inputs.video_seconds)
        return
    assert found.result_seconds < compute_speech_end(inputs) + 1 / inputs.frame_rate
    if found.result_seconds > inputs.video_seconds:
        frames = found.result_seconds * inputs.frame_rate
        assert frames == pytest.approx(round(frames), abs=1e-6)
        assert found.video_frames == (round(frames) if policy is LengthPolicy.LOOP else 0)


@given(LAID_TOGETHER)
def test_the_added_time_is_reported_as_frozen_or_looped(inputs: InputDurations) -> None:
    frozen, looped = decide_durations(inputs, LengthPolicy.FREEZE), decide_durations(inputs, LengthPolicy.LOOP)
    assert frozen.result_seconds == looped.result_seconds
    assert frozen.freeze_seconds == looped.looped_seconds == frozen.result_seconds - inputs.video_seconds
    assert (frozen.loops, frozen.looped_seconds, looped.freeze_seconds) == (0, 0.0, 0.0)


@given(LAID_TOGETHER)
def test_a_video_is_repeated_only_as_often_as_needed(inputs: InputDurations) -> None:
    found = decide_durations(inputs, LengthPolicy.LOOP)
    assert (found.loops + 1) * inputs.video_seconds >= found.result_seconds - 1e-6
    assert found.loops * inputs.video_seconds < found.result_seconds
    assert (found.loops > 0) == (found.looped_seconds > 0)


@given(LAID_TOGETHER)
def test_shortest_is_the_smaller_of_both(inputs: InputDurations) -> None:
    found = decide_durations(inputs, LengthPolicy.SHORTEST)
    assert found.result_seconds == pytest.approx(
        min(inputs.video_seconds, compute_speech_end(inputs)), abs=SAME_SECONDS
    )
    assert found.result_seconds + found.cut_video_seconds == pytest.approx(inputs.video_seconds)
    assert found.cut_speech_seconds == 0.0 or found.cut_video_seconds == 0.0
    assert (found.loops, found.freeze_seconds, found.looped_seconds) == (0, 0.0, 0.0)
    if found.video_frames:
        assert found.video_frames == pytest.approx(max(1.0, found.result_seconds * inputs.frame_rate), abs=0.5)


def test_speech_that_starts_after_the_end_is_cut_whole() -> None:
    assert decide(LengthPolicy.SHORTEST, 1.0, 2.0, delay_seconds=3.0).cut_speech_seconds == 2.0


@given(LAID_TOGETHER)
def test_no_more_speech_is_cut_than_there_is(inputs: InputDurations) -> None:
    assert 0.0 <= decide_durations(inputs, LengthPolicy.SHORTEST).cut_speech_seconds <= inputs.speech_seconds
