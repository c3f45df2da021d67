"""Tests of converters from records to messages of the contract, with URLs built on demand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from media.jobs.v1 import jobs_pb2
from yarl import URL

from services.common.errors import MediaError, Reason
from services.common.storage import ObjectUrl, RouteLinks
from services.common.storage.signed_urls import UrlSigner
from services.jobs.converters import to_delivery, to_job, to_job_error
from services.jobs.record import Attempt, JobFailure, JobRecord, Status, StoredJob
from tests.fakes.object_store import EXPIRES, FakeObjectStore
from tests.unit.jobs.memory_buckets import CREATED_AT, JOB_ID, make_record

LINKS = RouteLinks(UrlSigner(b"secret"), "https://media.example.com", 3600)

FAILURE = JobFailure("PROVIDER_BUSY", "The provider is at its limit of calls; retry after the delay.", "video")
BEGAN_AT, ENDED_AT = "2026-11-21T09:00:01.000+00:00", "2026-11-21T09:00:02.500+00:00"
VIDEO = {
    "key": "videos/1.mp4",
    "contentType": "video/mp4",
    "provider": "replicate",
    "model": "minimax/hailuo-02",
    "durationSeconds": 6.04,
    "width": 1364,
    "height": 768,
}
AUDIO = {
    "key": "audio/1.mp3",
    "contentType": "audio/mpeg",
    "provider": "elevenlabs",
    "model": "eleven_multilingual_v2",
    "durationSeconds": 2.5,
    "storedAudioId": "a-1",
}
FINAL = {"key": "users/alice/jobs/1/final.mp4", "contentType": "video/mp4", "provider": "", "model": ""}
IMAGE = {
    "key": "users/alice/jobs/1/image.webp",
    "contentType": "image/webp",
    "provider": "fal",
    "model": "flux-dev",
    "width": 1024,
    "height": 576,
    "prompt": "a cat on the moon",
    "promptMetadata": {"style": "vintage", "version": "1", "shortened": True, "timestamp": "2026-11-21T09:00:00Z"},
}


class LastingStore(FakeObjectStore):
    """A store with permanent URLs."""

    async def url(self, key: str, *, lifetime_seconds: float | None = None) -> ObjectUrl:
        """Return a permanent URL."""
        return ObjectUrl(f"https://cdn.example/{key}")


class BrokenStore(FakeObjectStore):
    """A store that cannot build URLs."""

    async def url(self, key: str, *, lifetime_seconds: float | None = None) -> ObjectUrl:
        """Raise an error."""
        raise MediaError(Reason.STORAGE_FAILED)


async def convert(record: JobRecord, revision: int = 9) -> jobs_pb2.Job:
    return await to_job(StoredJob(record, revision), FakeObjectStore(), LINKS)


def parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_a_job_that_was_just_accepted() -> None:
    job = await convert(make_record(webhook_url="https://example.com/webhook", request_id="order-7"))
    assert (job.id, job.kind, job.status) == (JOB_ID, jobs_pb2.JOB_KIND_ANIMATE, jobs_pb2.JOB_STATUS_QUEUED)
    assert (job.stage, job.percent, job.attempt, job.revision) == ("", 0.0, 0, 9)
    assert (job.webhook_url, job.request_id) == ("https://example.com/webhook", "order-7")
    assert job.create_time.ToDatetime(UTC) == parse_time(CREATED_AT)
    assert job.update_time == job.create_time
    assert not job.HasField("error")
    assert (list(job.attempts), list(job.steps_done)) == ([], [])


async def test_a_job_that_is_under_way() -> None:
    record = replace(
        make_record("story", updated_at=ENDED_AT), status=Status.RUNNING, stage="video", percent=41.26, attempt=2
    )
    job = await convert(replace(record, steps={"image": IMAGE, "audio": AUDIO}))
    assert (job.kind, job.status, job.stage) == (jobs_pb2.JOB_KIND_STORY, jobs_pb2.JOB_STATUS_RUNNING, "video")
    assert (job.percent, job.attempt, list(job.steps_done)) == (41.3, 2, ["image", "audio"])
    assert job.update_time.ToDatetime(UTC) == parse_time(ENDED_AT)
    assert [job.result.HasField(name) for name in ("image", "audio", "video", "final")] == [True, True, False, False]


async def test_each_result_has_its_properties() -> None:
    job = await convert(make_record("story", steps={"image": IMAGE, "audio": AUDIO, "video": VIDEO, "final": FINAL}))
    video = job.result.video
    assert (video.key, video.content_type, video.duration_seconds) == ("videos/1.mp4", "video/mp4", 6.04)
    assert (video.width, video.height, video.provider, video.model) == (1364, 768, "replicate", "minimax/hailuo-02")
    audio = job.result.audio
    assert (audio.key, audio.content_type, audio.duration_seconds) == ("audio/1.mp3", "audio/mpeg", 2.5)
    assert (audio.width, audio.height, audio.provider, audio.model) == (0, 0, "elevenlabs", "eleven_multilingual_v2")
    image = job.result.image
    assert (image.key, image.duration_seconds, image.width, image.height) == (IMAGE["key"], 0.0, 1024, 576)
    assert (job.result.final.key, job.result.final.provider, job.result.final.model) == (FINAL["key"], "", "")
    assert (job.result.prompt, job.result.stored_audio_id) == ("a cat on the moon", "a-1")
    prompt = job.result.prompt_metadata
    assert (prompt.style, prompt.version, prompt.shortened, prompt.timestamp.seconds) == (
        "vintage",
        "1",
        True,
        1795251600,
    )


async def test_urls_are_built_from_keys_with_their_expiry() -> None:
    job = await convert(make_record(steps={"video": VIDEO}))
    assert job.result.video.url == "https://store.example/videos/1.mp4"
    assert job.result.video.url_expire_time.ToDatetime(UTC) == EXPIRES


async def test_a_permanent_url_has_no_expiry() -> None:
    job = await to_job(StoredJob(make_record(steps={"video": VIDEO}), 1), LastingStore(), LINKS)
    assert job.result.video.url == "https://cdn.example/videos/1.mp4"
    assert not job.result.video.HasField("url_expire_time")


async def test_an_error_of_the_store_is_raised() -> None:
    with pytest.raises(MediaError) as caught:
        await to_job(StoredJob(make_record(steps={"video": VIDEO}), 1), BrokenStore(), LINKS)
    assert caught.value.reason is Reason.STORAGE_FAILED


@pytest.mark.parametrize("status", list(Status))
async def test_only_ended_jobs_have_an_error(status: Status) -> None:
    job = await convert(make_record(status=status, failure=FAILURE))
    assert job.HasField("error") is status.is_final


async def test_a_failed_job_has_its_error() -> None:
    job = await convert(make_record(status=Status.FAILED, failure=FAILURE))
    assert job.status == jobs_pb2.JOB_STATUS_FAILED
    assert (job.error.reason, job.error.message, job.error.stage) == (
        "PROVIDER_BUSY",
        "The provider is at its limit of calls; retry after the delay.",
        "video",
    )
    assert job.error == to_job_error(FAILURE)


async def test_attempts_have_start_end_and_error() -> None:
    attempts = (Attempt(1, BEGAN_AT), Attempt(2, BEGAN_AT, ENDED_AT, FAILURE), Attempt(3, BEGAN_AT, ENDED_AT))
    lost, failed, done = (await convert(make_record(attempts=attempts))).attempts
    assert [attempt.number for attempt in (lost, failed, done)] == [1, 2, 3]
    assert failed.start_time.ToDatetime(UTC) == parse_time(BEGAN_AT)
    assert failed.end_time.ToDatetime(UTC) == parse_time(ENDED_AT)
    assert failed.error == to_job_error(FAILURE)
    assert (lost.HasField("end_time"), lost.HasField("error")) == (False, False)
    assert (done.HasField("end_time"), done.HasField("error")) == (True, False)


def test_a_delivery_has_its_time_and_response() -> None:
    delivery = to_delivery({"at": BEGAN_AT, "status": 503, "error": ""})
    assert (delivery.send_time.ToDatetime(UTC), delivery.status, delivery.error) == (parse_time(BEGAN_AT), 503, "")
    unheard = to_delivery({"at": BEGAN_AT, "status": 0, "error": "URL_UNREACHABLE"})
    assert (unheard.status, unheard.error) == (0, "URL_UNREACHABLE")


async def test_a_job_has_a_signed_link_to_its_events() -> None:
    job = await to_job(StoredJob(make_record(principal="auth0|123"), 1), FakeObjectStore(), LINKS)
    link = URL(job.events_url)
    assert str(link.with_query(None)) == f"https://media.example.com/api/jobs/{JOB_ID}/events"
    owner, left_seconds = LINKS.check(link.path, link.query)
    assert owner == "auth0|123"
    assert job.events_url_expire_time.seconds == int(link.query["expires"])
    assert 3590 < left_seconds <= 3600
