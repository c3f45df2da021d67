"""Tests of existing jobs: get, list, cancel, and deliveries to their webhooks."""

from __future__ import annotations

import aiohttp
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from media.jobs.v1 import jobs_pb2

from services.common.errors import invalid
from tests.fakes.jobs import JOB_ID, OTHER_JOB_ID, FakeJobService, make_failed_job, make_job, make_succeeded_job
from tests.integration.gateway.conftest import send_as_alice

NOON = Timestamp(seconds=1_800_000_000)


async def test_a_job_is_returned_with_its_result_or_its_error(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService
) -> None:
    jobs.answers["GetJob"] = jobs_pb2.GetJobResponse(job=make_succeeded_job(video="https://example.com/video.mp4"))
    answer = (await send_as_alice(jobs_http, "GET", f"/api/jobs/{JOB_ID}"))[1]
    assert (answer["status"], answer["percent"]) == ("succeeded", 100.0)
    assert answer["result"]["video"]["url"] == "https://example.com/video.mp4"
    assert {"audio", "final", "image", "alignment"}.isdisjoint(answer["result"])
    jobs.answers["GetJob"] = jobs_pb2.GetJobResponse(job=make_failed_job("CONTENT_BLOCKED", "No."))
    answer = (await send_as_alice(jobs_http, "GET", f"/api/jobs/{JOB_ID}"))[1]
    assert answer["error"] == {"reason": "CONTENT_BLOCKED", "message": "No.", "stage": "", "details": []}
    assert [request.id for request in jobs.requests("GetJob")] == [JOB_ID, JOB_ID]


@pytest.mark.parametrize(("page_size", "page_token"), [("pageSize", "pageToken"), ("page_size", "page_token")])
async def test_jobs_are_listed_page_by_page_of_one_kind_and_status(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, page_size: str, page_token: str
) -> None:
    jobs.answers["ListJobs"] = jobs_pb2.ListJobsResponse(
        jobs=[make_job(id=OTHER_JOB_ID, revision=9), make_job()], next_page_token="next"
    )
    query = f"{page_size}=2&{page_token}=here&kind=animate&status=queued"
    answer = (await send_as_alice(jobs_http, "GET", f"/api/jobs?{query}"))[1]
    assert [item["id"] for item in answer["jobs"]] == [OTHER_JOB_ID, JOB_ID]
    assert answer["nextPageToken"] == "next"
    assert jobs.requests("ListJobs") == [
        jobs_pb2.ListJobsRequest(
            page_size=2,
            page_token="here",
            kind=jobs_pb2.JOB_KIND_ANIMATE,
            status=jobs_pb2.JOB_STATUS_QUEUED,
        )
    ]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("pageSize=101", "pageSize"),
        ("pageSize=many", "pageSize"),
        ("pageToken=" + "x" * 101, "pageToken"),
        ("kind=video", "kind"),
        ("status=done", "status"),
        ("owner=bob", "owner"),
        ("kind=story&kind=animate", "kind"),
    ],
)
async def test_a_wrong_request_for_a_list_is_named(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, query: str, field: str
) -> None:
    status, answer = await send_as_alice(jobs_http, "GET", f"/api/jobs?{query}")
    assert (status, answer["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert [item["field"] for item in answer["error"]["details"]] == [field]
    assert jobs.calls == []


async def test_an_invalid_page_token_is_named(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    jobs.failures["ListJobs"].append(invalid("page_token", "must be the next_page_token of the previous page"))
    status, answer = await send_as_alice(jobs_http, "GET", "/api/jobs?pageToken=bogus")
    assert (status, answer["error"]["details"][0]["field"]) == (400, "pageToken")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/jobs/{}"), ("POST", "/api/jobs/{}/cancel"), ("GET", "/api/jobs/{}/deliveries")]
)
@pytest.mark.parametrize("job_id", ["7", JOB_ID.upper(), JOB_ID + "0", "..%2f" + JOB_ID[:30]])
async def test_an_invalid_job_id_is_named(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, method: str, path: str, job_id: str
) -> None:
    status, answer = await send_as_alice(jobs_http, method, path.format(job_id), {} if method == "POST" else None)
    assert (status, [item["field"] for item in answer["error"]["details"]]) == (400, ["id"])
    assert jobs.calls == []


async def test_the_id_in_the_path_cannot_be_contradicted(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService
) -> None:
    status, answer = await send_as_alice(jobs_http, "POST", f"/api/jobs/{JOB_ID}/cancel", {"id": OTHER_JOB_ID})
    assert (status, [item["field"] for item in answer["error"]["details"]]) == (400, ["id"])
    assert jobs.calls == []


async def test_a_cancellation_returns_the_job(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    jobs.answers["CancelJob"] = jobs_pb2.CancelJobResponse(job=make_job(jobs_pb2.JOB_STATUS_RUNNING))
    answer = (await send_as_alice(jobs_http, "POST", f"/api/jobs/{JOB_ID}/cancel", {}))[1]
    assert (answer["id"], answer["status"]) == (JOB_ID, "running")
    assert jobs.requests("CancelJob") == [jobs_pb2.CancelJobRequest(id=JOB_ID)]


async def test_deliveries_are_listed_with_their_answers(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    unanswered = jobs_pb2.WebhookDelivery(send_time=NOON, error="no answer")
    taken = jobs_pb2.WebhookDelivery(send_time=NOON, status=204)
    jobs.answers["ListWebhookDeliveries"] = jobs_pb2.ListWebhookDeliveriesResponse(deliveries=[unanswered, taken])
    assert (await send_as_alice(jobs_http, "GET", f"/api/jobs/{JOB_ID}/deliveries"))[1] == {
        "success": True,
        "deliveries": [
            {"sendTime": "2027-01-15T08:00:00Z", "status": 0, "error": "no answer"},
            {"sendTime": "2027-01-15T08:00:00Z", "status": 204, "error": ""},
        ],
    }
    assert jobs.requests("ListWebhookDeliveries") == [jobs_pb2.ListWebhookDeliveriesRequest(id=JOB_ID)]


async def test_a_new_secret_is_returned(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    jobs.answers["RotateWebhookSecret"] = jobs_pb2.RotateWebhookSecretResponse(secret="whsec_eA==")
    assert await send_as_alice(jobs_http, "POST", "/api/webhook-secret/rotate", {}) == (
        200,
        {"success": True, "secret": "whsec_eA=="},
    )


@pytest.mark.parametrize(
    ("path", "allow"),
    [("/api/jobs/batch", {"POST"}), ("/api/webhook-secret/rotate", {"POST"}), (f"/api/jobs/{JOB_ID}/cancel", {"POST"})],
)
async def test_routes_that_change_something_allow_only_post(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, path: str, allow: set[str]
) -> None:
    async with jobs_http.delete(path) as answer:
        assert answer.status == 405
        assert allow <= set(answer.headers["Allow"].split(", "))
    assert jobs.calls == []
