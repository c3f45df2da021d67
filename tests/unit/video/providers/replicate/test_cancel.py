"""ReplicateProvider.cancel sends the request of the official client, for running predictions only."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.common.errors import MediaError, Reason
from services.video.providers.replicate import ReplicateProvider
from services.video.providers.replicate.provider import wait_for_event
from tests.fakes.replicate import HANGS, FakeReplicate, Run
from tests.unit.video.providers.replicate.rig import CAT, assert_golden, get_error, open_provider


async def test_a_prediction_is_cancelled_as_the_official_client_does(
    replicate: FakeReplicate, provider: ReplicateProvider
) -> None:
    assert await provider.cancel(await provider.begin(CAT))
    assert_golden(replicate, 1, "predictions.cancel")
    # There is no body, so no content type.
    assert "content-type" not in replicate.requests[1].headers
    assert replicate.cancelled == ["p1"]


@pytest.mark.parametrize("status", ["succeeded", "failed", "aborted"])
async def test_a_finished_prediction_cannot_be_cancelled(
    replicate: FakeReplicate, provider: ReplicateProvider, status: str
) -> None:
    replicate.runs.append(Run(first=status))
    assert not await provider.cancel(await provider.begin(CAT))


async def test_an_unknown_prediction_cannot_be_cancelled(provider: ReplicateProvider) -> None:
    with pytest.raises(MediaError) as caught:
        await provider.cancel("p7")
    assert caught.value.reason is Reason.GENERATION_FAILED


async def test_a_cancellation_without_a_response_times_out(replicate: FakeReplicate) -> None:
    replicate.failures["cancel"].append(HANGS)
    async with open_provider(replicate, answer_seconds=0.2) as provider:
        prediction_id = await provider.begin(CAT)
        with pytest.raises(MediaError) as caught:
            await provider.cancel(prediction_id)
    assert caught.value.reason is Reason.PROVIDER_TIMEOUT


async def test_an_id_cannot_lead_to_another_path(replicate: FakeReplicate, provider: ReplicateProvider) -> None:
    with pytest.raises(MediaError):
        await provider.cancel("../files?x=")
    (sent,) = replicate.requests
    assert (sent.path, sent.query) == ("/v1/predictions/../files?x=/cancel", [])


async def test_a_cancellation_ends_the_wait_at_once(replicate: FakeReplicate, tmp_path: Path) -> None:
    replicate.runs.append(Run(("processing",)))
    async with (
        open_provider(replicate, wait_for_event, first_poll_seconds=50, timeout_seconds=60) as provider,
        asyncio.timeout(9),
    ):
        task = asyncio.create_task(get_error(provider, tmp_path))
        await replicate.until(lambda: len(replicate.requests) == 2)
        assert await provider.cancel("p1")
        assert (await task).reason is Reason.CANCELLED
