"""Tests of the routes that wait for a job: requests, responses, errors, and disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from media.common.v1 import error_pb2
from media.jobs.v1 import jobs_pb2

from gateway.errors import handle_errors
from gateway.http_server import run_http
from gateway.routes.sync_jobs import SyncJobRoutes
from services.common.errors import MediaError, Reason
from services.common.rpc.call_limits import DEFAULT_CALL_LIMITS
from tests.fakes.jobs import JOB_ID, FakeJobService, make_failed_job, make_job, make_succeeded_job, serve_jobs
from tests.integration.gateway.conftest import send_as_alice

VIDEO = {"image_url": "https://example.com/still.png", "prompt": "zoom in"}
TALKING = {**VIDEO, "text": "Hi.", "voice_id": "aria-id"}
ONLY, SPEAKING = "/jobs_prompt_only", "/jobs_prompt_tts"
ROUTES = [(ONLY, VIDEO), (SPEAKING, TALKING)]
VIDEO_AT, SPEECH_AT, FINAL_AT = (f"https://example.com/{name}" for name in ("video.mp4", "speech.mp3", "final.mp4"))
DONE = make_succeeded_job(video=VIDEO_AT, audio=SPEECH_AT, final=FINAL_AT)


@pytest.fixture
async def impatient_http(jobs: FakeJobService) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with the base URL of the routes that wait, without a pause between two watches."""
    async with serve_jobs(jobs) as service:
        app = web.Application(middlewares=[handle_errors])
        app.router.add_routes(SyncJobRoutes(service.channel, DEFAULT_CALL_LIMITS, reconnect_seconds=0).build_routes())
        async with (
            run_http(app, "127.0.0.1", 0, grace_seconds=1) as http,
            aiohttp.ClientSession(f"http://127.0.0.1:{http.port}") as session,
        ):
            yield session


in_both_routes = pytest.mark.parametrize(("path", "body"), ROUTES)


