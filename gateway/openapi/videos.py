"""The hand-written routes for videos as the document describes them."""

from __future__ import annotations

from media.video.v1 import video_pb2

from gateway.openapi.route_spec import Content, HandWritten, Response

_VIDEO_TAG = ("Video",)
_LINES = (Response("Lines of JSON, chunked.", (Content("application/x-ndjson"),)),)
_HOW = (
    "The answer is newline-delimited JSON: lines with `progress` (state, percent from 0 to 100, never backwards), and"
    " last a line with `video`. An answer that fails on the way ends with an `Error` and without the final chunk."
)
_STILL = "https://example.com/cat.jpg"
_TWO_FILES = {
    "video": {"key": "videos/2026/11/cat.mp4"},
    "audio": {"key": "audio/2026/11/hello.mp3"},
    "audioDelayMs": 500,
    "lengthPolicy": "LENGTH_POLICY_FREEZE",
}

VIDEO_ROUTES: tuple[HandWritten, ...] = (
    HandWritten(
        method="POST",
        path="/api/video/generate",
        operation_id="generateVideo",
        tags=_VIDEO_TAG,
        summary="Makes a still image move",
        description=(
            f"{_HOW} The first line tells `predictionId`, by which /api/video/resume finds the video. A disconnect ends"
            " the work, unless `detach` was set. The same `requestId` again joins or returns the same video and pays"
            " nothing."
        ),
        request=video_pb2.GenerateVideoRequest,
        examples={
            "A cat": {"prompt": "The cat turns its head and talks", "imageUrl": _STILL},
            "Embedded": {"prompt": "zoom in", "imageKey": "images/2026/11/cat.webp", "provider": "embedded"},
        },
        responses=_LINES,
    ),
    HandWritten(
        method="POST",
        path="/api/video/resume",
        operation_id="resumeVideo",
        tags=_VIDEO_TAG,
        summary="Goes on listening to a video that was begun before",
        description=f"{_HOW} Nothing is paid for again.",
        request=video_pb2.ResumeVideoRequest,
        examples={"A video": {"predictionId": "rkk8h2v1q9rga0cmz1v8h0w1y0"}},
        responses=_LINES,
    ),
    HandWritten(
        method="POST",
        path="/api/video/mux",
        operation_id="muxVideo",
        tags=_VIDEO_TAG,
        summary="Lays speech over a video",
        description=f"{_HOW} Files come by key, by URL, or in base64 as `data`, up to 20 MiB each.",
        request=video_pb2.MuxVideoRequest,
        request_omits=("stream_media",),
        examples={"By key": _TWO_FILES},
        responses=_LINES,
    ),
    HandWritten(
        method="POST",
        path="/api/video/mux/stream",
        operation_id="streamMuxedVideo",
        tags=_VIDEO_TAG,
        summary="Lays speech over a video and sends it while it is made",
        description=(
            "The answer is a fragmented MP4, which players show from its first fragment on. The video is also stored."
            " An answer without the final chunk was cut."
        ),
        request=video_pb2.MuxVideoRequest,
        request_omits=("stream_media",),
        examples={"By key": _TWO_FILES},
        responses=(Response("The video, chunked.", (Content("video/mp4"),)),),
    ),
    HandWritten(
        method="POST",
        path="/webhooks/replicate",
        operation_id="receiveReplicateWebhook",
        tags=_VIDEO_TAG,
        summary="Takes webhooks of Replicate",
        description="For Replicate alone: without a token, but what the account's secret has not signed is refused.",
        json_body={"type": "object", "description": "A prediction."},
        public=True,
        responses=(Response("It was taken.", (Content("application/json"),)),),
    ),
)
