"""ReplicateProvider.fetch polls paid videos through failures, within a time limit."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.common.errors import MediaError, Reason
from services.video.progress import Progress, State
from services.video.providers.replicate import ReplicateProvider
from services.video.providers.replicate.provider import wait_for_event
from tests.fakes.replicate import (
    BROKEN,
    CUT,
    DOWN,
    HANGS,
    NOT_FOUND,
    THROTTLED_BY_BODY,
    THROTTLED_BY_HEADER,
    THROTTLED_BY_TEXT,
    UNAUTHENTICATED,
    VIDEO,
    Failure,
    FakeReplicate,
    Run,
    build_problem,
)
from tests.unit.video.providers.replicate.rig import (
    CAT,
    Delays,
    assert_golden,
    fetch_video,
    get_error,
    ignore_progress,
    is_charged,
    open_provider,
)


async def test_a_video_is_begun_polled_and_downloaded(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path
) -> None:
    replicate.runs.append(Run(("starting", "processing", "succeeded")))
    assert await provider.begin(CAT) == "p1"
    path = await provider.fetch("p1", tmp_path, ignore_progress)
    assert (path.parent, path.read_bytes()) == (tmp_path, VIDEO)
    assert_golden(replicate, 1, "predictions.get")
    assert [request.method for request in replicate.requests] == ["POST", "GET", "GET", "GET"]
    assert replicate.created == 1


async def test_polls_become_less_frequent(replicate: FakeReplicate, tmp_path: Path) -> None:
    replicate.runs.append(Run((*["processing"] * 12, "succeeded")))
    delays = Delays()
    async with open_provider(replicate, delays) as provider:
        await fetch_video(provider, tmp_path)
    assert delays.seconds == sorted(delays.seconds)
    assert (len(delays.seconds), delays.seconds[0], delays.seconds[-1]) == (12, 0.5, 5.0)


async def test_a_finished_video_needs_no_wait(replicate: FakeReplicate, tmp_path: Path) -> None:
    delays = Delays()
    async with open_provider(replicate, delays) as provider:
        await fetch_video(provider, tmp_path)
    assert delays.seconds == []


async def test_progress_is_reported_between_polls(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path
) -> None:
    reports: list[Progress] = []
    replicate.runs.append(Run(("starting", "processing", "succeeded")))
    await provider.fetch(await provider.begin(CAT), tmp_path, reports.append)
    assert [progress.state for progress in reports] == [State.QUEUED, State.RUNNING, State.STORING]
    assert [progress.estimated for progress in reports] == [False, True, False]
    replicate.runs.append(Run(("processing", "succeeded"), logs=" 42%|####2 | 21/50"))
    reports.clear()
    await provider.fetch(await provider.begin(CAT), tmp_path, reports.append)
    assert reports == [Progress(State.RUNNING, 42.0), Progress(State.STORING, 97.0)]


@pytest.mark.parametrize(
    ("answers", "delays"),
    [
        ([DOWN], [0.5]),
        ([DOWN, Failure(502), Failure(504), DOWN, DOWN, DOWN], [0.5, 1.0, 2.0, 4.0, 8.0, 10.0]),
        ([BROKEN, Failure(500), Failure(520)], [0.5, 1.0, 2.0]),
        # An HTML page, an unexpected list.
        ([Failure(200), Failure(200, ["odd"])], [0.5, 1.0]),
        ([build_problem(408, "slow")], [0.5]),
        ([THROTTLED_BY_HEADER, THROTTLED_BY_BODY, THROTTLED_BY_TEXT], [7, 11, 30]),
        ([Failure(429, {}, {"Retry-After": "86400"})], [3600]),
        ([Failure(503, {}, {"Retry-After": "3"})], [3]),
    ],
)
async def test_a_failed_poll_is_repeated(
    replicate: FakeReplicate, tmp_path: Path, answers: list[Failure], delays: list[float]
) -> None:
    replicate.failures["get"] += answers
    waited = Delays()
    async with open_provider(replicate, waited) as provider:
        assert await fetch_video(provider, tmp_path) == VIDEO
    assert waited.seconds == delays
    assert replicate.created == 1


async def test_a_poll_with_a_cut_connection_is_repeated(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path
) -> None:
    replicate.failures["get"] += [CUT, CUT, CUT]
    assert await fetch_video(provider, tmp_path) == VIDEO


async def test_a_poll_without_a_response_is_repeated(replicate: FakeReplicate, tmp_path: Path) -> None:
    replicate.failures["get"] += [HANGS, HANGS]
    async with open_provider(replicate, answer_seconds=0.2) as provider:
        assert await fetch_video(provider, tmp_path) == VIDEO
    await replicate.until(lambda: replicate.abandoned == 2)
    assert replicate.created == 1


async def test_a_failing_poll_is_not_repeated_for_ever(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path
) -> None:
    replicate.failures["get"] += [DOWN] * 8
    error = await get_error(provider, tmp_path)
    assert (error.reason, is_charged(error)) == (Reason.PROVIDER_UNAVAILABLE, True)
    assert len(replicate.requests) == 9


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (UNAUTHENTICATED, Reason.PROVIDER_REJECTED_KEY),
        (NOT_FOUND, Reason.GENERATION_FAILED),
    ],
)
async def test_a_rejected_poll_is_not_repeated(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path, answer: Failure, reason: Reason
) -> None:
    replicate.failures["get"].append(answer)
    error = await get_error(provider, tmp_path)
    assert (error.reason, is_charged(error)) == (reason, True)
    assert len(replicate.requests) == 2


async def test_a_prediction_that_replicate_has_deleted_is_an_error(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path
) -> None:
    with pytest.raises(MediaError) as caught:
        await provider.fetch("p7", tmp_path, ignore_progress)
    error = caught.value
    assert (error.reason, error.violations, is_charged(error)) == (Reason.GENERATION_FAILED, (), True)
    assert "no longer has this video" in error.message
    assert len(replicate.requests) == 1


async def test_a_finished_but_removed_video_is_an_error(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path
) -> None:
    replicate.runs.append(Run(is_removed=True))
    error = await get_error(provider, tmp_path)
    assert (error.reason, is_charged(error)) == (Reason.GENERATION_FAILED, True)
    assert "no longer has this video" in error.message


@pytest.mark.parametrize(
    ("run", "reason", "charged"),
    [
        (Run(("starting", "aborted")), Reason.PROVIDER_TIMEOUT, False),
        (Run(("processing", "canceled")), Reason.CANCELLED, True),
        (Run(("processing", "failed"), error="E9 CUDA out of memory"), Reason.GENERATION_FAILED, True),
        (Run(("processing", "failed"), error="flagged as sensitive (E005)"), Reason.CONTENT_BLOCKED, True),
        (Run(("failed",)), Reason.GENERATION_FAILED, True),
        (Run(shape=lambda _: None), Reason.GENERATION_FAILED, True),
        (Run(shape=lambda _: []), Reason.GENERATION_FAILED, True),
        (Run(shape=lambda _: "file:///etc/passwd"), Reason.GENERATION_FAILED, True),
    ],
)
async def test_a_failed_prediction_is_mapped_to_our_error(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path, run: Run, reason: Reason, charged: bool
) -> None:
    replicate.runs.append(run)
    error = await get_error(provider, tmp_path)
    assert (error.reason, is_charged(error)) == (reason, charged)
    assert "CUDA" not in error.message
    assert replicate.downloads == []


@pytest.mark.parametrize("run", [Run(("processing",)), Run(("starting",))])
async def test_an_endless_prediction_times_out(replicate: FakeReplicate, tmp_path: Path, run: Run) -> None:
    replicate.runs.append(run)
    async with open_provider(replicate, wait_for_event, timeout_seconds=0.2, first_poll_seconds=60) as provider:
        error = await get_error(provider, tmp_path)
    assert (error.reason, is_charged(error)) == (Reason.PROVIDER_TIMEOUT, True)


async def test_a_cancelled_wait_does_not_cancel_the_prediction(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path
) -> None:
    replicate.runs.append(Run(("processing",)))
    task = asyncio.create_task(fetch_video(provider, tmp_path))
    await replicate.until(lambda: len(replicate.requests) > 3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert replicate.cancelled == []
