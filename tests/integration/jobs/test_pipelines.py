"""Tests of all kinds of jobs with a real queue, a real worker, and fake services that record calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from services.common.errors import MediaError, Reason
from services.common.rpc.call_limits import DEFAULT_CALL_LIMITS
from services.jobs.clients import ServiceClients
from services.jobs.job_type import JobType
from services.jobs.pipelines.definitions import build_job_types
from services.jobs.pipelines.steps import Steps
from services.jobs.record import JobRecord, Status
from tests.fakes.job_services import FakeServices, serve_fake_services
from tests.fakes.waiting import until
from tests.integration.jobs.conftest import Jobs

VIDEO = {"imageKey": "users/alice/cat.png", "prompt": "zoom in"}
SPECS: Mapping[str, dict[str, Any]] = {
    "animate": {"video": VIDEO},
    "talking_video": {"video": VIDEO, "narration": {"text": "Hello."}},
    "headline": {"headline": "Cats land"},
    "story": {"headline": {"headline": "Cats land"}},
}
REQUESTS = {
    "animate": ["GenerateVideo"],
    "talking_video": ["SynthesizeStream", "GenerateVideo", "MuxVideo"],
    "headline": ["GenerateImage", "SynthesizeStream", "GetStoredAudio"],
    "story": ["GenerateImage", "SynthesizeStream", "GenerateVideo", "GetStoredAudio", "MuxVideo"],
}
RESULTS = {
    "animate": {"video"},
    "talking_video": {"audio", "video", "final"},
    "headline": {"image", "audio"},
    "story": {"image", "audio", "video", "final"},
}
PAID = {
    "animate": ("video",),
    "talking_video": ("audio", "video"),
    "headline": ("image", "audio"),
    "story": ("image", "audio", "video"),
}


class PipelineRig:
    """Fake services, and the job types that use them."""

    def __init__(self, fake: FakeServices, services: ServiceClients) -> None:
        self.fake = fake
        steps = Steps(services, speech_format="mp3_44100_64", limits=DEFAULT_CALL_LIMITS, video_seconds=60)
        self.kinds: dict[str, JobType] = {
            kind: replace(job_type, max_delay_seconds=0.01)
            for kind, job_type in build_job_types(steps, 10, 60.0).items()
        }

    def select(self, kind: str) -> dict[str, JobType]:
        """Return the job type of one kind."""
        return {kind: self.kinds[kind]}


@pytest.fixture
async def rig() -> AsyncIterator[PipelineRig]:
    fake = FakeServices()
    async with serve_fake_services(fake) as services:
        yield PipelineRig(fake, services)


async def run_job(jobs: Jobs, rig: PipelineRig, kind: str) -> JobRecord:
    """Run a job from its request to its end."""
    async with jobs.run_worker(rig.select(kind)):
        return await jobs.wait_until_ended(await jobs.submit(kind, spec=SPECS[kind]))


@pytest.mark.parametrize("kind", SPECS)
async def test_a_job_calls_each_service_once_in_order(jobs: Jobs, rig: PipelineRig, kind: str) -> None:
    record = await run_job(jobs, rig, kind)
    assert (record.status, record.percent, record.attempt) == (Status.SUCCEEDED, 100.0, 1)
    assert rig.fake.methods == REQUESTS[kind]
    assert {call.principal for call in rig.fake.calls} == {jobs.owner}
    assert record.steps.keys() == RESULTS[kind]
    assert record.intents == PAID[kind]


@pytest.mark.parametrize("kind", SPECS)
async def test_watchers_see_the_percent_go_forward_only(jobs: Jobs, rig: PipelineRig, kind: str) -> None:
    job_id = await jobs.submit(kind, spec=SPECS[kind])
    watching = asyncio.create_task(jobs.collect_changes(job_id))
    async with jobs.run_worker(rig.select(kind)):
        percents = [change.record.percent for change in await watching]
    assert percents == sorted(percents)
    assert (percents[0], percents[-1]) == (0.0, 100.0)


@pytest.mark.parametrize(("kind", "step"), [(kind, step) for kind, steps in REQUESTS.items() for step in steps])
async def test_finished_steps_do_not_run_again_after_a_failure(
    jobs: Jobs, rig: PipelineRig, kind: str, step: str
) -> None:
    rig.fake.failures[step].append(MediaError(Reason.PROVIDER_BUSY))
    record = await run_job(jobs, rig, kind)
    assert (record.status, record.attempt) == (Status.SUCCEEDED, 2)
    assert rig.fake.methods.count(step) == 2
    # A step that runs again repeats its reads, such as the alignment, but finished steps do not run again.
    paid = [method for method in REQUESTS[kind] if method not in (step, "GetStoredAudio")]
    assert [method for method in rig.fake.methods if method in paid] == paid


@pytest.mark.parametrize("kind", ["animate", "talking_video", "story"])
async def test_every_attempt_requests_the_same_video(jobs: Jobs, rig: PipelineRig, kind: str) -> None:
    rig.fake.failures["GenerateVideo"] += [MediaError(Reason.PROVIDER_UNAVAILABLE)] * 3
    record = await run_job(jobs, rig, kind)
    requests = [call.request for call in rig.fake.calls if call.method == "GenerateVideo"]
    assert len(requests) == 4
    assert {request.request_id for request in requests} == {f"job-{record.job_id}"}
    assert all(request == requests[0] for request in requests)


async def test_a_video_that_is_refused_ends_the_job_and_keeps_the_speech(jobs: Jobs, rig: PipelineRig) -> None:
    rig.fake.failures["GenerateVideo"].append(MediaError(Reason.CONTENT_BLOCKED, "Ask for something else."))
    record = await run_job(jobs, rig, "talking_video")
    assert (record.status, record.attempt, record.stage) == (Status.FAILED, 1, "video")
    assert record.failure is not None
    assert (record.failure.reason, record.failure.stage) == ("CONTENT_BLOCKED", "video")
    assert record.steps.keys() == {"audio"}


async def test_a_truncated_stream_is_retried(jobs: Jobs, rig: PipelineRig) -> None:
    rig.fake.truncated.add("GenerateVideo")
    async with jobs.run_worker(rig.select("animate")):
        job_id = await jobs.submit("animate", spec=SPECS["animate"])
        await until(lambda: rig.fake.methods.count("GenerateVideo") >= 2)
        rig.fake.truncated.clear()
        record = await jobs.wait_until_ended(job_id)
    assert record.status is Status.SUCCEEDED
    assert record.attempts[0].failure is not None
    assert record.attempts[0].failure.reason == "UNAVAILABLE"


async def test_a_cancelled_video_is_cancelled_at_the_provider(jobs: Jobs, rig: PipelineRig) -> None:
    rig.fake.blocked["GenerateVideo"] = asyncio.Event()
    async with jobs.run_worker(rig.select("talking_video"), lease_seconds=300):
        job_id = await jobs.submit("talking_video", spec=SPECS["talking_video"])
        await until(lambda: "GenerateVideo" in rig.fake.methods)
        await jobs.job_store.cancel(job_id, jobs.owner)
        record = await jobs.wait_until_ended(job_id)
        await until(lambda: rig.fake.abandoned == ["GenerateVideo"])
    assert (record.status, list(record.steps)) == (Status.CANCELLED, ["audio"])
    assert rig.fake.methods == ["SynthesizeStream", "GenerateVideo", "CancelVideo"]
    call = rig.fake.last("CancelVideo")
    assert (call.request.request_id, call.principal) == (f"job-{job_id}", jobs.owner)


async def test_a_job_cancelled_during_speech_cancels_no_video(jobs: Jobs, rig: PipelineRig) -> None:
    rig.fake.blocked["SynthesizeStream"] = asyncio.Event()
    async with jobs.run_worker(rig.select("talking_video"), lease_seconds=300):
        job_id = await jobs.submit("talking_video", spec=SPECS["talking_video"])
        await until(lambda: "SynthesizeStream" in rig.fake.methods)
        await jobs.job_store.cancel(job_id, jobs.owner)
        assert (await jobs.wait_until_ended(job_id)).status is Status.CANCELLED
    assert rig.fake.methods == ["SynthesizeStream"]


async def test_a_worker_that_stops_leaves_the_video_going_for_the_next_one(jobs: Jobs, rig: PipelineRig) -> None:
    rig.fake.blocked["GenerateVideo"] = asyncio.Event()
    async with jobs.run_worker(rig.select("talking_video"), "w-1"):
        job_id = await jobs.submit("talking_video", spec=SPECS["talking_video"])
        await until(lambda: "GenerateVideo" in rig.fake.methods)
    rig.fake.blocked["GenerateVideo"].set()
    async with jobs.run_worker(rig.select("talking_video"), "w-2"):
        record = await jobs.wait_until_ended(job_id)
    assert (record.status, record.attempt) == (Status.SUCCEEDED, 2)
    assert rig.fake.methods == ["SynthesizeStream", "GenerateVideo", "GenerateVideo", "MuxVideo"]
    assert "CancelVideo" not in rig.fake.methods


async def test_one_worker_runs_all_kinds_at_once(jobs: Jobs, rig: PipelineRig) -> None:
    async with jobs.run_worker(rig.kinds):
        ids = {kind: await jobs.submit(kind, spec=spec) for kind, spec in SPECS.items()}
        records = {kind: await jobs.wait_until_ended(job_id) for kind, job_id in ids.items()}
    assert {kind: record.status for kind, record in records.items()} == dict.fromkeys(SPECS, Status.SUCCEEDED)
    assert sorted(rig.fake.methods) == sorted(method for methods in REQUESTS.values() for method in methods)