async def test_the_route_waits_for_the_video(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    jobs.watch_steps = (make_job(), make_job(jobs_pb2.JOB_STATUS_RUNNING, 2), DONE)
    async with jobs_http.post(ONLY, json=VIDEO, headers={"X-Media-Principal": "alice"}) as answer:
        assert (answer.status, answer.headers["Content-Location"]) == (200, f"/api/jobs/{JOB_ID}")
        assert await answer.json() == {"success": True, "video_url": VIDEO_AT, "job_id": JOB_ID}
    assert [(call.method, call.principal) for call in jobs.calls] == [("CreateJob", "alice"), ("WatchJob", "alice")]
    video = jobs_pb2.VideoSpec(image_url=VIDEO["image_url"], prompt=VIDEO["prompt"])
    assert jobs.requests("CreateJob") == [jobs_pb2.CreateJobRequest(animate=jobs_pb2.AnimateSpec(video=video))]
    assert jobs.requests("WatchJob") == [jobs_pb2.WatchJobRequest(id=JOB_ID)]


async def test_the_route_waits_for_the_talking_video(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    jobs.watch_steps = (DONE,)
    assert await send_as_alice(jobs_http, "POST", SPEAKING, TALKING) == (
        200,
        {
            "success": True,
            "audio_url": SPEECH_AT,
            "video_url": VIDEO_AT,
            "final_url": FINAL_AT,
            "job_id": JOB_ID,
        },
    )
    video = jobs_pb2.VideoSpec(image_url=VIDEO["image_url"], prompt=VIDEO["prompt"])
    narration = jobs_pb2.NarrationSpec(text="Hi.", voice="aria-id")
    spec = jobs_pb2.TalkingVideoSpec(video=video, narration=narration)
    assert jobs.requests("CreateJob") == [jobs_pb2.CreateJobRequest(talking_video=spec)]


@in_both_routes
async def test_optional_fields_of_the_video_are_passed_on(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, path: str, body: dict[str, Any]
) -> None:
    jobs.watch_steps = (DONE,)
    request = {**body, "seconds": 10, "resolution": "512p", "model": "minimax/hailuo-02"}
    assert (await send_as_alice(jobs_http, "POST", path, request))[0] == 200
    (received,) = jobs.requests("CreateJob")
    video = (received.animate if path == ONLY else received.talking_video).video
    assert (video.seconds, video.resolution, video.model) == (10, "512p", "minimax/hailuo-02")


@in_both_routes
async def test_a_null_field_counts_as_absent(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, path: str, body: dict[str, Any]
) -> None:
    jobs.watch_steps = (DONE,)
    request = {**body, "seconds": None, "resolution": None, "model": None}
    assert (await send_as_alice(jobs_http, "POST", path, request))[0] == 200
    assert (await send_as_alice(jobs_http, "POST", path, body))[0] == 200
    first, second = jobs.requests("CreateJob")
    assert first == second


@in_both_routes
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"imageURL": "x"}, "imageURL"),
        ({"imageUrl": "x", "image_url": "x"}, "image_url"),
        ({"voice_name": "Aria"}, "voice_name"),
        ({"image_url": ""}, "image_url"),
        ({"image_url": None}, "image_url"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": ["x"]}, "prompt"),
        ({"seconds": "6"}, "seconds"),
        ({"seconds": 1.5}, "seconds"),
        ({"seconds": True}, "seconds"),
        ({"seconds": -1}, "seconds"),
        ({"seconds": 0}, "seconds"),
        ({"seconds": 61}, "seconds"),
        ({"seconds": 2**63}, "seconds"),
        ({"resolution": 512}, "resolution"),
    ],
)
async def test_a_wrong_field_is_named_and_no_job_is_made(
    jobs_http: aiohttp.ClientSession,
    jobs: FakeJobService,
    path: str,
    body: dict[str, Any],
    change: dict[str, Any],
    field: str,
) -> None:
    status, answer = await send_as_alice(jobs_http, "POST", path, {**body, **change})
    assert (status, answer["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert [item["field"] for item in answer["error"]["details"]] == [field]
    assert jobs.calls == []


@pytest.mark.parametrize(("path", "field"), [(ONLY, "text"), (ONLY, "voice_id")])
async def test_a_video_without_speech_accepts_no_text(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, path: str, field: str
) -> None:
    status, answer = await send_as_alice(jobs_http, "POST", path, {**VIDEO, field: "x"})
    assert (status, answer["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert f"{field}: is not a field of this route" in answer["error"]["message"]
    assert jobs.calls == []


@pytest.mark.parametrize("missing", ["image_url", "prompt", "text", "voice_id"])
async def test_a_missing_required_field_is_named(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, missing: str
) -> None:
    body = {name: value for name, value in TALKING.items() if name != missing}
    status, answer = await send_as_alice(jobs_http, "POST", SPEAKING, body)
    assert (status, answer["error"]["message"]) == (400, f"{missing}: must be given")
    assert jobs.calls == []


@in_both_routes
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"x"', b"null"])
async def test_a_body_that_is_no_json_object_is_refused(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, path: str, body: dict[str, Any], content: bytes
) -> None:
    async with jobs_http.post(path, data=content, headers={"Content-Type": "application/json"}) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, "VALIDATION_ERROR")
    async with jobs_http.post(path, data={"image_url": "x"}) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert jobs.calls == []


@in_both_routes
@pytest.mark.parametrize(
    "reason",
    [Reason.CONTENT_BLOCKED, Reason.URL_UNREACHABLE, Reason.PROVIDER_UNAVAILABLE, Reason.PROVIDER_QUOTA_EXCEEDED],
)
async def test_a_job_that_failed_has_the_status_of_its_reason(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, path: str, body: dict[str, Any], reason: Reason
) -> None:
    jobs.watch_steps = (make_job(), make_failed_job(reason.name, "No."))
    status, answer = await send_as_alice(jobs_http, "POST", path, body)
    assert (status, answer["success"]) == (reason.info.http_status, False)
    assert (answer["error"]["code"], answer["error"]["message"]) == (reason.name, f"No. (job {JOB_ID})")


async def test_a_job_that_failed_keeps_its_details(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    wrong = error_pb2.FieldError(field="voice", description="must be one of ListVoices")
    error = jobs_pb2.JobError(reason="VALIDATION_ERROR", message="voice: must be one of ListVoices", details=[wrong])
    jobs.watch_steps = (make_job(jobs_pb2.JOB_STATUS_FAILED, 2, error=error),)
    status, answer = await send_as_alice(jobs_http, "POST", ONLY, VIDEO)
    assert (status, answer["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert answer["error"]["details"] == [{"field": "voice_id", "description": "must be one of ListVoices"}]


async def test_an_unknown_reason_is_generation_failed(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    jobs.watch_steps = (make_failed_job("REASON_OF_NEXT_YEAR", "No."),)
    status, answer = await send_as_alice(jobs_http, "POST", ONLY, VIDEO)
    assert (status, answer["error"]["code"]) == (500, "GENERATION_FAILED")


async def test_a_cancelled_job_is_answered_as_cancelled(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    jobs.watch_steps = (make_job(jobs_pb2.JOB_STATUS_CANCELLED, 2),)
    status, answer = await send_as_alice(jobs_http, "POST", ONLY, VIDEO)
    assert (status, answer["error"]["code"]) == (499, "CANCELLED")
    assert JOB_ID in answer["error"]["message"]


@in_both_routes
@pytest.mark.parametrize("last", [(), (make_job(jobs_pb2.JOB_STATUS_RUNNING, 2),)], ids=["nothing", "a change"])
async def test_the_error_for_an_unfinished_job_names_its_path(
    impatient_http: aiohttp.ClientSession,
    jobs: FakeJobService,
    path: str,
    body: dict[str, Any],
    last: tuple[jobs_pb2.Job, ...],
) -> None:
    jobs.watch_steps = (*last, MediaError(Reason.UNAVAILABLE, "No."))
    status, answer = await send_as_alice(impatient_http, "POST", path, body)
    assert (status, answer["error"]["code"]) == (503, "UNAVAILABLE")
    assert f"GET /api/jobs/{JOB_ID}" in answer["error"]["message"]
    assert len(jobs.requests("CreateJob")) == 1


async def test_a_watch_starts_again_after_the_job_service_was_lost(
    impatient_http: aiohttp.ClientSession, jobs: FakeJobService
) -> None:
    jobs.failures["WatchJob"].extend([MediaError(Reason.UNAVAILABLE)] * 3)
    jobs.watch_steps = (make_job(), DONE)
    status, answer = await send_as_alice(impatient_http, "POST", ONLY, VIDEO)
    assert (status, answer["video_url"]) == (200, VIDEO_AT)
    assert [call.method for call in jobs.calls] == ["CreateJob", *["WatchJob"] * 4]
    assert {call.principal for call in jobs.calls} == {"alice"}


async def test_an_error_while_waiting_has_its_own_status(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService
) -> None:
    jobs.watch_steps = (make_job(), MediaError(Reason.JOB_NOT_FOUND, "No."))
    status, answer = await send_as_alice(jobs_http, "POST", ONLY, VIDEO)
    assert (status, answer["error"]["code"]) == (404, "JOB_NOT_FOUND")
    assert [call.method for call in jobs.calls] == ["CreateJob", "WatchJob"]


@in_both_routes
async def test_a_refusal_has_its_own_status_and_does_not_wait(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, path: str, body: dict[str, Any]
) -> None:
    jobs.failures["CreateJob"].append(MediaError(Reason.QUOTA_EXCEEDED, retry_after_seconds=7))
    async with jobs_http.post(path, json=body) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    assert [call.method for call in jobs.calls] == ["CreateJob"]


@in_both_routes
async def test_a_disconnect_ends_the_watch_and_not_the_job(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, path: str, body: dict[str, Any]
) -> None:
    jobs.watch_steps = (make_job(), asyncio.Event())
    waiting = asyncio.create_task(send_as_alice(jobs_http, "POST", path, body))
    await jobs.watching.wait_for(1)
    waiting.cancel()
    await jobs.watching.wait_for(0)
    assert [call.method for call in jobs.calls] == ["CreateJob", "WatchJob"]
