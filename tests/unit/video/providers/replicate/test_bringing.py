"""Finished videos by Replicate are brought home, whatever happens on the way, and the token stays where it belongs."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from services.common.errors import Reason
from services.video.providers.replicate import ReplicateProvider
from tests.fakes.replicate import API_TOKEN, DOWN, HANGS, VIDEO, Failure, FakeReplicate, Run
from tests.fakes.web_host import running_web_host
from tests.unit.video.providers.replicate.rig import Delays, brought, failure, is_charged, provider_of


@pytest.mark.parametrize(
    "run",
    [
        Run(shape=lambda url: [url]),
        Run(shape=lambda url: {"seed": 7, "video": url}),
        Run(("a status of next year", "succeeded")),
    ],
)
async def test_what_models_do_differently_is_understood(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path, run: Run
) -> None:
    replicate.runs.append(run)
    assert await brought(provider, tmp_path) == VIDEO


async def test_a_video_that_cannot_be_fetched_is_tried_again(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path
) -> None:
    replicate.failures["output"] += [Failure(404), DOWN]
    assert await brought(provider, tmp_path) == VIDEO
    assert len(replicate.downloads) == 3
    # Each time its address is asked for again: the old one may have been signed for a short time.
    assert [request.method for request in replicate.requests] == ["POST", "GET", "GET", "GET"]


async def test_between_two_attempts_to_fetch_a_video_there_is_a_pause(replicate: FakeReplicate, tmp_path: Path) -> None:
    delays = Delays()
    replicate.failures["output"] += [Failure(404), DOWN]
    async with provider_of(replicate, delays) as provider:
        assert await brought(provider, tmp_path) == VIDEO
    assert delays.seconds == [5.0, 10.0]


async def test_behind_the_last_attempt_to_fetch_a_video_there_is_no_pause(
    replicate: FakeReplicate, tmp_path: Path
) -> None:
    delays = Delays()
    replicate.failures["output"] += [Failure(404)] * 3
    async with provider_of(replicate, delays) as provider:
        assert (await failure(provider, tmp_path)).reason is Reason.GENERATION_FAILED
    assert delays.seconds == [5.0, 10.0]


async def test_a_video_that_is_cut_on_its_way_is_fetched_from_its_beginning(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path
) -> None:
    replicate.cut_videos = 2
    assert await brought(provider, tmp_path) == VIDEO
    assert len(replicate.downloads) == 3


async def test_a_video_that_has_vanished_is_given_up_and_not_made_anew(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path
) -> None:
    replicate.failures["output"] += [Failure(404)] * 3
    error = await failure(provider, tmp_path)
    assert (error.reason, is_charged(error)) == (Reason.GENERATION_FAILED, True)
    assert (replicate.created, len(replicate.downloads)) == (1, 3)


async def test_a_video_that_is_too_large_is_not_taken(replicate: FakeReplicate, tmp_path: Path) -> None:
    async with provider_of(replicate, max_video_bytes=len(VIDEO) - 1) as provider:
        error = await failure(provider, tmp_path)
    assert (error.reason, is_charged(error)) == (Reason.GENERATION_FAILED, True)


@pytest.mark.parametrize("asked", ["get", "output"])
async def test_an_answer_that_never_comes_is_given_up_in_time(
    replicate: FakeReplicate, tmp_path: Path, asked: str
) -> None:
    replicate.failures[asked].append(HANGS)
    async with provider_of(replicate, timeout_seconds=0.2) as provider:
        error = await failure(provider, tmp_path)
    assert (error.reason, is_charged(error)) == (Reason.PROVIDER_TIMEOUT, True)
    await replicate.until(lambda: replicate.abandoned == 1)


async def test_the_token_does_not_go_to_the_host_of_videos(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path
) -> None:
    await brought(provider, tmp_path)
    (download,) = replicate.downloads
    assert all(request.headers["authorization"] == f"Bearer {API_TOKEN}" for request in replicate.requests)
    assert API_TOKEN not in str(download)


async def test_the_token_does_not_go_where_a_video_of_another_host_is(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path
) -> None:
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(str(request.headers))
        return web.Response(body=b"video")

    async with running_web_host() as other:
        other.pages["/video.mp4"] = answer
        replicate.runs.append(Run(shape=lambda _: other.url("/video.mp4")))
        assert await brought(provider, tmp_path) == b"video"
    assert len(seen) == 1
    assert API_TOKEN not in seen[0]


@pytest.mark.parametrize("asked", ["create", "get"])
async def test_the_token_does_not_follow_a_redirect(
    replicate: FakeReplicate, provider: ReplicateProvider, tmp_path: Path, asked: str
) -> None:
    async with running_web_host() as other:
        replicate.failures[asked].append(Failure(307, {}, {"Location": other.url("/elsewhere")}))
        error = await failure(provider, tmp_path)
        assert other.requests == []
    assert (error.reason, is_charged(error)) == (Reason.GENERATION_FAILED, True)
