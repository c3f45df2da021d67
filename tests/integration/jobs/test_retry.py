"""Tests of RetryJob: a repetition continues after the finished steps, once per failed job, for its owner only."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from media.jobs.v1 import jobs_pb2

from services.common.errors import Reason
from services.common.rpc.channel import call_metadata
from services.jobs.jetstream import QUEUE
from services.jobs.record import JobFailure, JobRecord, Status
from tests.integration.jobs.conftest import QUOTA, Jobs
from tests.integration.jobs.job_service import JobServiceRig, animate, catch_error, open_service_rig

AUDIO = {"key": "audio/1.mp3", "contentType": "audio/mpeg", "provider": "espeak", "model": ""}
WEBHOOK_URL = "https://example.com/webhook"


@pytest.fixture
async def rig(jobs: Jobs) -> AsyncIterator[JobServiceRig]:
    async with open_service_rig(jobs) as opened:
        yield opened


async def end_job(rig: JobServiceRig, job_id: str, status: Status, reason: Reason = Reason.GENERATION_FAILED) -> None:
    """End a job that has finished its audio step."""
    lease = await rig.take(job_id)
    await lease.report_progress("video", 20)
    await lease.save_result("audio", AUDIO)
    failure = JobFailure(reason.name, "It broke.", "video") if status is Status.FAILED else None
    await lease.write(lease.record.start_attempt("worker", 1).end_attempt(status, failure))
    # As the worker does, so that the job no longer counts against the quota.
    await rig.jobs.streams.jetstream.purge_stream(QUEUE, subject=rig.jobs.build_subject("animate"))


async def retry_job(rig: JobServiceRig, job_id: str) -> jobs_pb2.Job:
    return (await rig.stub.RetryJob(jobs_pb2.RetryJobRequest(id=job_id), metadata=rig.caller)).job


async def fail_job(rig: JobServiceRig, reason: Reason = Reason.GENERATION_FAILED) -> str:
    job = await rig.create(request_id="order-7", webhook_url=WEBHOOK_URL)
    await end_job(rig, job.id, Status.FAILED, reason)
    return job.id


async def test_a_repetition_continues_after_the_finished_steps(rig: JobServiceRig) -> None:
    failed_id = await fail_job(rig)
    job = await retry_job(rig, failed_id)
    assert (job.status, job.retry_of, job.request_id) == (jobs_pb2.JOB_STATUS_QUEUED, failed_id, "")
    assert (job.kind, job.webhook_url, job.percent) == (jobs_pb2.JOB_KIND_ANIMATE, WEBHOOK_URL, 20)
    assert (list(job.steps_done), job.attempt, len(job.attempts)) == (["audio"], 0, 0)
    assert job.result.audio.key == AUDIO["key"]
    queued = await rig.jobs.streams.jetstream.get_last_msg(QUEUE, rig.jobs.build_subject("animate"))
    record = JobRecord.decode(queued.data or b"")
    failed = await rig.jobs.get_record(failed_id)
    assert (record.job_id, record.spec, record.steps) == (job.id, failed.spec, {"audio": AUDIO})
    assert (failed.status, failed.retried_by) == (Status.FAILED, job.id)


async def test_a_failed_job_has_one_repetition(rig: JobServiceRig) -> None:
    failed_id = await fail_job(rig)
    first = await retry_job(rig, failed_id)
    assert (await retry_job(rig, failed_id)).id == first.id
    assert await rig.jobs.count_queued("animate") == 1
    await end_job(rig, first.id, Status.FAILED)
    second = await retry_job(rig, first.id)
    assert second.retry_of == first.id
    assert len({failed_id, first.id, second.id}) == 3


@pytest.mark.parametrize(
    ("reason", "is_found_again"),
    [(Reason.STORAGE_FAILED, True), (Reason.STORAGE_REFUSED, True), (Reason.GENERATION_FAILED, False)],
)
async def test_a_video_that_could_not_be_stored_is_requested_again(
    rig: JobServiceRig, reason: Reason, is_found_again: bool
) -> None:
    failed_id = await fail_job(rig, reason)
    first = await retry_job(rig, failed_id)
    assert (await rig.jobs.get_record(first.id)).video_of == (failed_id if is_found_again else "")
    await end_job(rig, first.id, Status.FAILED, Reason.STORAGE_FAILED)
    second = await retry_job(rig, first.id)
    assert (await rig.jobs.get_record(second.id)).video_of == (failed_id if is_found_again else first.id)


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.CANCELLED])
async def test_a_job_that_has_not_failed_is_not_repeated(rig: JobServiceRig, status: Status) -> None:
    job = await rig.create()
    refused = [await catch_error(retry_job(rig, job.id))]
    await end_job(rig, job.id, status)
    refused.append(await catch_error(retry_job(rig, job.id)))
    assert [(error.reason, error.violations[0].field) for error in refused] == [(Reason.VALIDATION_ERROR, "id")] * 2
    assert [error.message for error in refused] == [
        f"id: must be the id of a failed job; this one is {word}" for word in ("queued", status.value)
    ]


async def test_only_the_owner_repeats_a_job(rig: JobServiceRig) -> None:
    failed_id = await fail_job(rig)
    other = call_metadata(rig.jobs.make_owner())
    refused = await catch_error(rig.stub.RetryJob(jobs_pb2.RetryJobRequest(id=failed_id), metadata=other))
    assert refused.reason is Reason.JOB_NOT_FOUND


async def test_a_repetition_counts_against_the_quota(rig: JobServiceRig) -> None:
    failed_id = await fail_job(rig)
    for _ in range(QUOTA):
        await rig.create(animate())
    assert (await catch_error(retry_job(rig, failed_id))).reason is Reason.QUOTA_EXCEEDED
    await rig.jobs.streams.jetstream.purge_stream(QUEUE, subject=rig.jobs.build_subject("animate"))
    assert (await retry_job(rig, failed_id)).retry_of == failed_id
