"""Tests of the gRPC service: watch, cancel, and webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from typing import Any

import pytest
from media.jobs.v1 import jobs_pb2

from services.common.errors import Reason
from services.common.rpc.channel import open_stream
from services.common.webhooks import parse_secret
from services.jobs.job_store import build_webhook_request_id
from services.jobs.record import Status
from services.jobs.webhooks import SigningSecrets
from tests.integration.jobs.conftest import Jobs
from tests.integration.jobs.job_service import JobServiceRig, catch_error, open_service_rig

UNKNOWN = "0" * 32


@pytest.fixture
async def rig(jobs: Jobs) -> AsyncIterator[JobServiceRig]:
    async with open_service_rig(jobs) as opened:
        yield opened


async def test_cancel_job_returns_the_job_as_it_was(rig: JobServiceRig) -> None:
    job = await rig.create()
    answer = await rig.stub.CancelJob(jobs_pb2.CancelJobRequest(id=job.id), metadata=rig.caller)
    assert answer.job == job
    assert await rig.jobs.job_store.is_cancelled(rig.jobs.job_store.build_key(rig.jobs.owner, job.id))


async def test_watch_job_sends_every_change_and_ends(rig: JobServiceRig) -> None:
    job = await rig.create()
    lease = await rig.take(job.id)
    events: list[tuple[int, float]] = []
    async with asyncio.timeout(15):
        call = rig.stub.WatchJob(jobs_pb2.WatchJobRequest(id=job.id), metadata=rig.caller)
        async with open_stream(call):
            async for event in call:
                events.append((event.job.status, event.job.percent))
                if event.job.status == jobs_pb2.JOB_STATUS_QUEUED:
                    await lease.write(replace(lease.record.start_attempt("w-1", 1), percent=50.0))
                elif event.job.status == jobs_pb2.JOB_STATUS_RUNNING:
                    await lease.write(lease.record.end_attempt(Status.SUCCEEDED))
    assert events == [
        (jobs_pb2.JOB_STATUS_QUEUED, 0.0),
        (jobs_pb2.JOB_STATUS_RUNNING, 50.0),
        (jobs_pb2.JOB_STATUS_SUCCEEDED, 100.0),
    ]


async def test_a_watch_resumed_after_the_end_sends_the_missed_end(rig: JobServiceRig) -> None:
    job = await rig.create()
    lease = await rig.take(job.id)
    await lease.write(lease.record.end_attempt(Status.SUCCEEDED))
    for stored, revisions in ((job.revision, [lease.revision]), (lease.revision, [])):
        request = jobs_pb2.WatchJobRequest(id=job.id, after_revision=stored)
        call = rig.stub.WatchJob(request, metadata=rig.caller)
        assert [event.job.revision async for event in call] == revisions


async def test_list_webhook_deliveries_lists_the_deliveries(rig: JobServiceRig) -> None:
    job = await rig.create(webhook_url="https://example.com/webhook")
    request = jobs_pb2.ListWebhookDeliveriesRequest(id=job.id)
    assert not (await rig.stub.ListWebhookDeliveries(request, metadata=rig.caller)).deliveries
    webhook_job = await rig.jobs.submit("webhook", spec={"jobId": job.id}, request_id=build_webhook_request_id(job.id))
    stored = await rig.jobs.job_store.read(rig.jobs.job_store.build_key(rig.jobs.owner, webhook_job))
    assert stored is not None
    lease = await rig.jobs.job_store.open_lease(stored.record)
    sent = [{"at": stored.record.created_at, "status": 503, "error": ""}]
    await lease.save_result("deliveries", {"sent": sent})
    listed = (await rig.stub.ListWebhookDeliveries(request, metadata=rig.caller)).deliveries
    assert [(delivery.status, delivery.error) for delivery in listed] == [(503, "")]


async def test_a_rotated_secret_is_returned_once_and_signs_from_now_on(rig: JobServiceRig) -> None:
    request = jobs_pb2.RotateWebhookSecretRequest()
    first = (await rig.stub.RotateWebhookSecret(request, metadata=rig.caller)).secret
    second = (await rig.stub.RotateWebhookSecret(request, metadata=rig.caller)).secret
    assert parse_secret(first) is not None
    assert (await SigningSecrets(rig.jobs.streams).get(rig.jobs.owner))[:2] == [second, first]


@pytest.mark.parametrize(
    ("method", "request_type"),
    [
        ("GetJob", jobs_pb2.GetJobRequest),
        ("CancelJob", jobs_pb2.CancelJobRequest),
        ("ListWebhookDeliveries", jobs_pb2.ListWebhookDeliveriesRequest),
        ("WatchJob", jobs_pb2.WatchJobRequest),
    ],
)
@pytest.mark.parametrize(
    ("job_id", "reason"),
    [(UNKNOWN, Reason.JOB_NOT_FOUND), ("../etc", Reason.VALIDATION_ERROR), ("", Reason.VALIDATION_ERROR)],
)
async def test_a_job_of_another_owner_is_not_found(
    rig: JobServiceRig, method: str, request_type: Any, job_id: str, reason: Reason
) -> None:
    call = getattr(rig.stub, method)(request_type(id=job_id), metadata=rig.caller)
    refused = await catch_error(call.read() if method == "WatchJob" else call)
    assert (refused.reason, [item.field for item in refused.violations]) == (reason, ["id"])


async def test_secrets_of_two_concurrent_rotations_both_sign(jobs: Jobs) -> None:
    secrets = SigningSecrets(jobs.streams)
    events = await asyncio.gather(secrets.rotate(jobs.owner), secrets.rotate(jobs.owner))
    assert set(await secrets.get(jobs.owner)) >= set(events)


async def test_without_nats_every_call_is_a_retryable_error(jobs: Jobs, rig: JobServiceRig) -> None:
    job = await rig.create()
    await jobs.streams.client.close()
    calls: list[Awaitable[Any]] = [
        rig.stub.RotateWebhookSecret(jobs_pb2.RotateWebhookSecretRequest(), metadata=rig.caller),
        rig.stub.WatchJob(jobs_pb2.WatchJobRequest(id=job.id), metadata=rig.caller).read(),
        rig.stub.GetJob(jobs_pb2.GetJobRequest(id=job.id), metadata=rig.caller),
        rig.stub.ListJobs(jobs_pb2.ListJobsRequest(), metadata=rig.caller),
        rig.stub.CancelJob(jobs_pb2.CancelJobRequest(id=job.id), metadata=rig.caller),
        rig.create(),
    ]
    errors = [await catch_error(call) for call in calls]
    assert [error.reason for error in errors] == [Reason.UNAVAILABLE] * len(calls)
    assert all(error.retry_after_seconds for error in errors)
