"""Video routes that need more than one request and one response message: progress, streams, and webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

import grpc
from aiohttp import web
from google.protobuf.message import Message
from media.video.v1 import video_pb2, video_pb2_grpc

from gateway.codec import encode
from gateway.request_parsing import get_principal, read_header, read_message
from gateway.streaming import Lines, send_lines, start_stream
from services.common.errors import MediaError, Reason
from services.common.rpc.call_limits import CallLimits, limit_wait
from services.common.rpc.channel import call_metadata, open_stream

MAX_BODY_BYTES = 56 * 1024 * 1024
"""Largest JSON body of a request that may hold files: two of 20 MiB in base64, and the other fields."""
_RESULT_FIELD = "video"

Request = TypeVar("Request", bound=Message)
Event = TypeVar("Event", bound=Message)


class VideoRoutes:
    """Answers /api/video/generate, /resume, /mux, /mux/stream and /webhooks/replicate through the video service."""

    def __init__(self, channel: grpc.aio.Channel, limits: CallLimits) -> None:
        self._stub: video_pb2_grpc.VideoServiceAsyncStub = video_pb2_grpc.VideoServiceStub(channel)
        self._limits = limits

    def build_routes(self) -> Sequence[web.RouteDef]:
        """Return the routes."""
        return [
            web.post("/api/video/generate", self.generate),
            web.post("/api/video/resume", self.resume),
            web.post("/api/video/mux", self.mux),
            web.post("/api/video/mux/stream", self.stream_mux),
            web.post("/webhooks/replicate", self.receive_webhook),
        ]

    async def generate(self, request: web.Request) -> web.StreamResponse:
        """Generate a video: lines of progress, then the video. Service and edge bound the time, not the gateway."""
        message = await read_message(_allow_body_size(request), video_pb2.GenerateVideoRequest)
        call = self._stub.GenerateVideo(message, metadata=call_metadata(get_principal(request)))
        return await send_lines(request, _read_events(call), self._limits)

    async def resume(self, request: web.Request) -> web.StreamResponse:
        """Continue the progress lines of a video that an earlier request started."""
        message = await read_message(request, video_pb2.ResumeVideoRequest)
        call = self._stub.ResumeVideo(message, metadata=call_metadata(get_principal(request)))
        return await send_lines(request, _read_events(call), self._limits)

    async def mux(self, request: web.Request) -> web.StreamResponse:
        """Mux audio into a video: lines of progress, then the video."""
        call = self._start_mux(request, await self._read_mux_request(request))
        return await send_lines(request, _read_events(call), self._limits)

    async def stream_mux(self, request: web.Request) -> web.StreamResponse:
        """Mux audio into a video, and send each piece of the new video when it is ready."""
        message = await self._read_mux_request(request)
        message.stream_media = True
        call = self._start_mux(request, message)
        async with open_stream(call):
            chunks = _read_chunks(call)
            async with limit_wait(self._limits.first_message_seconds):
                first = await anext(chunks, b"")
            response = await start_stream(request, {"Content-Type": "video/mp4"})
            await response.write(first)
            async for chunk in chunks:
                await response.write(chunk)
            await response.write_eof()
        return response

    async def receive_webhook(self, request: web.Request) -> web.Response:
        """Pass a notification of Replicate on; the video service verifies its signature."""
        reply = await self._stub.ReceiveWebhook(
            video_pb2.ReceiveWebhookRequest(
                provider="replicate",
                webhook_id=read_header(request, "webhook-id"),
                webhook_timestamp=read_header(request, "webhook-timestamp"),
                webhook_signature=read_header(request, "webhook-signature"),
                body=await request.read(),
            ),
            timeout=self._limits.read_seconds,
            metadata=call_metadata(""),
        )
        return web.json_response({"success": True, "awaited": reply.awaited})

    async def _read_mux_request(self, request: web.Request) -> video_pb2.MuxVideoRequest:
        message = await read_message(_allow_body_size(request), video_pb2.MuxVideoRequest)
        if message.stream_media:
            raise MediaError(
                Reason.VALIDATION_ERROR, "streamMedia: must be absent over HTTP; POST /api/video/mux/stream streams."
            )
        return message

    def _start_mux(
        self, request: web.Request, message: video_pb2.MuxVideoRequest
    ) -> grpc.aio.UnaryStreamCall[video_pb2.MuxVideoRequest, video_pb2.MuxVideoResponse]:
        return self._stub.MuxVideo(
            message, timeout=self._limits.stream_seconds, metadata=call_metadata(get_principal(request))
        )


def _allow_body_size(request: web.Request) -> web.Request:
    return request.clone(client_max_size=MAX_BODY_BYTES)


async def _read_events(call: grpc.aio.UnaryStreamCall[Request, Event]) -> Lines:
    """Yield the messages of a call as JSON; raise if it ends without a video."""
    is_whole = False
    async with open_stream(call):
        async for event in call:
            is_whole = event.HasField(_RESULT_FIELD)
            yield encode(event)
    if not is_whole:
        raise _build_incomplete_error()


async def _read_chunks(
    call: grpc.aio.UnaryStreamCall[video_pb2.MuxVideoRequest, video_pb2.MuxVideoResponse],
) -> AsyncIterator[bytes]:
    is_whole = False
    async for event in call:
        is_whole = event.HasField(_RESULT_FIELD)
        if event.media_chunk:
            yield event.media_chunk
    if not is_whole:
        raise _build_incomplete_error()


def _build_incomplete_error() -> MediaError:
    return MediaError(
        Reason.GENERATION_FAILED, "The video service ended the stream before the video was complete; retry."
    )
