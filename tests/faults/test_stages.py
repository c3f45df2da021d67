"""Tests of crashes and cancellations at each stage of a job: services during a step, workers between two writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from services.jobs.record import JobRecord, Status
from tests.fakes.holding_proxy import run_holding_proxy
from tests.fakes.replicate import Failure, FakeReplicate
from tests.faults.conftest import ALICE, Jobs, make_pending_run
from tests.faults.suite_processes import SuiteProcesses

pytestmark = pytest.mark.timeout(300)

Submit = Callable[[Jobs], Awaitable[str]]


def is_at(stage: str) -> Callable[[JobRecord], bool]:
    return lambda record: record.status is Status.RUNNING and record.stage == stage


@asynccontextmanager
async def hold_step(suite: SuiteProcesses, jobs: Jobs, name: str, submit: Submit, stage: str) -> AsyncIterator[str]:
    """Submit a job, and yield its id once it is at a stage that a paused service holds.

    The worker checks all steps before the first one, so the service must answer until the stage begins.
    """
    suite.kill("worker")
    await suite.start("image")
    async with run_holding_proxy(suite.ports["NATS_PORT"], f'"stage":"{stage}"'.encode()) as proxy:
        suite.overrides["worker2"] = {"NATS_URL": f"nats://127.0.0.1:{proxy.port}"}
        await suite.start("worker2")
        job_id = await submit(jobs)
        await proxy.holds.wait()
        suite.pause(name)
        proxy.release()
        await jobs.wait_until(job_id, is_at(stage))
        yield job_id


async def test_a_worker_killed_between_a_result_and_its_checkpoint(
    suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate
) -> None:
    suite.kill("worker")
    async with run_holding_proxy(suite.ports["NATS_PORT"], b'"steps":{"video"') as proxy:
        suite.overrides["worker2"] = {"NATS_URL": f"nats://127.0.0.1:{proxy.port}"}
        await suite.start("worker2")
        job_id = await jobs.submit_animate()
        await proxy.holds.wait()
        suite.kill("worker2")
    assert (await jobs.get_record(job_id)).steps == {}
    await suite.start("worker")
    record = await jobs.wait_until_ended(job_id)
    assert (record.status, record.attempt, replicate.created) == (Status.SUCCEEDED, 2, 1)


async def test_a_worker_killed_between_the_last_step_and_the_end(
    suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate
) -> None:
    suite.kill("worker")
    async with run_holding_proxy(suite.ports["NATS_PORT"], b'"status":"succeeded"') as proxy:
        suite.overrides["worker2"] = {"NATS_URL": f"nats://127.0.0.1:{proxy.port}"}
        await suite.start("worker2")
        job_id = await jobs.submit_animate()
        await proxy.holds.wait()
        suite.kill("worker2")
    await suite.start("worker")
    record = await jobs.wait_until_ended(job_id)
    assert (record.status, record.attempt, replicate.created) == (Status.SUCCEEDED, 2, 1)


@pytest.mark.parametrize(
    ("name", "submit", "stage"), [("tts", Jobs.submit_talking_video, "audio"), ("image", Jobs.submit_headline, "image")]
)
async def test_a_service_killed_during_its_step(
    suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate, name: str, submit: Submit, stage: str
) -> None:
    async with hold_step(suite, jobs, name, submit, stage) as job_id:
        await suite.restart(name)
        record = await jobs.wait_until_ended(job_id)
    assert record.status is Status.SUCCEEDED
    assert replicate.created == (1 if submit is Jobs.submit_talking_video else 0)


async def test_a_service_killed_during_the_mux(suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate) -> None:
    job_id = await wait_before_mux(suite, jobs, replicate)
    suite.pause("video")
    suite.resume("tts")
    await suite.restart("video")
    record = await jobs.wait_until_ended(job_id)
    assert (record.status, replicate.created) == (Status.SUCCEEDED, 1)


@pytest.mark.parametrize(
    ("name", "submit", "stage"), [("tts", Jobs.submit_talking_video, "audio"), ("image", Jobs.submit_headline, "image")]
)
async def test_a_job_cancelled_before_its_video(
    suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate, name: str, submit: Submit, stage: str
) -> None:
    async with hold_step(suite, jobs, name, submit, stage) as job_id:
        await jobs.job_store.cancel(job_id, ALICE)
        record = await jobs.wait_until_ended(job_id)
        suite.resume(name)
    assert (record.status, record.steps, replicate.created) == (Status.CANCELLED, {}, 0)


async def test_a_job_cancelled_after_its_video(suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate) -> None:
    job_id = await wait_before_mux(suite, jobs, replicate)
    await jobs.job_store.cancel(job_id, ALICE)
    record = await jobs.wait_until_ended(job_id)
    assert (record.status, set(record.steps), replicate.created) == (Status.CANCELLED, {"audio", "video"}, 1)
    assert replicate.cancelled == []


async def test_a_job_cancelled_between_two_attempts(
    suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate
) -> None:
    replicate.failures["create"] += [Failure(503)] * 100
    job_id = await jobs.submit_animate()
    await jobs.wait_until(job_id, lambda record: record.status is Status.QUEUED and bool(record.attempts))
    await jobs.job_store.cancel(job_id, ALICE)
    record = await jobs.wait_until_ended(job_id)
    assert (record.status, replicate.created) == (Status.CANCELLED, 0)


async def wait_before_mux(suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate) -> str:
    """Return the id of a job between video and mux; it waits there, because the speech service is paused."""
    replicate.runs.append(make_pending_run())
    job_id = await jobs.submit_talking_video(captions="JOB_CAPTIONS_TRACK")
    await replicate.until(lambda: replicate.created == 1)
    suite.pause("tts")
    replicate.move("p1", "succeeded")
    await jobs.wait_until(job_id, is_at("mux"))
    return job_id
