"""Tests of the gRPC service: create, get and list; errors name the field, owners see only their own jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from media.jobs.v1 import jobs_pb2

from services.common.errors import MediaError, Reason, invalid
from services.common.rpc.channel import call_metadata
from services.jobs.record import JobFailure, JobRecord, Status, format_now
from tests.fakes.job_services import ALIGNMENT, STORED_AUDIO_ID
from tests.integration.jobs.conftest import QUOTA, Jobs
from tests.integration.jobs.job_service import VIDEO, JobServiceRig, animate, catch_error, open_service_rig

AUDIO = {
    "key": "audio/1.mp3",
    "contentType": "audio/mpeg",
    "provider": "espeak",
    "model": "",
    "storedAudioId": STORED_AUDIO_ID,
}


@pytest.fixture
async def rig(jobs: Jobs) -> AsyncIterator[JobServiceRig]:
    async with open_service_rig(jobs) as opened:
        yield opened


async def test_a_job_is_accepted_and_shown_at_once(rig: JobServiceRig) -> None:
    job = await rig.create(request_id="order-7", webhook_url="https://example.com/webhook")
    assert (job.kind, job.status) == (jobs_pb2.JOB_KIND_ANIMATE, jobs_pb2.JOB_STATUS_QUEUED)
    assert (job.request_id, job.webhook_url) == ("order-7", "https://example.com/webhook")
    assert job.revision > 0
    assert await rig.get(job.id) == job
    record = await rig.jobs.get_record(job.id)
    assert record.spec == {
        "video": {"imageUrl": "https://example.com/still.png", "prompt": "zoom in", "resolution": "512p"}
    }
    assert await rig.jobs.count_queued("animate") == 1


HEADLINE = jobs_pb2.CreateJobRequest(
    headline=jobs_pb2.HeadlineSpec(headline="Cats", narration=jobs_pb2.NarrationSpec(text="Hi.", voice="Nemo"))
)


async def test_what_a_service_refuses_is_refused_before_the_job_exists(rig: JobServiceRig) -> None:
    rig.fake.failures["CheckSpeech"].append(invalid("voice", "must be a voice", Reason.VOICE_NOT_FOUND))
    refused = await catch_error(rig.create(HEADLINE))
    assert (refused.reason, [item.field for item in refused.violations]) == (
        Reason.VOICE_NOT_FOUND,
        ["headline.narration.voice"],
    )
    assert rig.fake.methods == []
    assert await rig.jobs.count_queued("headline") == 0
    assert {call.principal for call in rig.fake.checks} == {rig.jobs.owner}


async def test_a_job_is_accepted_while_a_service_is_down(rig: JobServiceRig) -> None:
    rig.fake.failures["CheckImage"].append(MediaError(Reason.UNAVAILABLE))
    job = await rig.create(HEADLINE)
    assert job.status == jobs_pb2.JOB_STATUS_QUEUED


async def test_the_same_request_again_is_the_same_job(rig: JobServiceRig) -> None:
    first = await rig.create(request_id="order-7")
    rig.fake.failures["CheckVideo"].append(MediaError(Reason.API_KEY_MISSING))
    assert (await rig.create(request_id="order-7")).id == first.id
    other = jobs_pb2.CreateJobRequest(headline=jobs_pb2.HeadlineSpec(headline="Cats"), request_id="order-7")
    refused = await catch_error(rig.create(other))
    assert (refused.reason, [item.field for item in refused.violations]) == (Reason.ALREADY_EXISTS, ["request_id"])


async def test_a_job_over_the_quota_is_refused_with_a_retry_after(rig: JobServiceRig) -> None:
    for _ in range(QUOTA):
        await rig.create()
    refused = await catch_error(rig.create())
    assert (refused.reason, refused.metadata) == (Reason.QUOTA_EXCEEDED, {"in_use": str(QUOTA)})
    assert (refused.retry_after_seconds or 0) > 0


def make_url_request(url: str) -> jobs_pb2.CreateJobRequest:
    """Return a request for a video of an image at a URL."""
    video = jobs_pb2.VideoSpec(image_url=url, prompt="zoom in")
    return jobs_pb2.CreateJobRequest(animate=jobs_pb2.AnimateSpec(video=video))


def make_key_request(key: str) -> jobs_pb2.CreateJobRequest:
    """Return a request for a talking video of a stored image."""
    video = jobs_pb2.VideoSpec(image_key=key, prompt="zoom in")
    spec = jobs_pb2.TalkingVideoSpec(video=video, narration=jobs_pb2.NarrationSpec(text="Hello."))
    return jobs_pb2.CreateJobRequest(talking_video=spec)


@pytest.mark.parametrize(
    ("request_", "reason", "field"),
    [
        (jobs_pb2.CreateJobRequest(), Reason.VALIDATION_ERROR, "spec"),
        (jobs_pb2.CreateJobRequest(animate=jobs_pb2.AnimateSpec()), Reason.VALIDATION_ERROR, "animate.video"),
        (animate(request_id="no name"), Reason.VALIDATION_ERROR, "request_id"),
        (animate(webhook_url="nowhere"), Reason.VALIDATION_ERROR, "webhook_url"),
        (animate(webhook_url="http://10.0.0.1/webhook"), Reason.URL_FORBIDDEN, "webhook_url"),
        (animate(webhook_url="https://name:word@example.com/webhook"), Reason.URL_FORBIDDEN, "webhook_url"),
        (make_url_request("x"), Reason.VALIDATION_ERROR, "animate.video.image_url"),
        (make_url_request("ftp://example.com/a.png"), Reason.VALIDATION_ERROR, "animate.video.image_url"),
        (make_url_request("http://169.254.169.254/a.png"), Reason.URL_FORBIDDEN, "animate.video.image_url"),
        (make_url_request("https://example.com:22/a.png"), Reason.URL_FORBIDDEN, "animate.video.image_url"),
        (make_key_request("../a.png"), Reason.VALIDATION_ERROR, "talking_video.video.image_key"),
        (make_key_request("users/somebody/a.png"), Reason.PERMISSION_DENIED, "talking_video.video.image_key"),
        (
            jobs_pb2.CreateJobRequest(
                talking_video=jobs_pb2.TalkingVideoSpec(video=VIDEO, narration=jobs_pb2.NarrationSpec(text=" "))
            ),
            Reason.VALIDATION_ERROR,
            "talking_video.narration.text",
        ),
        (
            jobs_pb2.CreateJobRequest(
                talking_video=jobs_pb2.TalkingVideoSpec(video=VIDEO, narration=jobs_pb2.NarrationSpec(text="x" * 21))
            ),
            Reason.TEXT_TOO_LONG,
            "talking_video.narration.text",
        ),
    ],
)
async def test_a_wrong_request_names_its_field_and_creates_no_job(
    rig: JobServiceRig, request_: jobs_pb2.CreateJobRequest, reason: Reason, field: str
) -> None:
    refused = await catch_error(rig.create(request_))
    assert (refused.reason, [item.field for item in refused.violations]) == (reason, [field])
    assert await rig.jobs.count_queued() == 0


async def test_jobs_of_a_batch_are_accepted_or_refused_independently(rig: JobServiceRig) -> None:
    narration = jobs_pb2.NarrationSpec(text="x" * 21)
    requests = [
        animate(request_id="one"),
        jobs_pb2.CreateJobRequest(talking_video=jobs_pb2.TalkingVideoSpec(video=VIDEO, narration=narration)),
        animate(request_id="one"),
        *(animate() for _ in range(QUOTA)),
        jobs_pb2.CreateJobRequest(headline=jobs_pb2.HeadlineSpec(headline="Cats")),
    ]
    answer = await rig.stub.BatchCreateJobs(jobs_pb2.BatchCreateJobsRequest(requests=requests), metadata=rig.caller)
    outcomes = [outcome.error.reason or jobs_pb2.JobKind.Name(outcome.job.kind) for outcome in answer.outcomes]
    assert outcomes == [
        "JOB_KIND_ANIMATE",
        "TEXT_TOO_LONG",
        "JOB_KIND_ANIMATE",
        *["JOB_KIND_ANIMATE"] * (QUOTA - 1),
        "QUOTA_EXCEEDED",
        "JOB_KIND_HEADLINE",
    ]
    assert answer.outcomes[0].job.id == answer.outcomes[2].job.id
    assert answer.outcomes[1].error.message.startswith("talking_video.narration.text: ")
    assert [item.field for item in answer.outcomes[1].error.details] == ["talking_video.narration.text"]
    assert (await rig.jobs.count_queued("animate"), await rig.jobs.count_queued("headline")) == (QUOTA, 1)


@pytest.mark.parametrize("count", [0, 51])
async def test_a_batch_has_one_to_fifty_jobs(rig: JobServiceRig, count: int) -> None:
    request = jobs_pb2.BatchCreateJobsRequest(requests=[animate()] * count)
    refused = await catch_error(rig.stub.BatchCreateJobs(request, metadata=rig.caller))
    assert (refused.reason, [item.field for item in refused.violations]) == (Reason.VALIDATION_ERROR, ["requests"])


async def test_one_invalid_job_refuses_the_whole_batch(rig: JobServiceRig) -> None:
    request = jobs_pb2.BatchCreateJobsRequest(requests=[animate(), animate(request_id="no name")])
    refused = await catch_error(rig.stub.BatchCreateJobs(request, metadata=rig.caller))
    assert [item.field for item in refused.violations] == ["requests[1].request_id"]
    assert await rig.jobs.count_queued() == 0


async def test_get_job_adds_the_alignment_of_the_speech(rig: JobServiceRig) -> None:
    job = await rig.create()
    lease = await rig.take(job.id)
    await lease.save_result("audio", AUDIO)
    found = await rig.get(job.id)
    assert found.result.alignment == ALIGNMENT
    assert found.result.audio.url == "https://store.example/audio/1.mp3"
    call = rig.fake.last("GetStoredAudio")
    assert (call.request.id, call.principal) == (STORED_AUDIO_ID, rig.jobs.owner)


@pytest.mark.parametrize("reason", [Reason.UNAVAILABLE, Reason.NOT_FOUND])
async def test_get_job_works_without_an_available_alignment(rig: JobServiceRig, reason: Reason) -> None:
    job = await rig.create()
    await (await rig.take(job.id)).save_result("audio", AUDIO)
    # The channel itself retries once if a service is unavailable.
    rig.fake.failures["GetStoredAudio"] += [MediaError(reason)] * 2
    found = await rig.get(job.id)
    assert (found.result.stored_audio_id, found.result.HasField("alignment")) == (STORED_AUDIO_ID, False)


async def test_jobs_without_speech_and_lists_request_no_alignment(rig: JobServiceRig) -> None:
    job = await rig.create()
    await rig.get(job.id)
    await (await rig.take(job.id)).save_result("audio", AUDIO)
    listed = await rig.stub.ListJobs(jobs_pb2.ListJobsRequest(), metadata=rig.caller)
    assert [found.result.stored_audio_id for found in listed.jobs] == [STORED_AUDIO_ID]
    assert rig.fake.calls == []


async def test_jobs_are_listed_page_by_page(rig: JobServiceRig) -> None:
    ids = [(await rig.create()).id for _ in range(3)]
    first = await rig.stub.ListJobs(jobs_pb2.ListJobsRequest(page_size=2), metadata=rig.caller)
    token = first.next_page_token
    rest = await rig.stub.ListJobs(jobs_pb2.ListJobsRequest(page_size=2, page_token=token), metadata=rig.caller)
    assert [job.id for job in [*first.jobs, *rest.jobs]] == sorted(ids, reverse=True)
    assert rest.next_page_token == ""


async def test_a_page_has_twenty_jobs_by_default(rig: JobServiceRig) -> None:
    for number in range(21):
        await rig.jobs.job_store.open_lease(JobRecord(f"{number:032x}", rig.jobs.owner, "animate", {}, format_now()))
    listed = await rig.stub.ListJobs(jobs_pb2.ListJobsRequest(), metadata=rig.caller)
    assert len(listed.jobs) == 20
    assert listed.next_page_token


async def test_jobs_of_a_kind_and_a_status_are_listed(rig: JobServiceRig) -> None:
    video = await rig.create()
    await rig.create(jobs_pb2.CreateJobRequest(headline=jobs_pb2.HeadlineSpec(headline="Cats")))
    lease = await rig.take(video.id)
    await lease.write(lease.record.end_attempt(Status.FAILED, JobFailure("CONTENT_BLOCKED", "No.", "video")))
    request = jobs_pb2.ListJobsRequest(kind=jobs_pb2.JOB_KIND_ANIMATE, status=jobs_pb2.JOB_STATUS_FAILED)
    listed = await rig.stub.ListJobs(request, metadata=rig.caller)
    assert [(job.id, job.error.reason) for job in listed.jobs] == [(video.id, "CONTENT_BLOCKED")]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (jobs_pb2.ListJobsRequest(page_size=101), "page_size"),
        (jobs_pb2.ListJobsRequest(page_token="what?"), "page_token"),
        (jobs_pb2.ListJobsRequest(page_token="x" * 101), "page_token"),
    ],
)
async def test_an_invalid_page_names_its_field(
    rig: JobServiceRig, request_: jobs_pb2.ListJobsRequest, field: str
) -> None:
    refused = await catch_error(rig.stub.ListJobs(request_, metadata=rig.caller))
    assert (refused.reason, [item.field for item in refused.violations]) == (Reason.VALIDATION_ERROR, [field])


async def test_get_job_of_another_owner_is_not_found(rig: JobServiceRig) -> None:
    job = await rig.create()
    mallory = call_metadata(rig.jobs.make_owner())
    refused = await catch_error(rig.stub.GetJob(jobs_pb2.GetJobRequest(id=job.id), metadata=mallory))
    assert refused.reason is Reason.JOB_NOT_FOUND
    assert not (await rig.stub.ListJobs(jobs_pb2.ListJobsRequest(), metadata=mallory)).jobs
