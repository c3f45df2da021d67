"""Convert messages of the contract to job requests, and job records to messages.

Records hold object keys; a message gets a fresh address for each key when it is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from media.jobs.v1 import jobs_pb2

from services.common.errors import FieldViolation, MediaError, Reason, invalid
from services.common.rpc.converters import to_timestamp
from services.common.rpc.validation import validate
from services.common.storage import ObjectStore, RouteLinks
from services.jobs.pipelines.requests import (
    build_image_request,
    build_narration_spec,
    build_speech_request,
    build_video_request,
    build_video_spec,
)
from services.jobs.pipelines.steps import AUDIO, FINAL, IMAGE, VIDEO
from services.jobs.record import Attempt, JobFailure, JobFilter, JobRequest, Status, StoredJob

KINDS: Mapping[str, jobs_pb2.JobKind] = {
    "animate": jobs_pb2.JOB_KIND_ANIMATE,
    "talking_video": jobs_pb2.JOB_KIND_TALKING_VIDEO,
    "headline": jobs_pb2.JOB_KIND_HEADLINE,
    "story": jobs_pb2.JOB_KIND_STORY,
}
STATUSES: Mapping[Status, jobs_pb2.JobStatus] = {
    Status.QUEUED: jobs_pb2.JOB_STATUS_QUEUED,
    Status.RUNNING: jobs_pb2.JOB_STATUS_RUNNING,
    Status.SUCCEEDED: jobs_pb2.JOB_STATUS_SUCCEEDED,
    Status.FAILED: jobs_pb2.JOB_STATUS_FAILED,
    Status.CANCELLED: jobs_pb2.JOB_STATUS_CANCELLED,
}

_MEDIA = (VIDEO, AUDIO, FINAL, IMAGE)
_STORY_FIELDS: Mapping[str, str] = {"prompt": "story.motion", "provider": "story.video_provider"}
_IMAGE_FIELDS: Mapping[str, str] = {
    "prompt": "headline",
    "provider": "image_provider",
    "style.art_styles[0]": "art_style",
    "style.style_guidelines": "style_guidelines",
    "style.max_length": "max_length",
}
# Placeholders for values that the job sets itself: the service requests are only validated here.
_SAMPLE_ID, _SAMPLE_KEY, _SAMPLE_FORMAT = "job-0", "users/somebody/image.webp", "mp3_44100_64"


def to_job_request(request: jobs_pb2.CreateJobRequest, max_characters: int) -> JobRequest:
    """Return the job request in `request`.

    Args:
        request: Message of the caller.
        max_characters: Maximum length of the text of a job's speech.

    Raises:
        MediaError: VALIDATION_ERROR or TEXT_TOO_LONG, naming the field.
    """
    kind = request.WhichOneof("spec")
    assert kind is not None  # noqa: S101 - for mypy: the contract requires a spec
    _check(request, kind, max_characters)
    return JobRequest(kind, MessageToDict(getattr(request, kind)), request.webhook_url, request.request_id)


def list_addresses(request: jobs_pb2.CreateJobRequest) -> list[tuple[str, str]]:
    """Return the URLs in a request, each with its field: those of images and of the webhook."""
    found = [(video.image_url, f"{field}.image_url") for field, video in _list_videos(request)]
    return [(url, field) for url, field in (*found, (request.webhook_url, "webhook_url")) if url]


def list_keys(request: jobs_pb2.CreateJobRequest) -> list[tuple[str, str]]:
    """Return the object keys of images in a request, each with its field."""
    return [(video.image_key, f"{field}.image_key") for field, video in _list_videos(request) if video.image_key]


def to_job_filter(request: jobs_pb2.ListJobsRequest) -> JobFilter:
    """Return the filter of a list request."""
    kind = next((name for name, value in KINDS.items() if value == request.kind), "")
    status = next((status for status, value in STATUSES.items() if value == request.status), None)
    return JobFilter(kind, status)


def _check(request: jobs_pb2.CreateJobRequest, kind: str, max_characters: int) -> None:
    """Reject what a service would reject later, after other steps of the job were paid for."""
    match kind:
        case "animate":
            _check_video(request.animate.video, "animate.video")
        case "talking_video":
            _check_video(request.talking_video.video, "talking_video.video")
            _check_speech(request.talking_video.narration, "talking_video.narration", max_characters)
        case "headline":
            _check_headline(request.headline, "headline", max_characters)
        case "story":
            _check_headline(request.story.headline, "story.headline", max_characters)
            video = build_video_spec(request.story, _SAMPLE_KEY)
            _check_contract(build_video_request(video, _SAMPLE_ID), "story", _STORY_FIELDS)


def _list_videos(request: jobs_pb2.CreateJobRequest) -> list[tuple[str, jobs_pb2.VideoSpec]]:
    return [("animate.video", request.animate.video), ("talking_video.video", request.talking_video.video)]


def _check_video(spec: jobs_pb2.VideoSpec, field: str) -> None:
    _check_contract(build_video_request(spec, _SAMPLE_ID), field, {})


def _check_headline(spec: jobs_pb2.HeadlineSpec, field: str, max_characters: int) -> None:
    names = {service_field: f"{field}.{job_field}" for service_field, job_field in _IMAGE_FIELDS.items()}
    _check_contract(build_image_request(spec, _SAMPLE_KEY), field, names)
    text_field = f"{field}.narration.text" if spec.narration.text else f"{field}.headline"
    _check_speech(build_narration_spec(spec), f"{field}.narration", max_characters, text_field)


def _check_speech(spec: jobs_pb2.NarrationSpec, field: str, max_characters: int, text_field: str = "") -> None:
    text_field = text_field or f"{field}.text"
    _check_contract(build_speech_request(spec, _SAMPLE_FORMAT), field, {"text": text_field})
    if len(spec.text) > max_characters:
        raise invalid(text_field, f"must have at most {max_characters} code points", Reason.TEXT_TOO_LONG)


def _check_contract(message: Message, field: str, names: Mapping[str, str]) -> None:
    """Validate a service request, and report violations under the field names of the job.

    Args:
        message: Request that the job would send to the service.
        field: Field of the job that the request is built from.
        names: Field of the job for each field of the request that has another name.
    """
    try:
        validate(message)
    except MediaError as error:
        violations = [
            FieldViolation(names.get(item.field, f"{field}.{item.field}"), item.description)
            for item in error.violations
        ]
        summary = "; ".join(f"{item.field}: {item.description}" for item in violations)
        raise MediaError(error.reason, summary, violations=violations) from None


async def to_job(stored: StoredJob, store: ObjectStore, links: RouteLinks) -> jobs_pb2.Job:
    """Return the message of a job."""
    record = stored.record
    events = links.build(f"/api/jobs/{record.job_id}/events", record.principal)
    job = jobs_pb2.Job(
        id=record.job_id,
        kind=KINDS[record.kind],
        status=STATUSES[record.status],
        stage=record.stage,
        percent=round(record.percent, 1),
        attempt=record.attempt,
        attempts=[_to_attempt(attempt) for attempt in record.attempts],
        steps_done=list(record.steps),
        webhook_url=record.webhook_url,
        request_id=record.request_id,
        create_time=_to_timestamp(record.created_at),
        update_time=_to_timestamp(record.updated_at or record.created_at),
        revision=stored.revision,
        events_url=events.url,
    )
    if events.expires_at is not None:
        job.events_url_expire_time.FromDatetime(events.expires_at)
    if record.failure is not None and record.status.is_final:
        job.error.CopyFrom(to_job_error(record.failure))
    for name in _MEDIA:
        if name in record.steps:
            getattr(job.result, name).CopyFrom(await _to_media(record.steps[name], store))
    job.result.prompt = record.steps.get(IMAGE, {}).get("prompt", "")
    job.result.stored_audio_id = record.steps.get(AUDIO, {}).get("storedAudioId", "")
    return job


def to_job_error(failure: JobFailure) -> jobs_pb2.JobError:
    """Return the message of the failure of a job."""
    return jobs_pb2.JobError(reason=failure.reason, message=failure.message, stage=failure.stage)


def to_delivery(sent: Mapping[str, Any]) -> jobs_pb2.WebhookDelivery:
    """Return the message of one delivery to a webhook."""
    return jobs_pb2.WebhookDelivery(send_time=_to_timestamp(sent["at"]), status=sent["status"], error=sent["error"])


async def _to_media(medium: Mapping[str, Any], store: ObjectStore) -> jobs_pb2.JobMedia:
    address = await store.url(medium["key"])
    media = jobs_pb2.JobMedia(
        key=medium["key"],
        url=address.url,
        content_type=medium["contentType"],
        duration_seconds=medium.get("durationSeconds", 0.0),
        width=medium.get("width", 0),
        height=medium.get("height", 0),
        provider=medium["provider"],
        model=medium["model"],
    )
    if address.expires_at is not None:
        media.url_expire_time.FromDatetime(address.expires_at)
    return media


def _to_attempt(attempt: Attempt) -> jobs_pb2.JobAttempt:
    message = jobs_pb2.JobAttempt(number=attempt.number, start_time=_to_timestamp(attempt.began_at))
    if attempt.ended_at:
        message.end_time.CopyFrom(_to_timestamp(attempt.ended_at))
    if attempt.failure is not None:
        message.error.CopyFrom(to_job_error(attempt.failure))
    return message


def _to_timestamp(text: str) -> Timestamp:
    return to_timestamp(datetime.fromisoformat(text))
