"""When audio may gather: only while the listener has enough to play."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.pacing import Pacing, PlaybackClock

SMALL, LARGE = 4096, 64 * 1024


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_there_is_no_rest_before_the_listener_has_a_lead() -> None:
    listener = PlaybackClock(Pacing(), Clock())
    assert listener.rest_seconds(SMALL, 0.3) == 0
    assert listener.rest_seconds(SMALL, 0.51) == 0.25


def test_large_chunks_and_switched_off_pacing_give_no_rest() -> None:
    assert PlaybackClock(Pacing(), Clock()).rest_seconds(LARGE, 100) == 0
    assert PlaybackClock(None, Clock()).rest_seconds(SMALL, 100) == 0


def test_a_rest_that_outlasts_the_lead_is_refused() -> None:
    with pytest.raises(ValueError, match="less than lead_seconds"):
        Pacing(lead_seconds=0.2, rest_seconds=0.2)


@given(st.lists(st.floats(0.01, 0.6), min_size=1, max_size=60))
def test_no_rest_ever_lets_the_listener_run_dry(lengths_seconds: list[float]) -> None:
    clock, sent_seconds = Clock(), 0.0
    listener = PlaybackClock(Pacing(), clock)
    for length_seconds in lengths_seconds:
        sent_seconds += length_seconds
        clock.seconds += listener.rest_seconds(SMALL, sent_seconds)
        assert clock.seconds <= sent_seconds
