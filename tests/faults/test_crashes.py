"""Tests of jobs while processes are killed, paused or unavailable: each job ends once, and pays for its video once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.jobs.record import JobRecord, Status
from tests.fakes.replicate import DOWN, Failure, FakeReplicate
from tests.fakes.waiting import until
from tests.faults.conftest import Jobs, make_pending_run
from tests.faults.suite_processes import SuiteProcesses

pytestmark = pytest.mark.timeout(300)


def is_generating_video(record: JobRecord) -> bool:
    return record.stage == "video"


async def wait_until_paid(replicate: FakeReplicate) -> None:
    """Wait until the provider has accepted the video."""
    await replicate.until(lambda: replicate.created == 1)


async def submit_pending_video(jobs: Jobs, replicate: FakeReplicate) -> str:
    """Submit a video that the provider does not finish by itself, and return the job once it is paid for."""
    replicate.runs.append(make_pending_run())
    job_id = await jobs.submit_animate()
    await wait_until_paid(replicate)
    await jobs.wait_until(job_id, is_generating_video)
    return job_id


async def test_a_talking_video_succeeds(suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate) -> None:
    job_id = await jobs.submit_talking_video()
    record = await jobs.wait_until_ended(job_id)
    assert (record.status, record.attempt, record.percent) == (Status.SUCCEEDED, 1, 100.0)
    assert {"audio", "video", "final"} <= record.steps.keys()
    assert replicate.created == 1


async def test_a_worker_killed_while_it_waits_for_a_video(
    suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate
) -> None:
    replicate.runs.append(make_pending_run())
    job_id = await jobs.submit_talking_video()
    await wait_until_paid(replicate)
    await suite.restart("worker")
    replicate.move("p1", "succeeded")
    record = await jobs.wait_until_ended(job_id)
    assert (record.status, record.attempt, replicate.created) == (Status.SUCCEEDED, 2, 1)


async def test_a_worker_killed_inside_the_paid_call(
    suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate
) -> None:
    replicate.failures["create"].append(Failure(hangs=True, works=True))
    job_id = await jobs.submit_animate()
    await wait_until_paid(replicate)
    suite.kill("worker")
    await suite.restart("video")
    await suite.start("worker")
    record = await jobs.wait_until_ended(job_id)
    assert (record.status, replicate.created) == (Status.SUCCEEDED, 1)


async def test_a_service_killed_inside_the_paid_call(
    suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate
) -> None:
    replicate.failures["create"].append(Failure(hangs=True, works=True))
    job_id = await jobs.submit_animate()
    await wait_until_paid(replicate)
    await suite.restart("video")
    record = await jobs.wait_until_ended(job_id)
    assert (record.status, replicate.created) == (Status.SUCCEEDED, 1)


async def test_nats_killed_during_a_job(suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate) -> None:
    replicate.runs.append(make_pending_run())
    job_id = await jobs.submit_talking_video()
    watching = asyncio.create_task(jobs.collect_changes(job_id))
    await wait_until_paid(replicate)
    await suite.restart("nats")
    replicate.move("p1", "succeeded")
    record = await jobs.wait_until_ended(job_id)
    assert (record.status, replicate.created) == (Status.SUCCEEDED, 1)
    async with asyncio.timeout(20):
        changes = await watching
    assert changes[-1].record.status is Status.SUCCEEDED
    percents = [change.record.percent for change in changes]
    assert percents == sorted(percents)


async def test_nats_killed_right_after_it_accepted_a_job(
    suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate
) -> None:
    suite.kill("worker")
    job_id = await jobs.submit_animate()
    await suite.restart("nats")
    await suite.start("worker")
    record = await jobs.wait_until_ended(job_id)
    assert (record.status, replicate.created) == (Status.SUCCEEDED, 1)


async def test_a_worker_paused_past_its_lease_cannot_write(
    suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate
) -> None:
    job_id = await submit_pending_video(jobs, replicate)
    suite.pause("worker")
    await suite.start("worker2")
    await jobs.wait_until(job_id, lambda record: record.attempt == 2)
    suite.resume("worker")
    replicate.move("p1", "succeeded")
    record = await jobs.wait_until_ended(job_id)
    assert (record.status, record.attempt, replicate.created) == (Status.SUCCEEDED, 2, 1)
    await until(lambda: "another worker has this job" in suite.read_log("worker"))


async def test_a_provider_that_fails_twice(suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate) -> None:
    replicate.failures["create"] += [DOWN, DOWN]
    record = await jobs.wait_until_ended(await jobs.submit_animate())
    assert (record.status, replicate.created) == (Status.SUCCEEDED, 1)


async def test_a_provider_that_never_finishes(suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate) -> None:
    suite.overrides["video"] = {"REPLICATE_TIMEOUT_SECONDS": "3"}
    await suite.restart("video")
    replicate.runs.append(make_pending_run())
    record = await jobs.wait_until_ended(await jobs.submit_animate())
    assert record.failure is not None
    assert (record.status, record.failure.reason) == (Status.FAILED, "PROVIDER_TIMEOUT")
    assert (record.attempt, replicate.created) == (3, 1)
    await replicate.until(lambda: replicate.cancelled == ["p1"])


@pytest.mark.parametrize("name", ["tts", "video"])
async def test_a_service_killed_during_a_job(
    suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate, name: str
) -> None:
    replicate.runs.append(make_pending_run())
    job_id = await jobs.submit_talking_video()
    await wait_until_paid(replicate)
    await suite.restart(name)
    replicate.move("p1", "succeeded")
    record = await jobs.wait_until_ended(job_id)
    assert (record.status, replicate.created) == (Status.SUCCEEDED, 1)


async def test_a_store_that_is_unavailable_for_some_time(
    suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate, tmp_path: Path
) -> None:
    job_id = await submit_pending_video(jobs, replicate)
    objects, moved = tmp_path / "objects", tmp_path / "moved"
    objects.rename(moved)
    objects.write_text("a file instead of the folder")
    replicate.move("p1", "succeeded")
    await jobs.wait_until(job_id, lambda record: any(attempt.failure for attempt in record.attempts))
    objects.unlink()
    moved.rename(objects)
    record = await jobs.wait_until_ended(job_id)
    assert (record.status, replicate.created) == (Status.SUCCEEDED, 1)


async def test_a_job_cancelled_while_it_waits_for_a_worker(
    suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate
) -> None:
    suite.kill("worker")
    job_id = await jobs.submit_animate()
    await jobs.job_store.cancel(job_id, "alice")
    await suite.start("worker")
    assert (await jobs.wait_until_ended(job_id)).status is Status.CANCELLED
    assert replicate.created == 0


async def test_a_job_cancelled_while_its_video_is_generated(
    suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate
) -> None:
    job_id = await submit_pending_video(jobs, replicate)
    await jobs.job_store.cancel(job_id, "alice")
    assert (await jobs.wait_until_ended(job_id)).status is Status.CANCELLED
    await replicate.until(lambda: replicate.cancelled == ["p1"])


async def test_a_job_cancelled_inside_the_paid_call(
    suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate
) -> None:
    replicate.failures["create"].append(Failure(hangs=True, works=True))
    job_id = await jobs.submit_animate()
    await wait_until_paid(replicate)
    await jobs.job_store.cancel(job_id, "alice")
    assert (await jobs.wait_until_ended(job_id)).status is Status.CANCELLED
    assert replicate.created == 1


async def test_a_stopping_worker_returns_its_jobs(suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate) -> None:
    replicate.runs.append(make_pending_run())
    job_id = await jobs.submit_animate()
    await wait_until_paid(replicate)
    await suite.start("worker2")
    await suite.stop("worker")
    replicate.move("p1", "succeeded")
    record = await jobs.wait_until_ended(job_id)
    assert (record.status, record.attempt, replicate.created) == (Status.SUCCEEDED, 2, 1)
    assert record.attempts[0].failure is None
