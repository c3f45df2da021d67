"""Crashes and wishes to end at each stage of a job: services in the middle of a step, workers between two writes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from services.jobs.record import Record, Status
from tests.fakes.holding_proxy import holding_proxy
from tests.fakes.replicate import Failure, FakeReplicate
from tests.faults.conftest import ALICE, Jobs, working
from tests.faults.fleet import Fleet

pytestmark = pytest.mark.timeout(300)

Ask = Callable[[Jobs], Awaitable[str]]


def at(stage: str) -> Callable[[Record], bool]:
    return lambda record: record.status is Status.RUNNING and record.stage == stage


async def test_a_worker_that_is_killed_between_a_result_and_its_checkpoint(
    fleet: Fleet, jobs: Jobs, replicate: FakeReplicate
) -> None:
    fleet.kill("worker")
    async with holding_proxy(fleet.ports["NATS_PORT"], b'"steps":{"video"') as proxy:
        fleet.told["worker2"] = {"NATS_URL": f"nats://127.0.0.1:{proxy.port}"}
        await fleet.start("worker2")
        job_id = await jobs.animate()
        await proxy.holds.wait()
        fleet.kill("worker2")
    assert (await jobs.known(job_id)).steps == {}
    await fleet.start("worker")
    record = await jobs.ended(job_id)
    assert (record.status, record.attempt, replicate.created) == (Status.SUCCEEDED, 2, 1)


async def test_a_worker_that_is_killed_between_the_last_step_and_the_end(
    fleet: Fleet, jobs: Jobs, replicate: FakeReplicate
) -> None:
    fleet.kill("worker")
    async with holding_proxy(fleet.ports["NATS_PORT"], b'"status":"succeeded"') as proxy:
        fleet.told["worker2"] = {"NATS_URL": f"nats://127.0.0.1:{proxy.port}"}
        await fleet.start("worker2")
        job_id = await jobs.animate()
        await proxy.holds.wait()
        fleet.kill("worker2")
    await fleet.start("worker")
    record = await jobs.ended(job_id)
    assert (record.status, record.attempt, replicate.created) == (Status.SUCCEEDED, 2, 1)


@pytest.mark.parametrize(("name", "ask", "stage"), [("tts", Jobs.talking, "audio"), ("image", Jobs.headline, "image")])
async def test_a_service_that_is_killed_in_the_middle_of_its_step(
    fleet: Fleet, jobs: Jobs, replicate: FakeReplicate, name: str, ask: Ask, stage: str
) -> None:
    await fleet.start("image")
    # Standing still, it holds the step open.
    fleet.pause(name)
    job_id = await ask(jobs)
    await jobs.until(job_id, at(stage))
    await fleet.restart(name)
    record = await jobs.ended(job_id)
    assert record.status is Status.SUCCEEDED
    assert replicate.created == (1 if ask is Jobs.talking else 0)


async def test_a_service_that_is_killed_in_the_middle_of_the_mux(
    fleet: Fleet, jobs: Jobs, replicate: FakeReplicate
) -> None:
    job_id = await before_the_mux(fleet, jobs, replicate)
    fleet.pause("video")
    fleet.resume("tts")
    await fleet.restart("video")
    record = await jobs.ended(job_id)
    assert (record.status, replicate.created) == (Status.SUCCEEDED, 1)


@pytest.mark.parametrize(("name", "ask", "stage"), [("tts", Jobs.talking, "audio"), ("image", Jobs.headline, "image")])
async def test_a_job_that_is_ended_before_its_video(
    fleet: Fleet, jobs: Jobs, replicate: FakeReplicate, name: str, ask: Ask, stage: str
) -> None:
    await fleet.start("image")
    fleet.pause(name)
    job_id = await ask(jobs)
    await jobs.until(job_id, at(stage))
    await jobs.job_store.cancel(job_id, ALICE)
    record = await jobs.ended(job_id)
    fleet.resume(name)
    assert (record.status, record.steps, replicate.created) == (Status.CANCELLED, {}, 0)


async def test_a_job_that_is_ended_behind_its_video(fleet: Fleet, jobs: Jobs, replicate: FakeReplicate) -> None:
    job_id = await before_the_mux(fleet, jobs, replicate)
    await jobs.job_store.cancel(job_id, ALICE)
    record = await jobs.ended(job_id)
    assert (record.status, set(record.steps), replicate.created) == (Status.CANCELLED, {"audio", "video"}, 1)
    assert replicate.cancelled == []


async def test_a_job_that_is_ended_between_two_attempts(fleet: Fleet, jobs: Jobs, replicate: FakeReplicate) -> None:
    replicate.failures["create"] += [Failure(503)] * 100
    job_id = await jobs.animate()
    await jobs.until(job_id, lambda record: record.status is Status.QUEUED and bool(record.attempts))
    await jobs.job_store.cancel(job_id, ALICE)
    record = await jobs.ended(job_id)
    assert (record.status, replicate.created) == (Status.CANCELLED, 0)


async def before_the_mux(fleet: Fleet, jobs: Jobs, replicate: FakeReplicate) -> str:
    """Return the id of a job that is held between its video and the mux, by a speech service that stands still."""
    replicate.runs.append(working())
    job_id = await jobs.talking(captions="JOB_CAPTIONS_TRACK")
    await replicate.until(lambda: replicate.created == 1)
    fleet.pause("tts")
    replicate.move("p1", "succeeded")
    await jobs.until(job_id, at("mux"))
    return job_id
