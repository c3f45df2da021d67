"""Providers that answer late, break off, or have forgotten: the video is found, or the job ends; none is paid twice."""

from __future__ import annotations

import pytest

from services.jobs.record import Status
from tests.fakes.replicate import Failure, FakeReplicate
from tests.faults.conftest import ALICE, Jobs, working
from tests.faults.fleet import Fleet

pytestmark = pytest.mark.timeout(300)


async def test_a_provider_that_takes_a_video_and_answers_too_late(
    fleet: Fleet, jobs: Jobs, replicate: FakeReplicate
) -> None:
    fleet.told["video"] = {"REPLICATE_ANSWER_SECONDS": "1"}
    await fleet.restart("video")
    replicate.failures["create"].append(Failure(hangs=True, works=True))
    record = await jobs.ended(await jobs.animate())
    assert (record.status, replicate.created) == (Status.SUCCEEDED, 1)


async def test_a_connection_that_breaks_inside_the_paid_call_uses_up_few_attempts(
    fleet: Fleet, jobs: Jobs, replicate: FakeReplicate
) -> None:
    # Longer than the delays of many attempts together, as it is by default.
    fleet.told["video"] = {"VIDEO_BEGIN_SECONDS": "12"}
    await fleet.restart("video")
    replicate.failures["create"].append(Failure(cuts=True, works=True))
    record = await jobs.ended(await jobs.animate())
    assert (record.status, replicate.created) == (Status.SUCCEEDED, 1)
    assert record.failed_attempts <= 3


async def test_a_job_that_is_ended_though_the_provider_has_forgotten_its_video(
    fleet: Fleet, jobs: Jobs, replicate: FakeReplicate
) -> None:
    replicate.runs.append(working())
    replicate.failures["cancel"].extend([Failure(404)] * 100)
    job_id = await jobs.animate()
    await replicate.until(lambda: replicate.created == 1)
    await jobs.until(job_id, lambda record: record.stage == "video" and record.percent > 0)
    fleet.kill("worker")
    await fleet.restart("video")
    await jobs.job_store.cancel(job_id, ALICE)
    await fleet.start("worker")
    record = await jobs.ended(job_id)
    assert (record.status, replicate.created) == (Status.CANCELLED, 1)
