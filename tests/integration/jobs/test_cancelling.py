"""A wish to end a job is heard wherever the job is, and what is done for it elsewhere is ended, too."""

from __future__ import annotations

import asyncio

from services.common.errors import MediaError, Reason
from services.jobs.job_store import JobStore
from services.jobs.record import Status
from services.jobs.worker.worker import Worker, WorkerOptions
from tests.fakes.waiting import until
from tests.integration.jobs.conftest import SHORT_LEASE_SECONDS, Jobs
from tests.integration.jobs.rig import Ear, Hands, hearing


async def test_a_job_that_waits_ends_when_it_is_taken_and_is_not_begun(jobs: Jobs) -> None:
    hands = Hands()
    job_id = await jobs.submit()
    known = await jobs.job_store.cancel(job_id, jobs.owner)
    assert known.record.status is Status.QUEUED
    async with jobs.working({"animate": hands.work()}):
        record = await jobs.ended(job_id)
        await jobs.until_queued(0)
    assert (record.status, record.attempt, record.attempts) == (Status.CANCELLED, 0, ())
    assert (hands.taken, [off.job_id for off in hands.off]) == ([], [job_id])


async def test_a_job_that_runs_ends_at_once_and_is_called_off(jobs: Jobs) -> None:
    hands = Hands()
    hands.limiter = asyncio.Event()
    async with jobs.working({"animate": hands.work()}, lease_seconds=300) as worker:
        job_id = await jobs.submit()
        await until(lambda: hands.ids == [job_id])
        await jobs.job_store.cancel(job_id, jobs.owner)
        record = await jobs.ended(job_id)
        await jobs.until_queued(0)
        await until(lambda: worker.at_work == 0)
    assert (record.status, record.worker, record.failure) == (Status.CANCELLED, "", None)
    assert [bool(attempt.ended_at) for attempt in record.attempts] == [True]
    assert (hands.left, [off.job_id for off in hands.off]) == ([job_id], [job_id])


async def test_other_jobs_go_on(jobs: Jobs) -> None:
    hands = Hands()
    hands.limiter = asyncio.Event()
    async with jobs.working({"animate": hands.work()}):
        unwanted, wanted = await jobs.submit(), await jobs.submit()
        await until(lambda: len(hands.taken) == 2)
        await jobs.job_store.cancel(unwanted, jobs.owner)
        assert (await jobs.ended(unwanted)).status is Status.CANCELLED
        hands.limiter.set()
        assert (await jobs.ended(wanted)).status is Status.SUCCEEDED
    assert hands.left == [unwanted]


async def test_a_job_that_waits_for_another_attempt_ends_at_that_one(jobs: Jobs) -> None:
    hands = Hands()
    hands.failures.append(MediaError(Reason.RATE_LIMITED, retry_after_seconds=2))
    async with hearing(jobs.streams) as heard, jobs.working({"animate": hands.work()}):
        job_id = await jobs.submit()
        await until(lambda: bool(heard.delays_seconds))
        await jobs.job_store.cancel(job_id, jobs.owner)
        record = await jobs.ended(job_id)
    assert (record.status, record.attempt, len(hands.taken)) == (Status.CANCELLED, 1, 1)
    assert [off.job_id for off in hands.off] == [job_id]


async def test_a_request_that_went_unheard_is_found(jobs: Jobs) -> None:
    hands = Hands()
    hands.limiter = asyncio.Event()
    ear = Ear(jobs.streams, deaf=True)
    worker = Worker(
        ear.streams, JobStore(jobs.streams), {"animate": hands.work()}, WorkerOptions("w-1", 1, SHORT_LEASE_SECONDS)
    )
    working = asyncio.create_task(worker.run())
    job_id = await jobs.submit()
    await until(lambda: hands.ids == [job_id])
    await jobs.job_store.cancel(job_id, jobs.owner)
    assert (await jobs.ended(job_id)).status is Status.CANCELLED
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert hands.left == [job_id]


async def test_a_provider_that_cannot_be_told_is_told_later(jobs: Jobs) -> None:
    hands = Hands()
    hands.limiter = asyncio.Event()
    hands.off_failures.append(MediaError(Reason.PROVIDER_UNAVAILABLE))
    async with jobs.working({"animate": hands.work()}):
        job_id = await jobs.submit()
        await until(lambda: hands.ids == [job_id])
        await jobs.job_store.cancel(job_id, jobs.owner)
        record = await jobs.ended(job_id)
    assert (record.status, len(hands.off), len(hands.taken)) == (Status.CANCELLED, 2, 1)


async def test_a_job_that_its_worker_gave_back_is_not_begun_again(jobs: Jobs) -> None:
    going, coming = Hands(), Hands()
    going.limiter = asyncio.Event()
    async with jobs.working({"animate": going.work()}, "w-1"):
        job_id = await jobs.submit()
        await until(lambda: going.ids == [job_id])
    await jobs.job_store.cancel(job_id, jobs.owner)
    async with jobs.working({"animate": coming.work()}, "w-2"):
        record = await jobs.ended(job_id)
    assert (record.status, coming.taken, len(coming.off)) == (Status.CANCELLED, [], 1)


async def test_a_kind_that_needs_no_calling_off_is_cancelled_as_well(jobs: Jobs) -> None:
    hands = Hands()
    job_id = await jobs.submit()
    await jobs.job_store.cancel(job_id, jobs.owner)
    work = hands.work()
    async with jobs.working({"animate": type(work)(work.pipeline)}):
        assert (await jobs.ended(job_id)).status is Status.CANCELLED
    assert hands.off == []


async def test_a_request_that_comes_too_late_changes_nothing(jobs: Jobs) -> None:
    hands = Hands()
    async with jobs.working({"animate": hands.work()}):
        record = await jobs.ended(await jobs.submit())
        assert (await jobs.job_store.cancel(record.job_id, jobs.owner)).record == record
        second = await jobs.ended(await jobs.submit())
    assert (await jobs.known(record.job_id), second.status) == (record, Status.SUCCEEDED)
    assert hands.off == []
