"""Describes the hand-written routes for jobs."""

from __future__ import annotations

from gateway.openapi.examples import IMAGE_URI
from gateway.openapi.route_spec import SIGNED_QUERY, Content, HandWritten, Header, Query, Response

_JOBS_TAG = ("Job",)
_TEXT = {"type": "string"}
_VIDEO = {
    "image_url": {"type": "string", "description": "Public URL of the image, or a small `data:` URI."},
    "prompt": {"type": "string", "description": "What happens in the video."},
    "seconds": {"type": "integer", "minimum": 1, "maximum": 60, "default": 6},
    "resolution": {"type": "string", "enum": ["512p", "768p", "1080p"], "default": "768p"},
    "model": {"type": ["string", "null"], "description": "Model of the provider."},
}
_SPEECH = {
    "text": {"type": "string", "description": "Text to speak, at most TTS_MAX_CHARS code points."},
    "voice_id": {"type": "string", "description": "Name or id of the voice."},
}
_EXAMPLE = {"image_url": IMAGE_URI, "prompt": "zoom in", "seconds": 1, "resolution": "512p"}
_WAITING = (
    "Creates a job and waits for its end; a disconnect does not stop the job. With `Prefer: respond-async` the response"
    " is sent at once, as 202 with `Location`. A repeated `Idempotency-Key` returns the existing job."
)
_ACCEPTED = Response(
    "The job is accepted.",
    (Content("application/json", {"type": "object", "properties": {"job_id": _TEXT, "status_url": _TEXT}}),),
    headers=(Header("Location", "Path of the job."), Header("Preference-Applied", "`respond-async`.")),
    status=202,
)
_REQUEST_HEADERS = (
    Header("Prefer", "`respond-async`: respond without waiting."),
    Header("Idempotency-Key", "The caller's own name for the job; a repeated name returns the existing job."),
)


def _build_result(description: str, *urls: str) -> Response:
    """Return the response with the results of the job."""
    properties = dict.fromkeys((*urls, "job_id"), _TEXT)
    content = Content("application/json", {"type": "object", "properties": properties})
    return Response(description, (content,), headers=(Header("Content-Location", "Path of the job."),))


JOB_ROUTES: tuple[HandWritten, ...] = (
    HandWritten(
        method="GET",
        path="/api/jobs/{id}/events",
        operation_id="watchJob",
        tags=_JOBS_TAG,
        summary="Watch a job",
        description=(
            "Server-sent events: `job` at each change, with the whole job, and last `end`. Each has an `id`; a client"
            " that reconnects with `Last-Event-ID`, to any replica, gets the later events. Comments keep an idle"
            " connection open. A token is not needed with the signed query of a job's `eventsUrl`, for EventSource."
        ),
        in_path=(Query("id", "Id of the job.", _TEXT),),
        query=SIGNED_QUERY,
        in_headers=(Header("Last-Event-ID", "Id of the last received event; only later changes are sent."),),
        responses=(
            Response(
                "Events, chunked.",
                (Content("text/event-stream"),),
                (Header("Cache-Control", "`no-store`."),),
            ),
            Response("The job ended with the event of `Last-Event-ID`; there are no later events.", status=204),
        ),
    ),
    HandWritten(
        method="POST",
        path="/jobs_prompt_only",
        operation_id="promptOnly",
        tags=_JOBS_TAG,
        summary="Generate a video from an image, and wait for it",
        description=_WAITING,
        in_headers=_REQUEST_HEADERS,
        json_body={"type": "object", "required": ["image_url", "prompt"], "properties": _VIDEO},
        examples={"A tiny image": _EXAMPLE},
        responses=(_build_result("The video.", "video_url"), _ACCEPTED),
    ),
    HandWritten(
        method="POST",
        path="/jobs_prompt_tts",
        operation_id="promptTts",
        tags=_JOBS_TAG,
        summary="Generate a talking video from an image, and wait for it",
        description=_WAITING,
        in_headers=_REQUEST_HEADERS,
        json_body={
            "type": "object",
            "required": ["image_url", "prompt", "text", "voice_id"],
            "properties": {**_VIDEO, **_SPEECH},
        },
        examples={"A tiny image": {**_EXAMPLE, "text": "Good morning!", "voice_id": "Aria"}},
        responses=(
            _build_result(
                "The speech, the video, and the video with the speech.", "audio_url", "video_url", "final_url"
            ),
            _ACCEPTED,
        ),
    ),
)
