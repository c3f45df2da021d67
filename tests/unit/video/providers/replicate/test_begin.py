"""ReplicateProvider.begin sends the requests of the official client, and never creates twice."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import MediaError, Reason
from services.common.fetch import open_fetcher
from services.video.providers.interface import VideoRequest
from services.video.providers.replicate import ReplicateProvider, open_replicate
from services.video.providers.replicate.settings import DEFAULT_MODEL
from tests.fakes.replicate import (
    BROKEN,
    CUT,
    CUT_AFTER_WORK,
    DOWN,
    HANGS,
    NO_CREDIT,
    NOT_FOUND,
    THROTTLED_BY_BODY,
    THROTTLED_BY_HEADER,
    UNAUTHENTICATED,
    VIDEO,
    Failure,
    FakeReplicate,
    Run,
    build_field_error,
    build_problem,
)
from tests.fakes.web_host import run_web_host
from tests.unit.video.providers.replicate.rig import (
    BIG_CAT,
    CAT,
    JPEG,
    OWN_CAT,
    VERSION,
    assert_golden,
    fetch_video,
    get_error,
    is_charged,
    load_golden,
    make_settings,
    open_provider,
)


async def test_a_prediction_of_a_model_is_created_as_the_official_client_does(replicate: FakeReplicate) -> None:
    async with open_provider(replicate, webhook_url="https://me.example/hook") as provider:
        await provider.begin(CAT)
    # No webhook for the start: the response reports it.
    assert_golden(replicate, 0, "models.predictions.create", webhook_events_filter=["completed"])


async def test_the_first_response_may_be_delayed_for_the_video(replicate: FakeReplicate, tmp_path: Path) -> None:
    replicate.runs.append(Run(first="succeeded"))
    async with open_provider(replicate, wait_seconds=5) as provider:
        assert await fetch_video(provider, tmp_path) == VIDEO
    assert_golden(replicate, 0, "models.predictions.create_wait5")


async def test_a_version_is_created_as_the_official_client_does(replicate: FakeReplicate) -> None:
    request = VideoRequest("a cat", seconds=6, resolution="768p", model_input={"prompt_optimizer": True})
    async with open_provider(replicate, wait_seconds=1) as provider:
        await provider.begin(replace(CAT, request=request, model=f"minimax/hailuo-02:{VERSION}"))
    assert_golden(replicate, 0, "predictions.create_version", headers={"prefer": "wait=1"})


async def test_a_small_source_image_is_sent_as_a_data_uri(
    replicate: FakeReplicate, provider: ReplicateProvider
) -> None:
    await provider.begin(OWN_CAT)
    (sent,) = replicate.requests
    head, _, data = sent.body["input"]["first_frame_image"].partition(",")
    assert (head, base64.b64decode(data)) == ("data:image/jpeg;base64", JPEG)


async def test_a_large_source_image_is_uploaded_first(replicate: FakeReplicate, provider: ReplicateProvider) -> None:
    await provider.begin(BIG_CAT)
    upload, creation = replicate.requests
    expected = load_golden("files.create")
    assert (upload.method, upload.path) == (expected["method"], expected["path"])
    assert upload.headers["authorization"] == expected["semantic_headers"]["authorization"]
    assert upload.headers["content-type"].startswith("multipart/form-data; boundary=")
    source_image = {
        "Content-Type": "image/jpeg",
        "Content-Disposition": 'form-data; name="content"; filename="still.jpg"',
    }
    headers = [part["headers"] for part in expected["body"]["multipart"]]
    assert [part.headers.keys() for part in upload.parts] == [part.keys() for part in headers]
    assert [part.headers for part in upload.parts] == [headers[0], source_image]
    assert [part.data for part in upload.parts] == [b"{}", BIG_CAT.source_image]
    assert creation.body["input"]["first_frame_image"] == f"{replicate.base_url}/files/file-1"


@pytest.mark.parametrize("answer", [{}, {"urls": None}, {"urls": {"get": 7}}])
async def test_a_failed_upload_without_a_url_begins_nothing(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path, answer: Any
) -> None:
    replicate.file_answer = answer
    error = await get_error(provider, tmp_path, BIG_CAT)
    assert (error.reason, is_charged(error)) == (Reason.GENERATION_FAILED, False)
    assert replicate.created == 0


@pytest.mark.parametrize(
    "answer", [CUT, BROKEN, DOWN, Failure(502), Failure(504), Failure(200), HANGS, THROTTLED_BY_BODY, NOT_FOUND]
)
async def test_a_source_image_that_cannot_be_uploaded_costs_nothing(
    replicate: FakeReplicate, tmp_path: Path, answer: Failure
) -> None:
    replicate.failures["files"].append(answer)
    async with open_provider(replicate, answer_seconds=0.2) as provider:
        error = await get_error(provider, tmp_path, BIG_CAT)
    # The error does not concern a field of the caller's request.
    assert (error.violations, is_charged(error)) == ((), False)
    assert replicate.created == 0


async def test_a_public_url_of_the_source_image_is_forwarded_and_not_fetched(
    replicate: FakeReplicate, provider: ReplicateProvider
) -> None:
    async with run_web_host() as other:
        await provider.begin(replace(BIG_CAT, source_image_url=other.url("/cat.jpg")))
        assert other.requests == []
    (sent,) = replicate.requests
    assert sent.body["input"]["first_frame_image"] == other.url("/cat.jpg")


@pytest.mark.parametrize(
    ("answer", "reason", "charged"),
    [
        (UNAUTHENTICATED, Reason.PROVIDER_REJECTED_KEY, False),
        (NO_CREDIT, Reason.PROVIDER_QUOTA_EXCEEDED, False),
        (NOT_FOUND, Reason.VALIDATION_ERROR, False),
        (build_field_error("input.first_frame_image"), Reason.VALIDATION_ERROR, False),
        (THROTTLED_BY_HEADER, Reason.PROVIDER_BUSY, False),
        (THROTTLED_BY_BODY, Reason.PROVIDER_BUSY, False),
        (DOWN, Reason.PROVIDER_UNAVAILABLE, False),
        # These may come after the video was charged.
        (BROKEN, Reason.GENERATION_FAILED, True),
        (Failure(502), Reason.PROVIDER_UNAVAILABLE, True),
        (Failure(504), Reason.PROVIDER_TIMEOUT, True),
        (build_problem(408, "slow"), Reason.PROVIDER_TIMEOUT, True),
        (CUT, Reason.PROVIDER_UNAVAILABLE, True),
        (CUT_AFTER_WORK, Reason.PROVIDER_UNAVAILABLE, True),
        (Failure(201, ["odd"]), Reason.GENERATION_FAILED, True),
        (Failure(201), Reason.GENERATION_FAILED, True),
        (Failure(201, {"status": "starting"}), Reason.GENERATION_FAILED, True),
        (Failure(201, {"id": "../x"}), Reason.GENERATION_FAILED, True),
    ],
)
async def test_a_failed_creation_is_mapped_and_not_repeated(
    replicate: FakeReplicate,
    provider: ReplicateProvider,
    tmp_path: Path,
    answer: Failure,
    reason: Reason,
    charged: bool,
) -> None:
    replicate.failures["create"].append(answer)
    error = await get_error(provider, tmp_path)
    assert (error.reason, is_charged(error)) == (reason, charged)
    assert len(replicate.requests) == 1


async def test_a_creation_without_a_response_may_be_charged(replicate: FakeReplicate, tmp_path: Path) -> None:
    replicate.failures["create"].append(HANGS)
    async with open_provider(replicate, answer_seconds=0.2) as provider:
        error = await get_error(provider, tmp_path)
    assert (error.reason, is_charged(error)) == (Reason.PROVIDER_TIMEOUT, True)
    await replicate.until(lambda: replicate.abandoned == 1)
    assert len(replicate.requests) == 1


async def test_a_refused_connection_may_be_retried(replicate: FakeReplicate, tmp_path: Path) -> None:
    async with open_provider(replicate, base_url="http://127.0.0.1:9/v1") as provider:
        error = await get_error(provider, tmp_path)
    assert (error.reason, is_charged(error)) == (Reason.PROVIDER_UNAVAILABLE, False)


async def test_without_a_token_no_model_is_chosen(replicate: FakeReplicate) -> None:
    settings = make_settings(replicate, api_token="")
    async with open_fetcher() as downloads, open_replicate(settings, downloads) as provider:
        with pytest.raises(MediaError) as caught:
            provider.choose_model(VideoRequest("a cat"))
    assert caught.value.reason is Reason.API_KEY_MISSING
    assert "REPLICATE_API_TOKEN" in caught.value.message
    assert replicate.requests == []


async def test_without_a_token_nothing_is_begun(replicate: FakeReplicate) -> None:
    async with open_provider(replicate, api_token="") as provider:
        for spec in (CAT, BIG_CAT):
            with pytest.raises(MediaError) as caught:
                await provider.begin(spec)
            assert (caught.value.reason, is_charged(caught.value)) == (Reason.API_KEY_MISSING, False)
    assert replicate.requests == []


async def test_with_a_token_the_model_is_chosen(provider: ReplicateProvider) -> None:
    assert provider.choose_model(VideoRequest("a cat")) == DEFAULT_MODEL


@pytest.mark.parametrize(
    ("model", "resolution", "completed"),
    [
        ("minimax/hailuo-02-fast", "", "512p"),
        ("minimax/hailuo-02-fast", "1080p", "1080p"),
        ("minimax/hailuo-02", "", "768p"),
        ("", "", "768p"),
        ("owner/name", "", ""),
    ],
)
async def test_a_known_model_gets_its_default_resolution(
    provider: ReplicateProvider, model: str, resolution: str, completed: str
) -> None:
    found = provider.apply_defaults(VideoRequest("a cat", model=model, resolution=resolution))
    assert found.resolution == completed


async def test_a_known_model_gets_the_defaults_and_an_unknown_one_chooses_its_own(provider: ReplicateProvider) -> None:
    unset = VideoRequest("a cat", model="minimax/hailuo-2.3")
    assert provider.apply_defaults(unset) == replace(unset, seconds=6, resolution="768p")
    unknown = VideoRequest("a cat", model="someone/model")
    assert provider.apply_defaults(unknown) == unknown
