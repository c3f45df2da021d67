"""Tests of a caller's jobs through the edge: request ids, lists, cancellation, isolation and refused requests."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from tests.e2e.conftest import Suite
from tests.e2e.jobs import (
    build_long_video,
    build_talking_video,
    call,
    call_refused,
    create_job,
    upload_image,
    wait_for_end,
    watch_job,
)

UNKNOWN = "0" * 32


@pytest.fixture
async def image(http: aiohttp.ClientSession) -> dict[str, Any]:
    """Upload an image."""
    return await upload_image(http)


async def test_a_repeated_request_id_returns_the_same_job(http: aiohttp.ClientSession, image: dict[str, Any]) -> None:
    body = build_talking_video(image, requestId="lighthouse-1")
    first, second = await create_job(http, body), await create_job(http, body)
    assert first["id"] == second["id"]
    body["talkingVideo"]["narration"]["text"] = "Something else."
    status, error = await call_refused(http, "POST", "/api/jobs", json=body)
    assert (status, error["code"], error["details"][0]["field"]) == (409, "ALREADY_EXISTS", "requestId")
    await wait_for_end(http, first["id"])


async def test_jobs_are_listed_newest_first_in_pages_and_by_type_and_status(suite: Suite) -> None:
    headers = {"Authorization": f"Bearer {suite.token('lister')}"}
    headlines = [{"headline": {"headline": f"Number {number}"}} for number in range(3)]
    unreadable = {"animate": {"video": {"imageKey": "images/missing.png", "prompt": "zoom in"}}}
    async with aiohttp.ClientSession(suite.url, headers=headers) as http:
        batch = {
            "requests": [*headlines, {"headline": {"headline": "Long", "narration": {"text": "x" * 601}}}, unreadable]
        }
        outcomes = (await call(http, "POST", "/api/jobs/batch", json=batch))["outcomes"]
        assert [outcome.get("error", {}).get("reason") for outcome in outcomes] == [*[None] * 3, "TEXT_TOO_LONG", None]
        ids = [outcome["job"]["id"] for outcome in outcomes if "job" in outcome]
        ends = [(await wait_for_end(http, job_id))["status"] for job_id in ids]
        assert ends == [*["succeeded"] * 3, "failed"]
        pages = [await call(http, "GET", "/api/jobs?pageSize=3")]
        pages.append(await call(http, "GET", f"/api/jobs?pageSize=3&pageToken={pages[0]['nextPageToken']}"))
        assert [job["id"] for page in pages for job in page["jobs"]] == ids[::-1]
        assert pages[1]["nextPageToken"] == ""
        of_type = await call(http, "GET", "/api/jobs?kind=headline")
        assert [job["id"] for job in of_type["jobs"]] == ids[2::-1]
        failed = await call(http, "GET", "/api/jobs?status=failed")
        assert [job["id"] for job in failed["jobs"]] == ids[3:]
        assert failed["jobs"][0]["error"]["stage"] == "video"


async def test_a_running_video_job_can_be_cancelled(http: aiohttp.ClientSession, image: dict[str, Any]) -> None:
    job_id = (await create_job(http, build_long_video(image)))["id"]
    events = watch_job(http, job_id)
    async for event in events:
        if event.job["stage"] == "video":
            break
    await call(http, "POST", f"/api/jobs/{job_id}/cancel", json={})
    rest = [event async for event in events]
    assert (rest[-1].name, rest[-1].job["status"]) == ("end", "cancelled")
    again = await call(http, "POST", f"/api/jobs/{job_id}/cancel", json={})
    assert again["status"] == "cancelled"


async def test_cancelling_a_succeeded_job_does_not_change_it(http: aiohttp.ClientSession) -> None:
    job_id = (await create_job(http, {"headline": {"headline": "It succeeds."}}))["id"]
    await wait_for_end(http, job_id)
    await call(http, "POST", f"/api/jobs/{job_id}/cancel", json={})
    assert (await call(http, "GET", f"/api/jobs/{job_id}"))["status"] == "succeeded"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("GET", "/events"), ("GET", "/deliveries"), ("POST", "/cancel")]
)
async def test_a_caller_cannot_see_the_job_of_another_caller(
    suite: Suite, http: aiohttp.ClientSession, method: str, path: str
) -> None:
    job_id = (await create_job(http, {"headline": {"headline": "Mine"}, "requestId": "mine"}))["id"]
    sent: dict[str, Any] = {"json": {}} if method == "POST" else {}
    stranger = {"Authorization": f"Bearer {suite.token('mallory')}"}
    status, error = await call_refused(http, method, f"/api/jobs/{job_id}{path}", headers=stranger, **sent)
    assert (status, error["code"]) == (404, "JOB_NOT_FOUND")
    assert (await call_refused(http, method, f"/api/jobs/{UNKNOWN}{path}", **sent))[0] == 404
    async with aiohttp.ClientSession(suite.url) as anonymous:
        assert (await call_refused(anonymous, method, f"/api/jobs/{job_id}{path}", **sent))[0] == 401


VIDEO = {"imageKey": "images/a.png", "prompt": "zoom in"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"talkingVideo": {"video": VIDEO, "narration": {"text": " "}}}, "talkingVideo.narration.text"),
        ({"talkingVideo": {"video": VIDEO}}, "talkingVideo.narration"),
        ({"animate": {"video": {**VIDEO, "imageUrl": "https://example.com/a.png"}}}, "animate.video"),
        ({"animate": {"video": {**VIDEO, "prompt": " "}}}, "animate.video.prompt"),
        ({"animate": {"video": {**VIDEO, "seconds": 61}}}, "animate.video.seconds"),
        ({"animate": {"video": {**VIDEO, "resolution": "4k"}}}, "animate.video.resolution"),
        ({"animate": {"video": {**VIDEO, "colour": "red"}}}, "animate.video.colour"),
        ({"headline": {"headline": ""}}, "headline.headline"),
        ({"headline": {"headline": "Hi"}, "requestId": "-"}, "requestId"),
        ({"headline": {"headline": "Hi"}, "webhookUrl": "somewhere"}, "webhookUrl"),
    ],
)
async def test_an_error_names_the_invalid_field(http: aiohttp.ClientSession, body: dict[str, Any], field: str) -> None:
    status, error = await call_refused(http, "POST", "/api/jobs", json=body)
    assert (status, error["code"]) == (400, "VALIDATION_ERROR")
    assert field in [detail["field"] for detail in error["details"]], error


@pytest.mark.parametrize(
    ("method", "path", "sent", "field"),
    [
        ("GET", "/api/jobs/7", {}, "id"),
        ("GET", "/api/jobs?pageSize=101", {}, "pageSize"),
        ("GET", "/api/jobs?pageToken=x", {}, "pageToken"),
        ("GET", f"/api/jobs/{UNKNOWN}/events", {"headers": {"Last-Event-ID": "x"}}, "Last-Event-ID"),
        ("POST", "/jobs_prompt_tts", {"json": {"image_url": "https://example.com/a.png", "prompt": "in"}}, "text"),
        ("POST", "/jobs_prompt_only", {"json": {"image_url": "https://example.com/a.png"}}, "prompt"),
    ],
)
async def test_an_error_names_the_invalid_parameter(
    http: aiohttp.ClientSession, method: str, path: str, sent: dict[str, Any], field: str
) -> None:
    status, error = await call_refused(http, method, path, **sent)
    assert (status, error["code"]) == (400, "VALIDATION_ERROR")
    assert field in [detail["field"] for detail in error["details"]], error
