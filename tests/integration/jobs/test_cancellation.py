"""Tests of cancellation: it reaches a job in each state, and its provider requests."""

from __future__ import annotations

import asyncio

from services.common.errors import MediaError, Reason
from services.jobs.job_store import JobStore
from services.jobs.record import Status
from services.jobs.worker.worker import Worker, WorkerOptions
from tests.fakes.waiting import until
from tests.integration.jobs.conftest import SHORT_LEASE_SECONDS, Jobs
from tests.integration.jobs.scripted_pipelines import ScriptedPipeline, SubscriptionSpy, record_acks


async def test_a_cancelled_queued_job_ends_when_pulled_without_a_run(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    job_id = await jobs.submit()
    cancelled = await jobs.job_store.cancel(job_id, jobs.owner)
    assert cancelled.record.status is Status.QUEUED
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        record = await jobs.wait_until_ended(job_id)
        await jobs.wait_for_queued(0)
    assert (record.status, record.attempt, record.attempts) == (Status.CANCELLED, 0, ())
    assert (pipeline.taken, [off.job_id for off in pipeline.cancelled]) == ([], [job_id])


async def test_a_running_job_ends_at_once_and_is_cancelled_at_the_provider(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    pipeline.limiter = asyncio.Event()
    async with jobs.run_worker({"animate": pipeline.to_job_type()}, lease_seconds=300) as worker:
        job_id = await jobs.submit()
        await until(lambda: pipeline.ids == [job_id])
        await jobs.job_store.cancel(job_id, jobs.owner)
        record = await jobs.wait_until_ended(job_id)
        await jobs.wait_for_queued(0)
        await until(lambda: worker.running_jobs == 0)
    assert (record.status, record.worker, record.failure) == (Status.CANCELLED, "", None)
    assert [bool(attempt.ended_at) for attempt in record.attempts] == [True]
    assert (pipeline.stopped, [off.job_id for off in pipeline.cancelled]) == ([job_id], [job_id])


async def test_other_jobs_are_not_cancelled(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    pipeline.limiter = asyncio.Event()
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        unwanted, wanted = await jobs.submit(), await jobs.submit()
        await until(lambda: len(pipeline.taken) == 2)
        await jobs.job_store.cancel(unwanted, jobs.owner)
        assert (await jobs.wait_until_ended(unwanted)).status is Status.CANCELLED
        pipeline.limiter.set()
        assert (await jobs.wait_until_ended(wanted)).status is Status.SUCCEEDED
    assert pipeline.stopped == [unwanted]


async def test_a_job_that_waits_for_a_retry_is_cancelled_at_that_retry(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    pipeline.failures.append(MediaError(Reason.RATE_LIMITED, retry_after_seconds=2))
    async with record_acks(jobs.streams) as acks, jobs.run_worker({"animate": pipeline.to_job_type()}):
        job_id = await jobs.submit()
        await until(lambda: bool(acks.delays_seconds))
        await jobs.job_store.cancel(job_id, jobs.owner)
        record = await jobs.wait_until_ended(job_id)
    assert (record.status, record.attempt, len(pipeline.taken)) == (Status.CANCELLED, 1, 1)
    assert [off.job_id for off in pipeline.cancelled] == [job_id]


async def test_a_lost_cancel_notification_is_found(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    pipeline.limiter = asyncio.Event()
    spy = SubscriptionSpy(jobs.streams, lossy=True)
    worker = Worker(
        spy.streams,
        JobStore(jobs.streams),
        {"animate": pipeline.to_job_type()},
        WorkerOptions("w-1", 1, SHORT_LEASE_SECONDS),
    )
    working = asyncio.create_task(worker.run())
    job_id = await jobs.submit()
    await until(lambda: pipeline.ids == [job_id])
    await jobs.job_store.cancel(job_id, jobs.owner)
    assert (await jobs.wait_until_ended(job_id)).status is Status.CANCELLED
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert pipeline.stopped == [job_id]


async def test_a_failed_cancel_at_the_provider_is_retried(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    pipeline.limiter = asyncio.Event()
    pipeline.cancel_failures.append(MediaError(Reason.PROVIDER_UNAVAILABLE))
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        job_id = await jobs.submit()
        await until(lambda: pipeline.ids == [job_id])
        await jobs.job_store.cancel(job_id, jobs.owner)
        record = await jobs.wait_until_ended(job_id)
    assert (record.status, len(pipeline.cancelled), len(pipeline.taken)) == (Status.CANCELLED, 2, 1)


async def test_a_cancelled_job_that_was_given_back_does_not_run_again(jobs: Jobs) -> None:
    going, coming = ScriptedPipeline(), ScriptedPipeline()
    going.limiter = asyncio.Event()
    async with jobs.run_worker({"animate": going.to_job_type()}, "w-1"):
        job_id = await jobs.submit()
        await until(lambda: going.ids == [job_id])
    await jobs.job_store.cancel(job_id, jobs.owner)
    async with jobs.run_worker({"animate": coming.to_job_type()}, "w-2"):
        record = await jobs.wait_until_ended(job_id)
    assert (record.status, coming.taken, len(coming.cancelled)) == (Status.CANCELLED, [], 1)


async def test_a_kind_without_a_provider_cancel_is_cancelled_too(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    job_id = await jobs.submit()
    await jobs.job_store.cancel(job_id, jobs.owner)
    job_type = pipeline.to_job_type()
    async with jobs.run_worker({"animate": type(job_type)(job_type.pipeline)}):
        assert (await jobs.wait_until_ended(job_id)).status is Status.CANCELLED
    assert pipeline.cancelled == []


async def test_a_cancel_after_the_end_changes_nothing(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        record = await jobs.wait_until_ended(await jobs.submit())
        assert (await jobs.job_store.cancel(record.job_id, jobs.owner)).record == record
        second = await jobs.wait_until_ended(await jobs.submit())
    assert (await jobs.get_record(record.job_id), second.status) == (record, Status.SUCCEEDED)
    assert pipeline.cancelled == []
