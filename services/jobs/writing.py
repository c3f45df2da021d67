"""From records to the contract's messages. Keys are in records; addresses are made when somebody asks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from media.jobs.v1 import jobs_pb2

from services.common.storage import ObjectStore
from services.jobs.pipelines.steps import AUDIO, FINAL, IMAGE, VIDEO
from services.jobs.reading import KINDS, STATUSES
from services.jobs.record import Attempt, JobFailure
from services.jobs.request import StoredJob

_MEDIA = (VIDEO, AUDIO, FINAL, IMAGE)


async def to_job(stored: StoredJob, store: ObjectStore) -> jobs_pb2.Job:
    """Return the message of a job."""
    record = stored.record
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
    )
    if record.failure is not None and record.status.is_final:
        job.error.CopyFrom(to_job_error(record.failure))
    for name in _MEDIA:
        if name in record.steps:
            getattr(job.result, name).CopyFrom(await _to_media(record.steps[name], store))
    job.result.prompt = record.steps.get(IMAGE, {}).get("prompt", "")
    job.result.stored_audio_id = record.steps.get(AUDIO, {}).get("storedAudioId", "")
    return job


def to_job_error(failure: JobFailure) -> jobs_pb2.JobError:
    """Return the message of what ended a job."""
    return jobs_pb2.JobError(reason=failure.reason, message=failure.message, stage=failure.stage)


def to_delivery(sent: Mapping[str, Any]) -> jobs_pb2.WebhookDelivery:
    """Return the message of one attempt to tell a webhook."""
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
    stamp = Timestamp()
    stamp.FromDatetime(datetime.fromisoformat(text))
    return stamp
