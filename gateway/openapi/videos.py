"""Describes the hand-written routes for videos."""

from __future__ import annotations

from media.video.v1 import video_pb2

from gateway.openapi.example_files import MP3, MP4
from gateway.openapi.examples import IMAGE_URI
from gateway.openapi.route_spec import Content, HandWritten, Header, Response

_VIDEO_TAG = ("Video",)
_LINES = (Response("Lines of JSON, chunked.", (Content("application/x-ndjson"),)),)
_PROGRESS = (
    "The response is newline-delimited JSON: lines with `progress` (state, percent from 0 to 100, never decreasing),"
    " and last a line with `video`. A response that fails ends with an `Error` and without the final chunk."
)
_TWO_FILES = {
    "video": {"data": MP4},
    "audio": {"data": MP3},
    "audioDelayMs": 500,
    "lengthPolicy": "freeze",
}

VIDEO_ROUTES: tuple[HandWritten, ...] = (
    HandWritten(
        method="POST",
        path="/api/video/generate",
        operation_id="generateVideo",
        tags=_VIDEO_TAG,
        summary="Generate a video from an image",
        description=(
            f"{_PROGRESS} The first line has the `predictionId` that /api/video/resume takes. A disconnect cancels the"
            " generation, unless the request set `detach`. A repeated `requestId` returns the same video and costs"
            " nothing."
        ),
        request=video_pb2.GenerateVideoRequest,
        examples={
            "A tiny image": {
                "prompt": "zoom in",
                "imageUrl": IMAGE_URI,
                "seconds": 1,
                "resolution": "512p",
                "requestId": "example-video",
            },
        },
        responses=_LINES,
    ),
    HandWritten(
        method="POST",
        path="/api/video/resume",
        operation_id="resumeVideo",
        tags=_VIDEO_TAG,
        summary="Resume a video",
        description=f"Joins a running generation, or returns its finished video; nothing is paid twice. {_PROGRESS}",
        request=video_pb2.ResumeVideoRequest,
        examples={"A video": {"predictionId": "rkk8h2v1q9rga0cmz1v8h0w1y0"}},
        responses=_LINES,
    ),
    HandWritten(
        method="POST",
        path="/api/video/mux",
        operation_id="muxVideo",
        tags=_VIDEO_TAG,
        summary="Mux audio into a video",
        description=f"{_PROGRESS} A file is given by key, by URL, or in base64 as `data`, up to 20 MiB each.",
        request=video_pb2.MuxVideoRequest,
        request_omits=("stream_media",),
        examples={"Two tiny files": _TWO_FILES},
        responses=_LINES,
    ),
    HandWritten(
        method="POST",
        path="/api/video/mux/stream",
        operation_id="streamMuxedVideo",
        tags=_VIDEO_TAG,
        summary="Mux audio into a video, and stream it",
        description=(
            "The response is a fragmented MP4, which players show from the first fragment. The video is also stored. A"
            " response without the final chunk is incomplete."
        ),
        request=video_pb2.MuxVideoRequest,
        request_omits=("stream_media",),
        examples={"Two tiny files": _TWO_FILES},
        responses=(Response("The video, chunked.", (Content("video/mp4"),)),),
    ),
    HandWritten(
        method="POST",
        path="/webhooks/replicate",
        operation_id="receiveReplicateWebhook",
        tags=_VIDEO_TAG,
        summary="Receive a webhook of Replicate",
        description="Only for Replicate: no token is needed, but a request without a valid signature is refused.",
        in_headers=(
            Header("webhook-id", "Id of the delivery."),
            Header("webhook-timestamp", "When it was sent, in seconds since 1970."),
            Header("webhook-signature", "Signatures of id, time and body."),
        ),
        json_body={"type": "object", "description": "A prediction."},
        public=True,
        responses=(Response("The webhook is accepted.", (Content("application/json"),)),),
    ),
)
