"""Tests of the fal provider: requests equal those of the official client, every error, and no double payment."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest

from services.common.errors import CONCURRENCY, LIMIT_KEY, MAY_BE_CHARGED_KEY, MediaError, Reason
from services.common.images import Size
from services.common.providers import ProviderHttpClient, open_session
from services.common.providers.models import ModelInfo
from services.image.providers.fal import FalProvider, FalSettings
from services.image.providers.fal.provider import build_endpoint
from services.image.providers.fal.request import MODEL_TABLE
from services.image.providers.interface import ImageSpec, Mode, SourceImage
from tests.fakes.fal import API_KEY, HUGE_SEED, FakeDownloads, FakeFal, Run, run_fal

GOLDEN = Path(__file__).parents[4] / "golden" / "fal"
CAT = ImageSpec(Mode.STANDARD, "a cat", Size(1024, 768), "landscape_4_3", steps=28, guidance_scale=3.5, seed=7)
FAST = ImageSpec(Mode.FAST, "a cat", Size(512, 512), "square", steps=4, guidance_scale=3.5)
FROM_CAT = ImageSpec(
    Mode.TRANSFORM,
    "a cat",
    Size(64, 48),
    steps=40,
    source=SourceImage(b"\0\0\0", "image/png", Size(64, 48), "00"),
    strength=0.95,
)


def load_golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.fixture
async def fal() -> AsyncIterator[FakeFal]:
    async with run_fal() as fake:
        yield fake


@pytest.fixture
def downloads() -> FakeDownloads:
    return FakeDownloads()


async def skip_wait(_: float) -> None:
    await asyncio.sleep(0)


Sleep = Callable[[float], Awaitable[None]]


@asynccontextmanager
async def open_provider(
    fal: FakeFal, downloads: FakeDownloads, sleep: Sleep = skip_wait, **changes: Any
) -> AsyncIterator[FalProvider]:
    settings = FalSettings(API_KEY, fal.base_url, f"{fal.base_url}/sync", timeout_seconds=10)
    settings = replace(settings, **changes)
    async with open_session() as session:
        yield FalProvider(ProviderHttpClient(session, build_endpoint(settings)), settings, downloads, sleep)


@pytest.fixture
async def provider(fal: FakeFal, downloads: FakeDownloads) -> AsyncIterator[FalProvider]:
    async with open_provider(fal, downloads) as opened:
        yield opened


async def catch_error(provider: FalProvider, spec: ImageSpec = CAT) -> MediaError:
    with pytest.raises(MediaError) as caught:
        await provider.generate(spec)
    return caught.value


def assert_golden(fal: FakeFal, number: int, name: str, *, body: bool = True) -> None:
    sent, expected = fal.requests[number], load_golden(name)
    assert sent.method == expected["method"]
    assert {key: sent.headers[key] for key in expected["semantic_headers"]} == expected["semantic_headers"]
    assert [list(pair) for pair in sent.query] == expected["query"]
    if body:
        assert (sent.path, sent.body) == (expected["path"], expected["body"])


async def test_a_standard_image_goes_through_the_queue(
    fal: FakeFal, provider: FalProvider, downloads: FakeDownloads
) -> None:
    fal.runs.append(Run(polls=3, headers={"X-Fal-Billable-Units": "0.79"}))
    generated = await provider.generate(CAT)
    assert_golden(fal, 0, "queue.submit")
    assert_golden(fal, 1, "queue.status", body=False)
    assert_golden(fal, -1, "queue.result", body=False)
    assert [request.path.rpartition("/")[2] for request in fal.requests[1:]] == ["status"] * 3 + ["request-1"]
    assert (generated.data, generated.content_type, generated.seed) == (downloads.data, "image/png", HUGE_SEED)
    assert (generated.url, generated.request_id, generated.cost_units) == (
        f"{fal.base_url}/files/a.png",
        "request-1",
        1,
    )


async def test_a_fast_image_is_a_synchronous_call_with_the_fields_of_its_model(
    fal: FakeFal, provider: FalProvider
) -> None:
    generated = await provider.generate(FAST)
    (sent,) = fal.requests
    expected = load_golden("sync.run")
    assert (sent.method, sent.path) == (expected["method"], expected["path"])
    assert sent.body["prompt"] == expected["body"]["prompt"]
    assert sent.headers["authorization"] == expected["semantic_headers"]["authorization"]
    assert sent.body.keys() == load_golden("queue.submit")["body"].keys() - {"seed"}
    assert generated.request_id == "sync-1"


async def test_a_transform_request_sends_a_data_uri_and_no_size(fal: FakeFal, provider: FalProvider) -> None:
    await provider.generate(FROM_CAT)
    sent, expected = fal.requests[0], load_golden("queue.submit_image_to_image")
    assert sent.path == expected["path"]
    assert {name: sent.body[name] for name in expected["body"]} == expected["body"]
    assert "image_size" not in sent.body


async def test_a_strength_of_zero_becomes_the_minimum_of_fal(fal: FakeFal, provider: FalProvider) -> None:
    await provider.generate(replace(FROM_CAT, strength=0.0))
    assert fal.requests[0].body["strength"] == 0.01


async def test_a_size_without_a_preset_is_sent_in_pixels(fal: FakeFal, provider: FalProvider) -> None:
    await provider.generate(replace(CAT, size=Size(640, 360), preset=""))
    assert fal.requests[0].body["image_size"] == {"width": 640, "height": 360}
    await provider.generate(replace(CAT, size=Size(512, 512), preset="card"))
    assert fal.requests[3].body["image_size"] == {"width": 512, "height": 512}


@pytest.mark.parametrize(
    ("status", "body", "reason", "charged"),
    [
        (401, {"detail": "Cannot access application"}, Reason.PROVIDER_REJECTED_KEY, False),
        (403, {"detail": "User is locked. Reason: Exhausted balance."}, Reason.PROVIDER_QUOTA_EXCEEDED, False),
        (402, {"detail": "pay"}, Reason.PROVIDER_QUOTA_EXCEEDED, False),
        (404, {"detail": "Application not found"}, Reason.GENERATION_FAILED, False),
        (422, {"detail": [{"loc": ["body", "prompt"], "type": "missing"}]}, Reason.VALIDATION_ERROR, False),
        (422, {"detail": [{"type": "content_policy_violation"}]}, Reason.CONTENT_BLOCKED, False),
        (429, {"detail": "too many"}, Reason.PROVIDER_BUSY, False),
        (500, {"detail": "x", "error_type": "internal_error"}, Reason.GENERATION_FAILED, False),
        (502, None, Reason.PROVIDER_UNAVAILABLE, False),
        (503, {"detail": "x", "error_type": "runner_scheduling_failure"}, Reason.PROVIDER_UNAVAILABLE, False),
        (504, {"detail": "x", "error_type": "request_timeout"}, Reason.PROVIDER_TIMEOUT, False),
        (418, "tea", Reason.GENERATION_FAILED, False),
    ],
)
@pytest.mark.parametrize("spec", [CAT, FAST], ids=["queue", "sync"])
async def test_an_error_response_is_mapped_to_a_reason(
    fal: FakeFal, provider: FalProvider, spec: ImageSpec, status: int, body: Any, reason: Reason, charged: bool
) -> None:
    fal.submissions.append((status, body))
    error = await catch_error(provider, spec)
    assert error.reason is reason
    assert (MAY_BE_CHARGED_KEY in error.metadata) == charged
    assert "locked" not in error.message
    assert fal.paid == 0
    if reason is Reason.PROVIDER_BUSY:
        assert error.metadata[LIMIT_KEY] == CONCURRENCY


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (Run(error="content_policy_violation", status=422, body={"detail": []}), Reason.VALIDATION_ERROR),
        (Run(status=422, body={"detail": [{"type": "content_policy_violation"}]}), Reason.CONTENT_BLOCKED),
        (Run(status=500, body={"detail": "x", "error_type": "runner_server_error"}), Reason.GENERATION_FAILED),
        (Run(body={"images": [{"url": "x"}], "has_nsfw_concepts": [True]}), Reason.CONTENT_BLOCKED),
        (Run(body={"images": []}), Reason.GENERATION_FAILED),
        (Run(body={}), Reason.GENERATION_FAILED),
        (Run(body={"images": [{"url": "data:image/png;base64,!!"}]}), Reason.GENERATION_FAILED),
    ],
)
async def test_a_completed_request_may_have_failed(
    fal: FakeFal, provider: FalProvider, run: Run, reason: Reason
) -> None:
    fal.runs.append(run)
    error = await catch_error(provider)
    assert error.reason is reason
    assert (MAY_BE_CHARGED_KEY in error.metadata) == (reason is not Reason.VALIDATION_ERROR)


async def test_an_inline_image_in_the_response_is_accepted(fal: FakeFal, provider: FalProvider) -> None:
    fal.runs.append(Run(body={"images": [{"url": "data:image/png;base64,AAAA"}], "seed": 5}))
    generated = await provider.generate(CAT)
    assert (generated.data, generated.url, generated.seed, generated.cost_units) == (b"\0\0\0", "", 5, None)


async def test_a_failed_poll_is_repeated(fal: FakeFal, provider: FalProvider) -> None:
    fal.broken_polls = 2
    await provider.generate(CAT)
    assert fal.paid == 1
    fal.broken_polls = 3
    error = await catch_error(provider)
    assert error.reason is Reason.PROVIDER_UNAVAILABLE
    assert MAY_BE_CHARGED_KEY in error.metadata


async def test_a_result_of_an_unexpected_form_is_requested_again(fal: FakeFal, provider: FalProvider) -> None:
    # A proxy may answer in place of fal; the image itself is not affected.
    fal.runs.append(Run(body=["odd"]))
    error = await catch_error(provider)
    assert error.reason is Reason.PROVIDER_UNAVAILABLE
    assert MAY_BE_CHARGED_KEY in error.metadata
    assert [request.path.rpartition("/")[2] for request in fal.requests].count("request-1") == 3
    assert fal.paid == 1


async def test_cancelling_a_call_cancels_the_request_in_the_queue(fal: FakeFal, provider: FalProvider) -> None:
    fal.runs.append(Run(hangs=True))
    task = asyncio.create_task(provider.generate(CAT))
    await fal.until(lambda: len(fal.requests) > 3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert fal.cancelled == ["request-1"]
    sent, expected = fal.requests[-1], load_golden("queue.cancel")
    assert sent.method == expected["method"]


async def test_cancelling_a_submission_cancels_the_request_in_the_queue(fal: FakeFal, provider: FalProvider) -> None:
    fal.admits.clear()
    task = asyncio.create_task(provider.generate(CAT))
    await fal.until(lambda: len(fal.requests) == 1)
    task.cancel()
    fal.admits.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert fal.cancelled == ["request-1"]


async def test_cancelling_a_fast_image_closes_the_connection(fal: FakeFal, provider: FalProvider) -> None:
    fal.runs.append(Run(hangs=True))
    task = asyncio.create_task(provider.generate(FAST))
    await fal.until(lambda: fal.paid == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await fal.until(lambda: fal.abandoned == 1)
    assert (fal.abandoned, fal.cancelled) == (1, [])


async def test_a_request_that_hangs_is_cancelled_at_the_timeout(fal: FakeFal, downloads: FakeDownloads) -> None:
    fal.runs.append(Run(hangs=True))
    async with open_provider(fal, downloads, timeout_seconds=1) as provider:
        error = await catch_error(provider)
    assert error.reason is Reason.PROVIDER_TIMEOUT
    assert MAY_BE_CHARGED_KEY in error.metadata
    assert fal.cancelled == ["request-1"]


async def test_polls_become_less_frequent(fal: FakeFal, downloads: FakeDownloads) -> None:
    delays: list[float] = []

    async def record_delay(seconds: float) -> None:
        delays.append(seconds)

    fal.runs.append(Run(polls=9))
    async with open_provider(fal, downloads, record_delay) as provider:
        await provider.generate(CAT)
    assert delays == sorted(delays)
    assert (delays[0], delays[-1]) == (0.3, 2.0)


async def test_the_key_is_sent_only_to_fal(fal: FakeFal, provider: FalProvider) -> None:
    fal.own_urls = {"status_url": "http://elsewhere.example/status"}
    error = await catch_error(provider)
    assert error.reason is Reason.GENERATION_FAILED
    assert len(fal.requests) == 1


async def test_the_download_of_a_paid_image_is_retried(
    fal: FakeFal, provider: FalProvider, downloads: FakeDownloads
) -> None:
    downloads.failures.append(Reason.URL_UNREACHABLE)
    assert (await provider.generate(CAT)).data == downloads.data
    downloads.failures += [Reason.URL_UNREACHABLE] * 2
    error = await catch_error(provider)
    assert error.reason is Reason.GENERATION_FAILED
    assert MAY_BE_CHARGED_KEY in error.metadata


async def test_the_download_of_a_deleted_image_returns_none(provider: FalProvider, downloads: FakeDownloads) -> None:
    assert await provider.download("https://v3.fal.media/files/a.png") == downloads.data
    downloads.failures.append(Reason.URL_UNREACHABLE)
    assert await provider.download("https://v3.fal.media/files/a.png") is None


async def test_without_a_key_no_request_is_sent(fal: FakeFal, downloads: FakeDownloads) -> None:
    async with open_provider(fal, downloads, api_key="") as provider:
        error = await catch_error(provider)
    assert (error.reason, "FAL_KEY" in error.message) == (Reason.API_KEY_MISSING, True)
    assert fal.requests == []


async def test_an_unreachable_server_is_unavailable_and_charges_nothing(fal: FakeFal, downloads: FakeDownloads) -> None:
    async with open_provider(fal, downloads, queue_base_url="http://127.0.0.1:9") as provider:
        error = await catch_error(provider)
    assert error.reason is Reason.PROVIDER_UNAVAILABLE
    assert MAY_BE_CHARGED_KEY not in error.metadata


async def test_a_model_that_has_ended_is_refused_before_a_request(
    fal: FakeFal, provider: FalProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = replace(MODEL_TABLE["fal-ai/flux/dev"], ends_on=date(2026, 1, 1))
    monkeypatch.setitem(cast("dict[str, ModelInfo]", MODEL_TABLE), ended.model_id, ended)
    with pytest.raises(MediaError) as caught:
        await provider.generate(CAT)
    assert caught.value.reason is Reason.MODEL_RETIRED
    assert caught.value.metadata["model"] == "fal-ai/flux/dev"
    assert fal.requests == []
