"""Tests of the estimated progress of an image: reported during the call, and never at the cost of its outcome."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import MediaError, Reason
from services.jobs.lease import LeaseLostError
from services.jobs.pipelines.steps import await_with_progress, estimate_percent


async def test_the_progress_of_an_image_is_reported_until_its_reply() -> None:
    reported: list[float] = []
    replied = asyncio.Event()

    async def reply() -> str:
        await replied.wait()
        return "image"

    async def report(seconds: float) -> None:
        reported.append(seconds)
        if len(reported) == 3:
            replied.set()

    assert await await_with_progress(reply(), report, pause_seconds=0.001) == "image"
    assert len(reported) >= 3
    assert reported == sorted(reported)


async def test_a_failed_image_raises_its_error() -> None:
    async def fail() -> None:
        raise MediaError(Reason.CONTENT_BLOCKED, "no")

    async def report(seconds: float) -> None:
        raise AssertionError(seconds)

    with pytest.raises(MediaError, match="no"):
        await await_with_progress(fail(), report)


async def test_a_lost_lease_cancels_the_call_for_an_image() -> None:
    ended = asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def report(_: float) -> None:
        raise LeaseLostError

    with pytest.raises(LeaseLostError):
        await await_with_progress(hang(), report, pause_seconds=0.001)
    assert ended.is_set()


@given(st.floats(0, 1000), st.floats(0, 1000))
def test_the_estimated_percent_grows_and_stays_below_100(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= estimate_percent(low) <= estimate_percent(high) <= 100
