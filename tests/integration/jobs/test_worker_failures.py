"""Tests of workers that stop, are superseded or receive unreadable messages: no job is lost or run twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.common.errors import MediaError, Reason
from services.jobs.jetstream import Streams
from services.jobs.job_store import JobStore
from services.jobs.record import JobRecord, Status, format_now, make_job_id
from services.jobs.worker.worker import Worker, WorkerOptions
from tests.conftest import LogLines
from tests.fakes.cancelling import lose_cancellation
from tests.fakes.waiting import until
from tests.integration.jobs.conftest import SHORT_LEASE_SECONDS, Jobs
from tests.integration.jobs.scripted_pipelines import ScriptedPipeline, record_acks


class CancellationLosingStore(JobStore):
    """A job store that loses the stop of its worker during the read of a cancellation."""

    def __init__(self, streams: Streams) -> None:
        super().__init__(streams)
        self._readers: set[asyncio.Task[object] | None] = set()

    async def is_cancelled(self, key: str) -> bool:
        """Return whether a cancellation was requested, and lose the stop at the second read of a task."""
        requested = await super().is_cancelled(key)
        if asyncio.current_task() in self._readers:
            await lose_cancellation()
        self._readers.add(asyncio.current_task())
        return requested


async def test_a_worker_that_stops_gives_its_jobs_back(jobs: Jobs) -> None:
    going, coming = ScriptedPipeline(), ScriptedPipeline()
    going.limiter = asyncio.Event()
    async with record_acks(jobs.streams) as acks:
        async with jobs.run_worker({"animate": going.to_job_type()}, "w-1", lease_seconds=300) as worker:
            ids = [await jobs.submit() for _ in range(3)]
            await until(lambda: len(going.taken) == 3)
        await until(lambda: acks.count(b"-NAK") == 3)
        assert (sorted(going.stopped), going.cancelled, worker.running_jobs) == (sorted(ids), [], 0)
        for job_id in ids:
            assert (await jobs.get_record(job_id)).status is Status.RUNNING
        async with jobs.run_worker({"animate": coming.to_job_type()}, "w-2", lease_seconds=300):
            ended = [await jobs.wait_until_ended(job_id) for job_id in ids]
    assert [(record.status, record.attempt) for record in ended] == [(Status.SUCCEEDED, 2)] * 3
    assert {taken.worker for taken in coming.taken} == {"w-2"}
    assert [(record.attempts[0].ended_at, record.attempts[0].failure) for record in ended] == [("", None)] * 3


async def test_a_worker_that_stops_does_not_take_its_own_job_again(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    pipeline.limiter = asyncio.Event()
    async with record_acks(jobs.streams) as acks:
        async with jobs.run_worker({"animate": pipeline.to_job_type()}):
            await jobs.submit()
            await until(lambda: len(pipeline.taken) == 1)
        await until(lambda: bool(acks.delays_seconds))
    assert acks.delays_seconds[0] > 0
    assert len(pipeline.taken) == 1


async def test_a_worker_that_stops_gives_back_a_job_that_it_is_about_to_end(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    pipeline.cancel_limiter = asyncio.Event()
    job_id = await jobs.submit()
    await jobs.job_store.cancel(job_id, jobs.owner)
    async with record_acks(jobs.streams) as acks:
        async with jobs.run_worker({"animate": pipeline.to_job_type()}, lease_seconds=300):
            await until(lambda: len(pipeline.cancelled) == 1)
        await until(lambda: acks.count(b"-NAK") == 1)
    async with jobs.run_worker({"animate": ScriptedPipeline().to_job_type()}, lease_seconds=300):
        assert (await jobs.wait_until_ended(job_id)).status is Status.CANCELLED


async def test_a_stop_during_the_start_of_a_job_is_not_lost(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    pipeline.limiter = asyncio.Event()
    worker = Worker(
        jobs.streams,
        CancellationLosingStore(jobs.streams),
        {"animate": pipeline.to_job_type()},
        WorkerOptions("w-1", 1, 300),
    )
    working = asyncio.create_task(worker.run())
    async with record_acks(jobs.streams) as acks:
        await jobs.submit()
        await until(lambda: acks.count(b"-NAK") == 1)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert worker.running_jobs == 0


async def test_a_job_that_takes_longer_than_the_lease_stays_with_its_worker(jobs: Jobs) -> None:
    one, other = ScriptedPipeline(), ScriptedPipeline()
    one.limiter = other.limiter = asyncio.Event()
    async with (
        record_acks(jobs.streams) as acks,
        jobs.run_worker({"animate": one.to_job_type()}, "w-1", lease_seconds=SHORT_LEASE_SECONDS),
        jobs.run_worker({"animate": other.to_job_type()}, "w-2", lease_seconds=SHORT_LEASE_SECONDS),
    ):
        job_id = await jobs.submit()
        # Three extensions per lease, the first one at once: after seven, two leases have passed.
        await until(lambda: acks.count(b"+WPI") >= 7)
        assert len(one.taken) + len(other.taken) == 1
        one.limiter.set()
        record = await jobs.wait_until_ended(job_id)
    assert (record.status, record.attempt) == (Status.SUCCEEDED, 1)


async def test_a_superseded_worker_writes_nothing(jobs: Jobs, log_lines: LogLines) -> None:
    pipeline = ScriptedPipeline()
    pipeline.limiter = asyncio.Event()
    pipeline.failures.append(RuntimeError())
    async with jobs.run_worker({"animate": pipeline.to_job_type()}) as worker:
        job_id = await jobs.submit()
        lease = await jobs.job_store.open_lease(await jobs.wait_until_running(job_id))
        await lease.write(replace(lease.record, worker="w-2", delivery=9, percent=70.0))
        pipeline.limiter.set()
        await until(lambda: worker.running_jobs == 0)
        assert await jobs.get_record(job_id) == lease.record
    assert len(pipeline.taken) == 1
    assert "another worker has this job" in {line["event"] for line in log_lines()}


async def test_a_delivery_older_than_the_running_one_is_ignored(jobs: Jobs) -> None:
    """A suspended worker resumes with a message that another worker has received since."""
    pipeline = ScriptedPipeline()
    record = JobRecord(make_job_id(), jobs.owner, "animate", {}, format_now()).start_attempt("w-2", 3)
    await jobs.enqueue(record)
    await jobs.job_store.open_lease(record)
    async with jobs.run_worker({"animate": pipeline.to_job_type()}, "w-1", lease_seconds=SHORT_LEASE_SECONDS):
        ended = await jobs.wait_until_ended(record.job_id)
    (taken,) = pipeline.taken
    assert (taken.delivery, taken.attempt, ended.status) == (3, 2, Status.SUCCEEDED)


async def test_a_queued_job_is_pulled_regardless_of_its_deliveries(jobs: Jobs) -> None:
    """A requeued message starts with a delivery count of one."""
    pipeline = ScriptedPipeline()
    record = replace(
        JobRecord(make_job_id(), jobs.owner, "animate", {}, format_now()).start_attempt("w-2", 9), status=Status.QUEUED
    )
    await jobs.enqueue(record)
    await jobs.job_store.open_lease(record)
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        assert (await jobs.wait_until_ended(record.job_id)).status is Status.SUCCEEDED
    assert [taken.delivery for taken in pipeline.taken] == [1]


@pytest.mark.parametrize("poison", [b"", b"no job", b"[]", b"42", b'{"job_id": "1"}'], ids=repr)
async def test_an_unreadable_message_does_not_stop_other_jobs(jobs: Jobs, log_lines: LogLines, poison: bytes) -> None:
    pipeline = ScriptedPipeline()
    await jobs.streams.jetstream.publish(jobs.build_subject("animate"), poison)
    async with (
        record_acks(jobs.streams) as acks,
        jobs.run_worker({"animate": pipeline.to_job_type()}, max_jobs=1) as worker,
    ):
        job_id = await jobs.submit()
        assert (await jobs.wait_until_ended(job_id)).status is Status.SUCCEEDED
        await until(lambda: worker.running_jobs == 0)
        await jobs.wait_for_queued(1)
        assert [delay >= 10 for delay in acks.delays_seconds] == [True]
    assert pipeline.ids == [job_id]
    assert [line["bytes"] for line in log_lines() if line["event"] == "cannot read a message in the queue"] == [
        len(poison)
    ]


async def test_a_job_of_an_unknown_kind_does_not_stop_other_jobs(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    stranger = JobRecord(make_job_id(), jobs.owner, "dance", {}, format_now())
    await jobs.streams.jetstream.publish(jobs.build_subject("animate"), stranger.encode())
    async with jobs.run_worker({"animate": pipeline.to_job_type()}, max_jobs=1):
        job_id = await jobs.submit()
        assert (await jobs.wait_until_ended(job_id)).status is Status.SUCCEEDED
    assert pipeline.ids == [job_id]


async def test_the_message_of_an_ended_job_is_acknowledged(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    async with jobs.run_worker({"animate": pipeline.to_job_type()}) as worker:
        record = await jobs.wait_until_ended(await jobs.submit())
        await until(lambda: worker.running_jobs == 0)
        async with record_acks(jobs.streams) as acks:
            await jobs.enqueue(record)
            await until(lambda: acks.done == 1)
            await jobs.wait_for_queued(0)
    assert len(pipeline.taken) == 1
    assert await jobs.get_record(record.job_id) == record


async def test_a_worker_continues_after_the_queue_was_recreated(jobs: Jobs) -> None:
    """The server has lost the queue and its consumers; the record is still stored."""
    pipeline = ScriptedPipeline()
    pipeline.limiter = asyncio.Event()
    async with jobs.run_worker({"animate": pipeline.to_job_type()}, max_jobs=1) as worker:
        job_id = await jobs.submit()
        await until(lambda: worker.running_jobs == 1)
        await jobs.streams.jetstream.purge_stream("JOBS")
        pipeline.limiter.set()
        await until(lambda: worker.running_jobs == 0)
        second = await jobs.submit()
        assert (await jobs.wait_until_ended(second)).status is Status.SUCCEEDED
    assert (await jobs.get_record(job_id)).status is Status.SUCCEEDED


async def test_a_cancel_that_fails_at_the_provider_is_retried(jobs: Jobs, log_lines: LogLines) -> None:
    pipeline = ScriptedPipeline()
    pipeline.cancel_failures.append(MediaError(Reason.UNAVAILABLE))
    job_id = await jobs.submit()
    await jobs.job_store.cancel(job_id, jobs.owner)
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        record = await jobs.wait_until_ended(job_id)
    assert (record.status, len(pipeline.cancelled), pipeline.taken) == (Status.CANCELLED, 2, [])
    assert "cannot cancel a job at its provider" in {line["event"] for line in log_lines()}


@pytest.mark.parametrize(
    ("reason", "attempts"), [(Reason.NOT_FOUND, 1), (Reason.PROVIDER_UNAVAILABLE, 3)], ids=["never", "not for now"]
)
async def test_a_cancelled_job_ends_although_its_provider_never_answers(
    jobs: Jobs, reason: Reason, attempts: int
) -> None:
    pipeline = ScriptedPipeline()
    pipeline.cancel_failures.extend([MediaError(reason)] * 10)
    job_id = await jobs.submit()
    await jobs.job_store.cancel(job_id, jobs.owner)
    async with jobs.run_worker({"animate": pipeline.to_job_type(max_failures=3)}):
        record = await jobs.wait_until_ended(job_id)
        await jobs.wait_for_queued(0)
    assert (record.status, len(pipeline.cancelled)) == (Status.CANCELLED, attempts)


async def test_a_provider_that_times_out_gets_a_cancel(jobs: Jobs) -> None:
    pipeline = ScriptedPipeline()
    pipeline.always = MediaError(Reason.PROVIDER_TIMEOUT)
    async with jobs.run_worker({"animate": pipeline.to_job_type()}):
        record = await jobs.wait_until_ended(await jobs.submit())
    assert record.failure is not None
    assert (record.status, record.failure.reason) == (Status.FAILED, "PROVIDER_TIMEOUT")
    assert (len(pipeline.taken), len(pipeline.cancelled)) == (3, 1)


async def test_a_kind_with_own_permits_holds_none_of_the_others(jobs: Jobs) -> None:
    stuck, pipeline = ScriptedPipeline(), ScriptedPipeline()
    stuck.limiter = asyncio.Event()
    job_type = {"webhook": stuck.to_job_type(own_permits=2), "animate": pipeline.to_job_type()}
    async with jobs.run_worker(job_type, max_jobs=1):
        for _ in range(3):
            await jobs.submit("webhook", spec={})
        await until(lambda: len(stuck.taken) == 2)
        await jobs.wait_until_ended(await jobs.submit())
        stuck.limiter.set()
    assert stuck.most_at_once == 2
