"""Tests of the job routes that are one RPC each: request, principal, response."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from media.jobs.v1 import jobs_pb2

from services.common.errors import MediaError, Reason
from tests.fakes.jobs import JOB_ID, FakeJobService, make_job
from tests.integration.gateway.conftest import MAX_BODY_BYTES, send_as_alice

VIDEO = {"imageUrl": "https://example.com/still.png", "prompt": "zoom in"}
ANIMATE = {"animate": {"video": VIDEO}}
NOON = Timestamp(seconds=1_800_000_000)

# The routes of the contract: method, path, body, name of the RPC.
ROUTES = [
    ("POST", "/api/jobs", ANIMATE, "CreateJob"),
    ("POST", "/api/jobs/batch", {"requests": [ANIMATE]}, "BatchCreateJobs"),
    ("GET", f"/api/jobs/{JOB_ID}", None, "GetJob"),
    ("GET", "/api/jobs", None, "ListJobs"),
    ("POST", f"/api/jobs/{JOB_ID}/cancel", {}, "CancelJob"),
    ("POST", f"/api/jobs/{JOB_ID}/retry", {}, "RetryJob"),
    ("GET", f"/api/jobs/{JOB_ID}/deliveries", None, "ListWebhookDeliveries"),
    ("POST", "/api/webhook-secret/rotate", {}, "RotateWebhookSecret"),
]
in_every_route = pytest.mark.parametrize(("method", "path", "body", "call"), ROUTES, ids=[row[3] for row in ROUTES])


@in_every_route
async def test_a_call_carries_the_caller_that_the_edge_has_verified(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, method: str, path: str, body: Any, call: str
) -> None:
    status, answer = await send_as_alice(jobs_http, method, path, body, **{"X-Request-Id": "order-1"})
    assert (status, answer["success"]) == (200, True)
    (received,) = jobs.calls
    assert (received.method, received.principal, received.metadata["x-request-id"]) == (
        call,
        "alice",
        "order-1",
    )


@in_every_route
async def test_a_call_that_did_not_pass_the_edge_has_no_caller(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, method: str, path: str, body: Any, call: str
) -> None:
    async with jobs_http.request(method, path, json=body) as answer:
        assert answer.status == 200
    (received,) = jobs.calls
    assert (received.method, received.principal) == (call, "")
    assert "x-media-principal" not in received.metadata


@in_every_route
@pytest.mark.parametrize(
    "reason", [Reason.JOB_NOT_FOUND, Reason.ALREADY_EXISTS, Reason.PERMISSION_DENIED, Reason.UNAVAILABLE]
)
async def test_a_refusal_has_the_status_of_its_reason(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, method: str, path: str, body: Any, call: str, reason: Reason
) -> None:
    # Twice, because the channel retries UNAVAILABLE once.
    jobs.failures[call] += [MediaError(reason, "No."), MediaError(reason, "No.")]
    status, answer = await send_as_alice(jobs_http, method, path, body)
    assert (status, answer["success"]) == (reason.info.http_status, False)
    assert (answer["error"]["code"], answer["error"]["message"]) == (reason.name, "No.")


async def test_a_caller_at_its_job_quota_gets_a_retry_delay(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService
) -> None:
    jobs.failures["CreateJob"].append(MediaError(Reason.QUOTA_EXCEEDED, retry_after_seconds=4.2))
    async with jobs_http.post("/api/jobs", json=ANIMATE) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "5")
        assert (await answer.json())["error"]["code"] == "QUOTA_EXCEEDED"


@pytest.mark.parametrize(
    "body",
    [
        {
            "talkingVideo": {"video": VIDEO, "narration": {"text": "Hi.", "voice": "Aria"}, "audioDelayMs": 0},
            "requestId": "order-7",
            "webhookUrl": "https://example.com/hook",
        },
        {
            "talking_video": {
                "video": {"image_url": VIDEO["imageUrl"], "prompt": VIDEO["prompt"]},
                "narration": {"text": "Hi.", "voice": "Aria"},
                "audio_delay_ms": 0,
            },
            "request_id": "order-7",
            "webhook_url": "https://example.com/hook",
        },
    ],
    ids=["camelCase", "snake_case"],
)
async def test_a_request_for_a_job_may_use_either_spelling(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, body: dict[str, Any]
) -> None:
    assert (await send_as_alice(jobs_http, "POST", "/api/jobs", body))[0] == 200
    video = jobs_pb2.VideoSpec(image_url=VIDEO["imageUrl"], prompt=VIDEO["prompt"])
    narration = jobs_pb2.NarrationSpec(text="Hi.", voice="Aria")
    spec = jobs_pb2.TalkingVideoSpec(video=video, narration=narration, audio_delay_ms=0)
    assert jobs.requests("CreateJob") == [
        jobs_pb2.CreateJobRequest(talking_video=spec, request_id="order-7", webhook_url="https://example.com/hook")
    ]
    assert jobs.requests("CreateJob")[0].talking_video.HasField("audio_delay_ms")


async def test_the_accepted_job_is_the_answer(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    accepted = make_job(stage="video", percent=1.5, request_id="order-7", create_time=NOON, steps_done=["audio"])
    jobs.answers["CreateJob"] = jobs_pb2.CreateJobResponse(job=accepted)
    assert (await send_as_alice(jobs_http, "POST", "/api/jobs", ANIMATE))[1] == {
        "success": True,
        "id": JOB_ID,
        "kind": "animate",
        "status": "queued",
        "stage": "video",
        "percent": 1.5,
        "attempt": 0,
        "attempts": [],
        "stepsDone": ["audio"],
        "webhookUrl": "",
        "eventsUrl": "",
        "requestId": "order-7",
        "createTime": "2027-01-15T08:00:00Z",
        "revision": 1,
        "retryOf": "",
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**ANIMATE, "requestid": "x"}, "requestid"),
        ({"animate": {"video": {**VIDEO, "lenght": 6}}}, "animate.video.lenght"),
        ({"animate": {"video": {**VIDEO, "seconds": 61}}}, "animate.video.seconds"),
        ({"animate": {"video": {**VIDEO, "seconds": 2**40}}}, "animate.video.seconds"),
        ({"animate": {"video": {**VIDEO, "prompt": "\u200b"}}}, "animate.video.prompt"),
        ({"animate": {"video": {**VIDEO, "resolution": "4k"}}}, "animate.video.resolution"),
        ({"animate": {}}, "animate.video"),
        ({"animate": 5}, "animate"),
        ({**ANIMATE, "requestId": "a b"}, "requestId"),
        ({**ANIMATE, "requestId": "x" * 101}, "requestId"),
        ({**ANIMATE, "webhookUrl": "nowhere"}, "webhookUrl"),
    ],
)
async def test_a_wrong_field_is_named_and_no_job_is_made(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, body: dict[str, Any], field: str
) -> None:
    status, answer = await send_as_alice(jobs_http, "POST", "/api/jobs", body)
    assert (status, answer["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert [item["field"] for item in answer["error"]["details"]] == [field]
    assert jobs.calls == []


@pytest.mark.parametrize("body", [{}, {"requestId": "order-7"}, {**ANIMATE, "story": {"headline": {"headline": "x"}}}])
async def test_a_job_has_exactly_one_spec(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, body: dict[str, Any]
) -> None:
    status, answer = await send_as_alice(jobs_http, "POST", "/api/jobs", body)
    assert (status, answer["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert jobs.calls == []


@pytest.mark.parametrize("path", [row[1] for row in ROUTES if row[0] == "POST"])
@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"", "application/json", 400, "VALIDATION_ERROR"),
        (b"{", "application/json", 400, "VALIDATION_ERROR"),
        (b"[]", "application/json", 400, "VALIDATION_ERROR"),
        (b'{"a": "\xff"}', "application/json", 400, "VALIDATION_ERROR"),
        (b"{}", "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b'{"a": "' + b"x" * MAX_BODY_BYTES + b'"}', "application/json", 413, "PAYLOAD_TOO_LARGE"),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(
    jobs_http: aiohttp.ClientSession,
    jobs: FakeJobService,
    path: str,
    body: bytes,
    content_type: str,
    status: int,
    code: str,
) -> None:
    async with jobs_http.post(path, data=body, headers={"Content-Type": content_type}) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (status, code)
    assert jobs.calls == []


@pytest.mark.parametrize(("path", "call"), [(row[1], row[3]) for row in ROUTES if row[0] == "POST" and not row[2]])
async def test_a_bare_post_is_a_request_without_fields(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, path: str, call: str
) -> None:
    async with jobs_http.post(path, skip_auto_headers=["Content-Type"]) as answer:
        assert answer.status == 200
    assert [received.method for received in jobs.calls] == [call]


async def test_a_bare_post_without_required_fields_names_them(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService
) -> None:
    async with jobs_http.post("/api/jobs", skip_auto_headers=["Content-Type"]) as answer:
        body = await answer.json()
    assert (answer.status, [item["field"] for item in body["error"]["details"]]) == (400, ["spec"])
    assert jobs.calls == []


@pytest.mark.parametrize(
    ("key", "fields"),
    [("order-7", {}), ('"order-7"', {}), ("order-7", {"requestId": "order-7"}), ("order-7", {"request_id": ""})],
)
async def test_an_idempotency_key_is_the_request_id_of_a_job(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, key: str, fields: dict[str, str]
) -> None:
    headers = {"Idempotency-Key": key}
    status, _ = await send_as_alice(jobs_http, "POST", "/api/jobs", {**ANIMATE, **fields}, **headers)
    assert (status, [sent.request_id for sent in jobs.requests("CreateJob")]) == (200, ["order-7"])


@pytest.mark.parametrize(
    ("key", "fields"), [("order-7", {"requestId": "order-8"}), ("order-7", {"request_id": "order-8"}), ("a b", {})]
)
async def test_a_wrong_idempotency_key_is_refused(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, key: str, fields: dict[str, str]
) -> None:
    headers = {"Idempotency-Key": key}
    status, answer = await send_as_alice(jobs_http, "POST", "/api/jobs", {**ANIMATE, **fields}, **headers)
    assert (status, [item["field"] for item in answer["error"]["details"]]) == (400, ["requestId"])
    assert jobs.calls == []


async def test_jobs_of_a_batch_are_accepted_or_refused_independently(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService
) -> None:
    refused = jobs_pb2.JobError(reason="QUOTA_EXCEEDED", message="Wait.")
    jobs.answers["BatchCreateJobs"] = jobs_pb2.BatchCreateJobsResponse(
        outcomes=[jobs_pb2.JobOutcome(job=make_job()), jobs_pb2.JobOutcome(error=refused)]
    )
    body = {"requests": [{**ANIMATE, "requestId": "one"}, {"headline": {"headline": "News", "art_style": "ink"}}]}
    status, answer = await send_as_alice(jobs_http, "POST", "/api/jobs/batch", body)
    assert status == 200
    assert [set(outcome) for outcome in answer["outcomes"]] == [{"job"}, {"error"}]
    assert answer["outcomes"][1]["error"] == {
        "reason": "QUOTA_EXCEEDED",
        "message": "Wait.",
        "stage": "",
        "details": [],
    }
    (batch,) = jobs.requests("BatchCreateJobs")
    assert [one.request_id for one in batch.requests] == ["one", ""]
    assert batch.requests[1].headline.art_style == "ink"


@pytest.mark.parametrize("count", [0, 51])
async def test_a_batch_is_one_to_fifty_jobs(jobs_http: aiohttp.ClientSession, jobs: FakeJobService, count: int) -> None:
    status, answer = await send_as_alice(jobs_http, "POST", "/api/jobs/batch", {"requests": [ANIMATE] * count})
    assert status == 400
    assert [item["field"] for item in answer["error"]["details"]] == ["requests"]
    assert jobs.calls == []
