"""Tests of the worker: success, retries and final failures."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.common.errors import MediaError, Reason
from services.jobs.record import Attempt, JobFailure, JobRecord, Status, format_now, make_job_id
from tests.fakes.waiting import until
from tests.integration.jobs.conftest import SHORT_LEASE_SECONDS, Jobs
from tests.integration.jobs.scripted_pipelines import ScriptedPipeline, record_acks

RETRYABLE = {
    Reason.UNAVAILABLE,
    Reason.OVERLOADED,
    Reason.RATE_LIMITED,
    Reason.DEADLINE_EXCEEDED,
    Reason.STORAGE_FAILED,
    Reason.PROVIDER_UNAVAILABLE,
    Reason.PROVIDER_BUSY,
    Reason.PROVIDER_TIMEOUT,
    Reason.INTERNAL,
}
BUSY = MediaError(Reason.PROVIDER_BUSY, "The provider is at its limit.")


def make_failed_record(times: int, owner: str) -> JobRecord:
    """Return the record of a job with failed attempts."""
    failure = JobFailure(Reason.PROVIDER_BUSY.name, "The provider is at its limit.", "video")
    attempts = tuple(Attempt(number, format_now(), format_now(), failure) for number in range(1, times + 1))
    return JobRecord(
        make_job_id(), owner, "animate", {}, format_now(), attempt=times, attempts=attempts, failed_attempts=times
    )


async def test_a_job_is_pulled_run_and_ended(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    async with jobs.run_worker({"animate": pipeline.to_job_type()}, "w-7") as worker:
        record = await jobs.wait_until_ended(await jobs.submit())
        await jobs.wait_for_queued(0)
        await until(lambda: worker.running_jobs == 0)
    (taken,) = pipeline.taken
    assert (taken.status, taken.worker, taken.attempt, taken.delivery) == (Status.RUNNING, "w-7", 1, 1)
    assert (record.status, record.worker, record.percent, record.stage) == (Status.SUCCEEDED, "", 100.0, "")
    assert record.steps == {}
    assert [(attempt.number, attempt.failure) for attempt in record.attempts] == [(1, None)]
    assert record.attempts[0].ended_at


async def test_jobs_queued_before_the_worker_started_run(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    ids = [await jobs.submit() for _ in range(3)]
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        for job_id in ids:
            assert (await jobs.wait_until_ended(job_id)).status is Status.SUCCEEDED
    assert sorted(pipeline.ids) == sorted(ids)


async def test_each_kind_runs_its_own_pipeline(jobs: Jobs) -> None:
    videos, stories = ScriptedPipeline(), ScriptedPipeline()
    async with jobs.run_worker({"animate": videos.to_job_type(), "story": stories.to_job_type()}):
        video, story = await jobs.submit("animate"), await jobs.submit("story")
        await asyncio.gather(jobs.wait_until_ended(video), jobs.wait_until_ended(story))
    assert (videos.ids, stories.ids) == ([video], [story])


async def test_a_job_without_a_record_runs(jobs: Jobs) -> None:
    """The process that accepted the job crashed after publishing its message."""
    pipeline = ScriptedPipeline()
    record = JobRecord(make_job_id(), jobs.owner, "animate", {}, format_now())
    await jobs.enqueue(record)
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        await until(lambda: pipeline.ids == [record.job_id])
        assert (await jobs.wait_until_ended(record.job_id)).status is Status.SUCCEEDED


async def test_retryable_failures_are_retried_until_success(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    pipeline.failures += [BUSY, RuntimeError("a secret"), BUSY]
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        record = await jobs.wait_until_ended(await jobs.submit())
    assert (record.status, record.attempt, record.failure) == (Status.SUCCEEDED, 4, None)
    reasons = [attempt.failure and attempt.failure.reason for attempt in record.attempts]
    assert reasons == ["PROVIDER_BUSY", "INTERNAL", "PROVIDER_BUSY", None]
    assert all(attempt.ended_at for attempt in record.attempts)
    assert [taken.failure for taken in pipeline.taken] == [None] * 4


async def test_other_failures_end_the_job_with_their_reason(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    pipeline.always = BUSY
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        record = await jobs.wait_until_ended(await jobs.submit())
        await jobs.wait_for_queued(0)
    assert (record.status, record.attempt, len(pipeline.taken)) == (Status.FAILED, 8, 8)
    assert record.failure == JobFailure("PROVIDER_BUSY", "The provider is at its limit.", "video")
    assert (record.percent, record.stage) == (40.0, "video")


async def test_a_job_that_waits_for_a_retry_is_queued_and_keeps_its_progress(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    pipeline.failures.append(MediaError(Reason.RATE_LIMITED, retry_after_seconds=600))
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        record = await jobs.wait_until(
            await jobs.submit(), lambda record: bool(record.attempts and record.attempts[0].failure)
        )
    assert (record.status, record.worker, record.percent, record.stage) == (Status.QUEUED, "", 40.0, "video")
    assert await jobs.count_queued() == 1


@pytest.mark.parametrize(
    ("failures", "least_seconds", "most_seconds"),
    [(0, 0.5, 1.0), (1, 1.0, 2.0), (2, 2.0, 4.0), (5, 16.0, 32.0), (6, 30.0, 60.0)],
)
async def test_delays_double_up_to_a_minute(
    jobs: Jobs, failures: int, least_seconds: float, most_seconds: float
) -> None:
    pipeline = ScriptedPipeline()
    pipeline.always = BUSY
    async with (
        record_acks(jobs.streams) as acks,
        jobs.run_worker({"animate": pipeline.to_job_type(max_delay_seconds=60.0)}),
    ):
        await jobs.enqueue(make_failed_record(failures, jobs.owner))
        await until(lambda: bool(acks.delays_seconds))
    assert least_seconds <= acks.delays_seconds[0] <= most_seconds


@pytest.mark.parametrize(("requested_seconds", "expected_seconds"), [(7.5, 7.5), (600.0, 600.0), (3600.0, 600.0)])
async def test_a_retry_after_of_the_provider_is_honoured_up_to_ten_minutes(
    jobs: Jobs, requested_seconds: float, expected_seconds: float
) -> None:
    pipeline = ScriptedPipeline()
    pipeline.failures.append(MediaError(Reason.RATE_LIMITED, retry_after_seconds=requested_seconds))
    async with record_acks(jobs.streams) as acks, jobs.run_worker({"animate": pipeline.to_job_type()}):
        await jobs.submit()
        await until(lambda: bool(acks.delays_seconds))
    assert acks.delays_seconds == [expected_seconds]


async def test_a_retry_after_does_not_shorten_the_backoff(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    pipeline.failures.append(MediaError(Reason.RATE_LIMITED, retry_after_seconds=0.001))
    async with (
        record_acks(jobs.streams) as acks,
        jobs.run_worker({"animate": pipeline.to_job_type(max_delay_seconds=60.0)}),
    ):
        await jobs.submit()
        await until(lambda: bool(acks.delays_seconds))
    assert acks.delays_seconds[0] >= 0.5


@pytest.mark.parametrize("reason", list(Reason), ids=lambda reason: reason.name)
async def test_only_retryable_failures_are_retried(jobs: Jobs, reason: Reason) -> None:
    pipeline = ScriptedPipeline()
    pipeline.failures.append(MediaError(reason, "What to do next."))
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        record = await jobs.wait_until_ended(await jobs.submit())
    assert len(pipeline.taken) == (2 if reason in RETRYABLE else 1)
    assert record.status is (Status.SUCCEEDED if reason in RETRYABLE else Status.FAILED)
    assert record.failure == (None if reason in RETRYABLE else JobFailure(reason.name, "What to do next.", "video"))


async def test_a_job_retries_temporary_failures_beyond_its_maximum(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    pipeline.failures += [BUSY] * 6
    work = replace(pipeline.to_job_type(max_failures=2), wait_budget_seconds=60.0)
    async with jobs.run_worker({"animate": work}):
        record = await jobs.wait_until_ended(await jobs.submit())
    assert (record.status, record.attempt, record.failed_attempts) == (Status.SUCCEEDED, 7, 6)


async def test_the_text_of_an_exception_is_not_exposed(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    pipeline.always = RuntimeError("a secret")
    async with jobs.run_worker({"animate": pipeline.to_job_type(max_failures=1)}):
        record = await jobs.wait_until_ended(await jobs.submit())
    assert record.failure is not None
    assert (record.failure.reason, record.failure.stage) == ("INTERNAL", "video")
    assert b"secret" not in record.encode()


async def test_a_crashed_worker_counts_as_an_attempt_but_not_as_a_failure(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    pipeline.always = BUSY
    lost = tuple(Attempt(number, format_now()) for number in range(1, 8))
    record = JobRecord(
        make_job_id(), jobs.owner, "animate", {}, format_now(), status=Status.RUNNING, attempt=7, attempts=lost
    )
    async with jobs.run_worker({"animate": pipeline.to_job_type(max_failures=2)}):
        await jobs.enqueue(record)
        await until(lambda: len(pipeline.taken) == 2)
        ended = await jobs.wait_until_ended(record.job_id)
    assert (ended.status, ended.attempt) == (Status.FAILED, 9)


async def test_a_job_that_crashed_forty_workers_fails(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    record = JobRecord(
        make_job_id(), jobs.owner, "animate", {}, format_now(), status=Status.RUNNING, stage="video", attempt=40
    )
    await jobs.enqueue(record)
    await jobs.job_store.open_lease(record)
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        ended = await jobs.wait_until_ended(record.job_id)
        await jobs.wait_for_queued(0)
    assert (pipeline.taken, [off.job_id for off in pipeline.cancelled]) == ([], [record.job_id])
    assert (ended.status, ended.attempt) == (Status.FAILED, 40)
    assert ended.failure is not None
    assert (ended.failure.reason, ended.failure.stage) == ("GENERATION_FAILED", "video")


async def test_a_job_that_crashed_thirty_nine_workers_runs_again(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    record = replace(make_failed_record(0, jobs.owner), attempt=39)
    await jobs.enqueue(record)
    await jobs.job_store.open_lease(record)
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        ended = await jobs.wait_until_ended(record.job_id)
    assert (ended.status, ended.attempt) == (Status.SUCCEEDED, 40)


async def test_no_more_jobs_run_at_once_than_max_jobs(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    pipeline.limiter = asyncio.Event()
    ids = [await jobs.submit(owner=owner) for owner in (jobs.owner, jobs.make_owner()) for _ in range(3)]
    async with (
        record_acks(jobs.streams) as acks,
        jobs.run_worker({"animate": pipeline.to_job_type()}, max_jobs=2, lease_seconds=SHORT_LEASE_SECONDS) as worker,
    ):
        await until(lambda: acks.count(b"+WPI") >= 6)
        assert (len(pipeline.taken), worker.running_jobs) == (2, 2)
        pipeline.limiter.set()
        await until(lambda: acks.done == len(ids))
        await until(lambda: worker.running_jobs == 0)
    assert (pipeline.most_at_once, sorted(pipeline.ids)) == (2, sorted(ids))


async def test_two_workers_together_run_no_more_than_max_running(jobs: Jobs) -> None:
    one, other = ScriptedPipeline(), ScriptedPipeline()
    one.limiter = other.limiter = asyncio.Event()
    ids = [await jobs.submit(owner=owner) for owner in (jobs.owner, jobs.make_owner()) for _ in range(3)]
    async with (
        record_acks(jobs.streams) as acks,
        jobs.run_worker(
            {"animate": one.to_job_type(max_running=3)}, "w-1", max_jobs=2, lease_seconds=SHORT_LEASE_SECONDS
        ),
        jobs.run_worker(
            {"animate": other.to_job_type(max_running=3)}, "w-2", max_jobs=2, lease_seconds=SHORT_LEASE_SECONDS
        ),
    ):
        await until(lambda: acks.count(b"+WPI") >= 9)
        assert len(one.taken) + len(other.taken) == 3
        one.limiter.set()
        await until(lambda: acks.done == len(ids))
    assert sorted(one.ids + other.ids) == sorted(ids)


async def test_the_last_worker_to_start_sets_lease_and_max_running(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    for max_running, lease_seconds in ((3, 5.0), (7, 9.0)):
        async with jobs.run_worker(
            {"animate": pipeline.to_job_type(max_running=max_running)}, lease_seconds=lease_seconds
        ):
            await jobs.wait_until_ended(await jobs.submit())
            found = (await jobs.streams.jetstream.consumer_info("JOBS", "worker-animate")).config
            assert (found.max_ack_pending, found.ack_wait, found.max_deliver) == (max_running, lease_seconds, -1)
