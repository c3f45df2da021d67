"""The hand-written routes for jobs as the document describes them."""

from __future__ import annotations

from gateway.openapi.route_spec import Content, HandWritten, Header, Query, Response

_JOBS_TAG = ("Job",)
_TEXT = {"type": "string"}
_VIDEO = {
    "image_url": {"type": "string", "description": "Public address of the image."},
    "prompt": {"type": "string", "description": "What is to happen."},
    "seconds": {"type": "integer", "minimum": 1, "maximum": 60, "default": 6},
    "resolution": {"type": "string", "enum": ["512p", "768p", "1080p"], "default": "768p"},
    "model": {"type": ["string", "null"], "description": "Model of the provider."},
}
_SPOKEN = {
    "text": {"type": "string", "description": "What is said, at most TTS_MAX_CHARS code points."},
    "voice_id": {"type": "string", "description": "Name or id of the voice."},
}
_WAITS = (
    "Runs as a job and waits for its end; a disconnect does not stop it. With `Prefer: respond-async` the"
    " answer comes at once, as 202 with `Location`. The same `Idempotency-Key` again is the same job."
)
_ACCEPTED = Response(
    "It is a job now.",
    (Content("application/json", {"type": "object", "properties": {"job_id": _TEXT, "status_url": _TEXT}}),),
    headers=(Header("Location", "Where the job is."), Header("Preference-Applied", "`respond-async`.")),
    status=202,
)
_HOW = (
    Header("Prefer", "`respond-async`: not to wait."),
    Header("Idempotency-Key", "The caller's own name for the job; the same name again is the same job."),
)


def _build_result(description: str, *urls: str) -> Response:
    """Return the answer that waits for what was made."""
    properties = dict.fromkeys((*urls, "job_id"), _TEXT)
    content = Content("application/json", {"type": "object", "properties": properties})
    return Response(description, (content,), headers=(Header("Content-Location", "Where the job is."),))


JOB_ROUTES: tuple[HandWritten, ...] = (
    HandWritten(
        method="GET",
        path="/api/jobs/{id}/events",
        operation_id="watchJob",
        tags=_JOBS_TAG,
        summary="Tells every change of a job as it happens",
        description=(
            "Server-sent events: `job` with the job as it is now, and last `end`. Each has an `id`; a client that"
            " reconnects with `Last-Event-ID`, to any replica, gets the later events. Comments keep an idle"
            " connection open."
        ),
        in_path=(Query("id", "Id of the job.", _TEXT),),
        in_headers=(Header("Last-Event-ID", "Id of the last event that came; only later changes are sent."),),
        responses=(
            Response("Events, chunked.", (Content("text/event-stream"),)),
            Response("The job has ended with the event of `Last-Event-ID`; nothing more comes.", status=204),
        ),
    ),
    HandWritten(
        method="POST",
        path="/jobs_prompt_only",
        operation_id="promptOnly",
        tags=_JOBS_TAG,
        summary="Makes a video of an image and waits for it",
        description=_WAITS,
        in_headers=_HOW,
        json_body={"type": "object", "required": ["image_url", "prompt"], "properties": _VIDEO},
        responses=(_build_result("The video.", "video_url"), _ACCEPTED),
    ),
    HandWritten(
        method="POST",
        path="/jobs_prompt_tts",
        operation_id="promptTts",
        tags=_JOBS_TAG,
        summary="Makes a video of an image that speaks, and waits for it",
        description=_WAITS,
        in_headers=_HOW,
        json_body={
            "type": "object",
            "required": ["image_url", "prompt", "text", "voice_id"],
            "properties": {**_VIDEO, **_SPOKEN},
        },
        responses=(
            _build_result("Speech, video, and both together.", "audio_url", "video_url", "final_url"),
            _ACCEPTED,
        ),
    ),
)
