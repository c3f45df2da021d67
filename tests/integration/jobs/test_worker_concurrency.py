"""Tests of the concurrency of workers: permits, and consumers that are recreated or closed."""

from __future__ import annotations

import asyncio

import pytest

from services.jobs.jetstream import KINDS, QUEUE, StreamOptions, open_streams
from services.jobs.job_store import JobStore
from services.jobs.job_type import JobType
from services.jobs.lease import Lease
from services.jobs.worker.worker import Worker, WorkerOptions
from tests.conftest import LogLines
from tests.fakes.waiting import until
from tests.integration.jobs.conftest import QUOTA, Jobs
from tests.integration.jobs.scripted_pipelines import ScriptedPipeline, record_acks


async def test_kinds_without_jobs_hold_no_permits(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    # Longer than the timeouts of this test: waiting for the pull of another kind would fail it.
    monkeypatch.setattr("services.jobs.worker.worker._FETCH_SECONDS", 600.0)
    pipeline = ScriptedPipeline()
    pipeline.limiter = asyncio.Event()
    idle = ScriptedPipeline()
    job_type = {kind: (pipeline if kind == "animate" else idle).to_job_type() for kind in KINDS}
    async with jobs.run_worker(job_type, max_jobs=QUOTA):
        for _ in range(QUOTA):
            await jobs.submit()
        await until(lambda: len(pipeline.taken) == QUOTA)
        pipeline.limiter.set()
        await jobs.wait_for_queued(0)
    assert pipeline.most_at_once == QUOTA


async def test_all_kinds_share_one_permit(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    async with jobs.run_worker({kind: pipeline.to_job_type() for kind in KINDS}, max_jobs=1):
        ids = [await jobs.submit(kind) for kind in ("animate", "story", "headline")]
        for job_id in ids:
            await jobs.wait_until_ended(job_id)
    assert sorted(pipeline.ids) == sorted(ids)
    assert pipeline.most_at_once == 1


async def test_a_removed_consumer_is_created_again(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        await jobs.wait_until_ended(await jobs.submit())
        await jobs.streams.jetstream.delete_consumer(QUEUE, "worker-animate")
        await jobs.wait_until_ended(await jobs.submit())
    assert len(pipeline.taken) == 2


async def test_a_recreated_queue_is_processed(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        await jobs.wait_until_ended(await jobs.submit())
        await jobs.streams.jetstream.delete_stream(QUEUE)
        async with open_streams(StreamOptions((jobs.url,), quota=QUOTA), "again"):
            await jobs.wait_until_ended(await jobs.submit())
    assert len(pipeline.taken) == 2


async def test_a_stopped_worker_takes_no_job_from_others(jobs: Jobs) -> None:
    # The connection of this worker stays open, unlike in a process of its own.
    worker = Worker(
        jobs.streams, JobStore(jobs.streams), {"animate": ScriptedPipeline().to_job_type()}, WorkerOptions("w-1", 1, 30)
    )
    running = asyncio.create_task(worker.run())
    async with record_acks(jobs.streams):
        await jobs.wait_until_ended(await jobs.submit())
        await until(lambda: worker.running_jobs == 0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    job_id = await jobs.submit()
    async with (
        jobs.run_worker({"animate": ScriptedPipeline().to_job_type()}, "w-2", lease_seconds=30),
        asyncio.timeout(15),
    ):
        record = await jobs.wait_until_ended(job_id)
    assert record.attempts[-1].number == 1
    assert worker.running_jobs == 0


async def test_a_job_delivered_twice_to_its_worker_can_still_be_cancelled(jobs: Jobs, log_lines: LogLines) -> None:
    limiters = [asyncio.Event(), asyncio.Event()]
    taken: list[Lease] = []
    left: list[Lease] = []

    async def pipeline(lease: Lease) -> None:
        limiter = limiters[len(taken)]
        taken.append(lease)
        try:
            await limiter.wait()
        except asyncio.CancelledError:
            left.append(lease)
            raise
        await lease.report_progress("video", 50)

    async with jobs.run_worker({"animate": JobType(pipeline)}) as worker:
        job_id = await jobs.submit()
        await until(lambda: len(taken) == 1)
        await jobs.enqueue(await jobs.get_record(job_id))
        await until(lambda: len(taken) == 2)
        limiters[0].set()
        await until(lambda: any(line["event"] == "another worker has this job" for line in log_lines()))
        assert worker.running_jobs == 1
        await jobs.job_store.cancel(job_id, jobs.owner)
        await until(lambda: bool(left))
    assert left == [taken[1]]
