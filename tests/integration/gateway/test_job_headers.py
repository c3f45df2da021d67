"""Tests of the headers Prefer and Idempotency-Key of the routes that wait for a job."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import aiohttp
import orjson
import pytest

from services.common.errors import Reason, invalid
from tests.fakes.jobs import JOB_ID, FakeJobService
from tests.integration.gateway.conftest import send_as_alice
from tests.integration.gateway.test_job_waiting import DONE, ONLY, VIDEO, in_both_routes

ASYNC = {"Prefer": "respond-async"}


@in_both_routes
@pytest.mark.parametrize("prefer", ["respond-async", "Respond-Async", "wait=5, respond-async", "respond-async;x=1"])
async def test_a_caller_that_prefers_not_to_wait_is_answered_at_once(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, path: str, body: dict[str, Any], prefer: str
) -> None:
    jobs.watch_steps = (asyncio.Event(),)
    async with jobs_http.post(path, json=body, headers={"Prefer": prefer}) as answer:
        assert (answer.status, answer.headers["Location"]) == (202, f"/api/jobs/{JOB_ID}")
        assert answer.headers["Preference-Applied"] == "respond-async"
        assert await answer.json() == {"success": True, "job_id": JOB_ID, "status_url": f"/api/jobs/{JOB_ID}"}
    assert [call.method for call in jobs.calls] == ["CreateJob"]


async def test_an_unknown_preference_is_ignored(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    jobs.watch_steps = (DONE,)
    async with jobs_http.post(ONLY, json=VIDEO, headers={"Prefer": "return=minimal"}) as answer:
        assert answer.status == 200
        assert "Preference-Applied" not in answer.headers


@in_both_routes
@pytest.mark.parametrize("headers", [{}, ASYNC], ids=["waiting", "not waiting"])
async def test_the_idempotency_key_is_the_request_id_of_the_job(
    jobs_http: aiohttp.ClientSession,
    jobs: FakeJobService,
    path: str,
    body: dict[str, Any],
    headers: dict[str, str],
) -> None:
    jobs.watch_steps = (DONE,)
    async with jobs_http.post(path, json=body, headers={**headers, "Idempotency-Key": "order-7"}) as answer:
        assert answer.ok
    async with jobs_http.post(path, json=body, headers=headers) as answer:
        assert answer.ok
    assert [request.request_id for request in jobs.requests("CreateJob")] == ["order-7", ""]


async def test_a_key_of_another_request_is_refused(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    jobs.failures["CreateJob"].append(invalid("request_id", "was used", Reason.ALREADY_EXISTS))
    status, answer = await send_as_alice(jobs_http, "POST", ONLY, VIDEO, **{"Idempotency-Key": "order-7"})
    assert (status, answer["error"]["code"]) == (409, "ALREADY_EXISTS")


async def test_a_second_prefer_header_counts_too(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    headers = [("Prefer", "wait=5"), ("Prefer", "respond-async")]
    async with jobs_http.post(ONLY, json=VIDEO, headers=headers) as answer:
        assert answer.status == 202


async def test_a_key_in_quotes_is_the_same_key(jobs_http: aiohttp.ClientSession, jobs: FakeJobService) -> None:
    jobs.watch_steps = (DONE,)
    for key in ('"order-7"', "order-7", '"'):
        await send_as_alice(jobs_http, "POST", ONLY, VIDEO, **{"Idempotency-Key": key})
    names = [request.request_id for request in jobs.requests("CreateJob")]
    assert names == ["order-7", "order-7"]


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("request_id", "Idempotency-Key"),
        ("animate.video.image_url", "image_url"),
        ("talking_video.narration.voice", "voice_id"),
    ],
)
async def test_a_violation_of_the_service_has_the_field_name_of_the_route(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, field: str, name: str
) -> None:
    jobs.failures["CreateJob"].append(invalid(field, "is not well", Reason.VALIDATION_ERROR))
    status, answer = await send_as_alice(jobs_http, "POST", ONLY, VIDEO)
    assert (status, answer["error"]["message"]) == (400, f"{name}: is not well")
    assert answer["error"]["details"] == [{"field": name, "description": "is not well"}]


@pytest.mark.parametrize(
    ("path", "header", "body"),
    [
        ("/jobs_prompt_only", b"Idempotency-Key", VIDEO),
        ("/webhooks/replicate", b"webhook-id", {}),
        ("/webhooks/replicate", b"webhook-timestamp", {}),
        ("/webhooks/replicate", b"webhook-signature", {}),
    ],
)
async def test_a_header_that_is_not_text_is_named(
    jobs_http: aiohttp.ClientSession, jobs: FakeJobService, path: str, header: bytes, body: dict[str, Any]
) -> None:
    status, answer = await send_raw_header(jobs_http, path, header + b": \xff", body)
    assert status == 400
    assert header in answer
    assert jobs.calls == []


async def send_raw_header(
    http: aiohttp.ClientSession, path: str, line: bytes, body: dict[str, Any]
) -> tuple[int, bytes]:
    """Send a header line that aiohttp's client refuses, and return status and body."""
    base_url, content = http._base_url, orjson.dumps(body)
    assert base_url is not None
    reader, writer = await asyncio.open_connection(base_url.host, base_url.port)
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n\r\n"
    writer.write(head % (path.encode(), len(content), line) + content)
    status = int((await reader.readline()).split()[1])
    answer = b""
    while not answer.endswith(b"}}"):
        answer += await reader.read(1000)
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return status, answer
