"""Tests of a provider that responds too late, cuts the connection or deleted the video: nothing is paid twice."""

from __future__ import annotations

import pytest

from services.jobs.record import Status
from tests.fakes.replicate import Failure, FakeReplicate
from tests.faults.conftest import ALICE, Jobs, make_pending_run
from tests.faults.suite_processes import SuiteProcesses

pytestmark = pytest.mark.timeout(300)


async def test_a_provider_that_accepts_a_video_and_responds_too_late(
    suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate
) -> None:
    suite.overrides["video"] = {"REPLICATE_ANSWER_SECONDS": "1"}
    await suite.restart("video")
    replicate.failures["create"].append(Failure(hangs=True, works=True))
    record = await jobs.wait_until_ended(await jobs.submit_animate())
    assert (record.status, replicate.created) == (Status.SUCCEEDED, 1)


async def test_a_connection_that_breaks_inside_the_paid_call_costs_few_attempts(
    suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate
) -> None:
    # As by default, longer than the delays of several attempts together.
    suite.overrides["video"] = {"VIDEO_BEGIN_SECONDS": "12"}
    await suite.restart("video")
    replicate.failures["create"].append(Failure(cuts=True, works=True))
    record = await jobs.wait_until_ended(await jobs.submit_animate())
    assert (record.status, replicate.created) == (Status.SUCCEEDED, 1)
    assert record.failed_attempts <= 3


async def test_a_job_cancelled_after_the_provider_deleted_its_video(
    suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate
) -> None:
    replicate.runs.append(make_pending_run())
    replicate.failures["cancel"].extend([Failure(404)] * 100)
    job_id = await jobs.submit_animate()
    await replicate.until(lambda: replicate.created == 1)
    await jobs.wait_until(job_id, lambda record: record.stage == "video" and record.percent > 0)
    suite.kill("worker")
    await suite.restart("video")
    await jobs.job_store.cancel(job_id, ALICE)
    await suite.start("worker")
    record = await jobs.wait_until_ended(job_id)
    assert (record.status, replicate.created) == (Status.CANCELLED, 1)
