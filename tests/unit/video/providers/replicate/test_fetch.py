"""ReplicateProvider.fetch downloads videos through failures, and sends the token only to the API."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from services.common.errors import Reason
from services.video.providers.replicate import ReplicateProvider
from tests.fakes.replicate import API_TOKEN, DOWN, HANGS, VIDEO, Failure, FakeReplicate, Run
from tests.fakes.web_host import run_web_host
from tests.unit.video.providers.replicate.rig import Delays, fetch_video, get_error, is_charged, open_provider


@pytest.mark.parametrize(
    "run",
    [
        Run(shape=lambda url: [url]),
        Run(shape=lambda url: {"seed": 7, "video": url}),
        Run(("a status of next year", "succeeded")),
    ],
)
async def test_output_and_logs_of_different_models_are_understood(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path, run: Run
) -> None:
    replicate.runs.append(run)
    assert await fetch_video(provider, tmp_path) == VIDEO


async def test_a_failed_download_is_retried(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path
) -> None:
    replicate.failures["output"] += [Failure(404), DOWN]
    assert await fetch_video(provider, tmp_path) == VIDEO
    assert len(replicate.downloads) == 3
    # Each attempt polls for the URL again: the old one may have expired.
    assert [request.method for request in replicate.requests] == ["POST", "GET", "GET", "GET"]


async def test_there_is_a_delay_between_two_downloads(replicate: FakeReplicate, tmp_path: Path) -> None:
    delays = Delays()
    replicate.failures["output"] += [Failure(404), DOWN]
    async with open_provider(replicate, delays) as provider:
        assert await fetch_video(provider, tmp_path) == VIDEO
    assert delays.seconds == [5.0, 10.0]


async def test_there_is_no_delay_after_the_last_download(replicate: FakeReplicate, tmp_path: Path) -> None:
    delays = Delays()
    replicate.failures["output"] += [Failure(404)] * 3
    async with open_provider(replicate, delays) as provider:
        assert (await get_error(provider, tmp_path)).reason is Reason.GENERATION_FAILED
    assert delays.seconds == [5.0, 10.0]


async def test_a_cut_download_starts_again_from_the_beginning(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path
) -> None:
    replicate.cut_videos = 2
    assert await fetch_video(provider, tmp_path) == VIDEO
    assert len(replicate.downloads) == 3


async def test_a_missing_video_is_an_error_and_not_generated_again(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path
) -> None:
    replicate.failures["output"] += [Failure(404)] * 3
    error = await get_error(provider, tmp_path)
    assert (error.reason, is_charged(error)) == (Reason.GENERATION_FAILED, True)
    assert (replicate.created, len(replicate.downloads)) == (1, 3)


async def test_a_too_large_video_is_not_downloaded(replicate: FakeReplicate, tmp_path: Path) -> None:
    async with open_provider(replicate, max_video_bytes=len(VIDEO) - 1) as provider:
        error = await get_error(provider, tmp_path)
    assert (error.reason, is_charged(error)) == (Reason.GENERATION_FAILED, True)


@pytest.mark.parametrize("endpoint", ["get", "output"])
async def test_a_request_without_a_response_times_out(replicate: FakeReplicate, tmp_path: Path, endpoint: str) -> None:
    replicate.failures[endpoint].append(HANGS)
    async with open_provider(replicate, timeout_seconds=0.2) as provider:
        error = await get_error(provider, tmp_path)
    assert (error.reason, is_charged(error)) == (Reason.PROVIDER_TIMEOUT, True)
    await replicate.until(lambda: replicate.abandoned == 1)


async def test_the_token_is_not_sent_to_the_host_of_videos(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path
) -> None:
    await fetch_video(provider, tmp_path)
    (download,) = replicate.downloads
    assert all(request.headers["authorization"] == f"Bearer {API_TOKEN}" for request in replicate.requests)
    assert API_TOKEN not in str(download)


async def test_the_token_is_not_sent_to_another_host(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path
) -> None:
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(str(request.headers))
        return web.Response(body=b"video")

    async with run_web_host() as other:
        other.pages["/video.mp4"] = answer
        replicate.runs.append(Run(shape=lambda _: other.url("/video.mp4")))
        assert await fetch_video(provider, tmp_path) == b"video"
    assert len(seen) == 1
    assert API_TOKEN not in seen[0]


@pytest.mark.parametrize("endpoint", ["create", "get"])
async def test_the_token_does_not_follow_a_redirect(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path, endpoint: str
) -> None:
    async with run_web_host() as other:
        replicate.failures[endpoint].append(Failure(307, {}, {"Location": other.url("/elsewhere")}))
        error = await get_error(provider, tmp_path)
        assert other.requests == []
    assert (error.reason, is_charged(error)) == (Reason.GENERATION_FAILED, True)
