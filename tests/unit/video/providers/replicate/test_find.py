"""ReplicateProvider.find returns predictions with a lost response, and no others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import MediaError, Reason
from services.video.providers.interface import VideoRequest, VideoSpec
from services.video.providers.replicate import ReplicateProvider
from services.video.providers.replicate.settings import DEFAULT_MODEL
from tests.fakes.replicate import CUT_AFTER_WORK, DOWN, HANGS, VIDEO, Failure, FakeReplicate, Run
from tests.unit.video.providers.replicate.rig import (
    BIG_CAT,
    CAT,
    JPEG,
    LONG_AGO,
    OWN_CAT,
    VERSION,
    get_error,
    ignore_progress,
    is_charged,
    open_provider,
)

OTHER = "someone/model"
LIKE_THE_CAT = {
    "id": "p1",
    "model": OTHER,
    "input": {"prompt": "a cat", "first_frame_image": CAT.source_image_url},
    "status": "starting",
}


async def test_a_creation_with_a_lost_response_is_found_again(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path
) -> None:
    replicate.failures["create"].append(CUT_AFTER_WORK)
    since = datetime.now(UTC) - timedelta(seconds=60)
    assert is_charged(await get_error(provider, tmp_path, OWN_CAT))
    assert await provider.find(OWN_CAT, since) == "p1"
    assert (replicate.requests[-1].method, replicate.requests[-1].path) == ("GET", "/v1/predictions")
    assert (await provider.fetch("p1", tmp_path, ignore_progress)).read_bytes() == VIDEO
    assert replicate.created == 1


async def test_the_latest_of_several_predictions_is_found(
    replicate: FakeReplicate, provider: ReplicateProvider
) -> None:
    assert await provider.find(CAT, LONG_AGO) is None
    for _ in range(3):
        await provider.begin(CAT)
    await provider.begin(replace(CAT, request=VideoRequest("a dog")))
    assert await provider.find(CAT, LONG_AGO) == "p3"


@pytest.mark.parametrize("status", ["failed", "canceled", "aborted"])
async def test_a_failed_prediction_is_not_found(
    replicate: FakeReplicate, provider: ReplicateProvider, status: str
) -> None:
    replicate.runs.append(Run(first=status))
    await provider.begin(CAT)
    assert await provider.find(CAT, LONG_AGO) is None


async def test_a_prediction_of_another_time_or_other_inputs_is_not_found(
    replicate: FakeReplicate, provider: ReplicateProvider
) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    replicate.now = lambda: now
    await provider.begin(CAT)
    assert await provider.find(CAT, now) == "p1"
    assert await provider.find(CAT, now + timedelta(seconds=1)) is None
    assert await provider.find(replace(CAT, request=VideoRequest("a cat", seconds=10)), now) is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"results": None},
        {"results": ["p1", None, {}, {"id": "p1", "input": None}]},
        {"results": [LIKE_THE_CAT]},
        {"results": [{**LIKE_THE_CAT, "created_at": "yesterday"}]},
        {"results": [{**LIKE_THE_CAT, "created_at": "2026-11-21T08:00:00Z", "id": "../x"}]},
    ],
)
async def test_a_list_of_any_shape_is_accepted(
    replicate: FakeReplicate, provider: ReplicateProvider, body: Any
) -> None:
    replicate.failures["list"].append(Failure(200, body))
    assert await provider.find(replace(CAT, model=OTHER), LONG_AGO) is None


async def test_a_failed_list_request_is_an_error(replicate: FakeReplicate, provider: ReplicateProvider) -> None:
    replicate.failures["list"].append(DOWN)
    with pytest.raises(MediaError) as caught:
        await provider.find(CAT, LONG_AGO)
    assert caught.value.reason is Reason.PROVIDER_UNAVAILABLE


async def test_a_list_request_without_a_response_times_out(replicate: FakeReplicate) -> None:
    replicate.failures["list"].append(HANGS)
    async with open_provider(replicate, answer_seconds=0.2) as provider:
        with pytest.raises(MediaError) as caught:
            await provider.find(CAT, LONG_AGO)
    assert (caught.value.reason, is_charged(caught.value)) == (Reason.PROVIDER_TIMEOUT, False)


@pytest.mark.parametrize("model", [OTHER, VERSION, f"{OTHER}:{VERSION}"])
async def test_a_prediction_of_any_model_is_found_and_of_another_is_not(
    replicate: FakeReplicate, provider: ReplicateProvider, model: str
) -> None:
    spec = replace(CAT, model=model)
    await provider.begin(spec)
    assert await provider.find(spec, LONG_AGO) == "p1"
    for other in ("someone/other", VERSION[::-1], DEFAULT_MODEL):
        assert await provider.find(replace(CAT, model=other), LONG_AGO) is None


@pytest.mark.parametrize("spec", [CAT, OWN_CAT])
async def test_a_prediction_with_another_source_image_is_not_found(
    replicate: FakeReplicate, provider: ReplicateProvider, spec: VideoSpec
) -> None:
    await provider.begin(spec)
    assert await provider.find(spec, LONG_AGO) == "p1"
    url = spec.source_image_url and "https://x/another.png"
    assert await provider.find(replace(spec, source_image=JPEG + b"x", source_image_url=url), LONG_AGO) is None


async def test_an_uploaded_source_image_is_not_compared(replicate: FakeReplicate, provider: ReplicateProvider) -> None:
    await provider.begin(BIG_CAT)
    assert await provider.find(BIG_CAT, LONG_AGO) == "p1"
    assert await provider.find(replace(BIG_CAT, request=VideoRequest("a dog")), LONG_AGO) is None
    assert [request.path for request in replicate.requests] == [
        "/v1/files",
        "/v1/models/minimax/hailuo-02/predictions",
        "/v1/predictions",
        "/v1/predictions",
    ]
