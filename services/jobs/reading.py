"""From the contract's messages to wishes."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.json_format import MessageToDict
from media.jobs.v1 import jobs_pb2

from services.common.errors import Reason, invalid
from services.jobs.board import Selection, Wish
from services.jobs.record import Status

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


def wish_of(request: jobs_pb2.CreateJobRequest, max_characters: int) -> Wish:
    """Returns the job that `request` asks for.

    Args:
        request: What came.
        max_characters: Longest text that a job speaks.

    Raises:
        MediaError: VALIDATION_ERROR or TEXT_TOO_LONG, naming the field.
    """
    kind = request.WhichOneof("spec")
    assert kind is not None  # noqa: S101 - told so to mypy: the contract requires it
    _check_texts(request, kind, max_characters)
    return Wish(kind, MessageToDict(getattr(request, kind)), request.webhook_url, request.request_id)


def selection_of(request: jobs_pb2.ListJobsRequest) -> Selection:
    """Returns which jobs are listed."""
    kind = next((name for name, value in KINDS.items() if value == request.kind), "")
    status = next((status for status, value in STATUSES.items() if value == request.status), None)
    return Selection(kind, status)


def _check_texts(request: jobs_pb2.CreateJobRequest, kind: str, max_characters: int) -> None:
    if kind == "talking_video":
        text, field = request.talking_video.narration.text, "talking_video.narration.text"
        if not text.strip():
            raise invalid(field, "must contain at least one character that is not white space")
    elif kind in ("headline", "story"):
        spec = request.headline if kind == "headline" else request.story.headline
        prefix = "headline" if kind == "headline" else "story.headline"
        text, field = spec.narration.text, f"{prefix}.narration.text"
    else:
        return
    if len(text) > max_characters:
        raise invalid(field, f"must have at most {max_characters} code points", Reason.TEXT_TOO_LONG)
