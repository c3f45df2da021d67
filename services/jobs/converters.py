"""Convert messages of the contract to job requests, and job records to messages.

Records hold object keys; a message gets a fresh address for each key when it is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.timestamp_pb2 import Timestamp
from media.jobs.v1 import jobs_pb2
from media.tts.v1 import tts_pb2

from services.common.data_uri import is_data_uri
from services.common.errors import MediaError, Reason, invalid
from services.common.rpc.converters import to_field_errors, to_timestamp
from services.common.rpc.validation import validate
from services.common.storage import ObjectStore, RouteLinks
from services.jobs.pipelines.step_requests import list_step_requests
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
# A placeholder for the folder that the job chooses itself: the service requests are only validated here.
_SAMPLE_FOLDER = "users/somebody/"


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
    _check(request, max_characters)
    return JobRequest(kind, MessageToDict(getattr(request, kind)), request.webhook_url, request.request_id)


def list_addresses(request: jobs_pb2.CreateJobRequest) -> list[tuple[str, str]]:
    """Return the URLs in a request that lead elsewhere, each with its field: those of images and of the webhook."""
    found = [(video.image_url, f"{field}.image_url") for field, video in _list_videos(request)]
    downloaded = [(url, field) for url, field in found if not is_data_uri(url)]
    return [(url, field) for url, field in (*downloaded, (request.webhook_url, "webhook_url")) if url]


def list_keys(request: jobs_pb2.CreateJobRequest) -> list[tuple[str, str]]:
    """Return the object keys of images in a request, each with its field."""
    return [(video.image_key, f"{field}.image_key") for field, video in _list_videos(request) if video.image_key]


def to_job_filter(request: jobs_pb2.ListJobsRequest) -> JobFilter:
    """Return the filter of a list request."""
    kind = next((name for name, value in KINDS.items() if value == request.kind), "")
    status = next((status for status, value in STATUSES.items() if value == request.status), None)
    return JobFilter(kind, status)


def _check(request: jobs_pb2.CreateJobRequest, max_characters: int) -> None:
    """Reject what the contract of a service would reject later, after other steps of the job were paid for."""
    for step in list_step_requests(request, _SAMPLE_FOLDER):
        try:
            validate(step.message)
        except MediaError as error:
            raise step.relabel_error(error) from None
        if isinstance(step.message, tts_pb2.SynthesizeStreamRequest) and len(step.message.text) > max_characters:
            raise invalid(step.names["text"], f"must have at most {max_characters} code points", Reason.TEXT_TOO_LONG)


def _list_videos(request: jobs_pb2.CreateJobRequest) -> list[tuple[str, jobs_pb2.VideoSpec]]:
    return [("animate.video", request.animate.video), ("talking_video.video", request.talking_video.video)]


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
        # The request id of a repetition is internal.
        request_id="" if record.retry_of else record.request_id,
        retry_of=record.retry_of,
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
    image = record.steps.get(IMAGE, {})
    job.result.prompt = image.get("prompt", "")
    if image.get("promptMetadata"):
        ParseDict(image["promptMetadata"], job.result.prompt_metadata, ignore_unknown_fields=True)
    job.result.stored_audio_id = record.steps.get(AUDIO, {}).get("storedAudioId", "")
    return job


def to_job_error(failure: JobFailure) -> jobs_pb2.JobError:
    """Return the message of the failure of a job."""
    return jobs_pb2.JobError(
        reason=failure.reason,
        message=failure.message,
        stage=failure.stage,
        details=to_field_errors(failure.details),
    )


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
