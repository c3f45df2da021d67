"""Speech routes that need more than JSON in and out: whole audio, streamed audio, and lines with timing."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence

import grpc
from aiohttp import web
from media.tts.v1 import tts_pb2, tts_pb2_grpc

from gateway.alignment_form import take_alignment_form, to_raw_json
from gateway.codec import decode, encode
from gateway.request_parsing import get_principal, read_json, read_message
from gateway.routes.speech_common import (
    StreamTiming,
    build_audio_headers,
    build_highlights,
    build_whole_audio_headers,
    refuse_alignment,
    run_off_loop,
)
from gateway.routes.speech_links import SpeechLinkRoutes, wants_link
from gateway.streaming import Lines, send_lines, start_stream
from services.common.errors import MediaError, Reason
from services.common.rpc.call_limits import CallLimits, limit_wait
from services.common.rpc.channel import call_metadata, open_stream


class SpeechRoutes:
    """Answers /api/speech, /api/speech/stream and /api/speech/timestamps through the TTS service.

    Args:
        channel: Channel to the service.
        limits: Time limits of calls to it.
        links: Answers requests for a link instead of the audio.
    """

    def __init__(self, channel: grpc.aio.Channel, limits: CallLimits, links: SpeechLinkRoutes) -> None:
        self._links = links
        self._stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub = tts_pb2_grpc.TextToSpeechServiceStub(channel)
        self._limits = limits

    def build_routes(self) -> Sequence[web.RouteDef]:
        """Return the routes."""
        return [
            web.post("/api/speech", self.synthesize),
            web.post("/api/speech/stream", self.stream),
            web.post("/api/speech/timestamps", self.stream_timestamps),
        ]

    async def synthesize(self, request: web.Request) -> web.Response:
        """Answer with the whole audio, its length and its digest; a failure on the way sends no audio at all.

        With `?link=1`, answer with a signed link to the audio.
        """
        if wants_link(request):
            return await self._links.create(request)
        message = await read_message(request, tts_pb2.SynthesizeRequest)
        refuse_alignment(message.include_alignment)
        reply = await self._stub.Synthesize(
            message, timeout=self._limits.answer_seconds, metadata=call_metadata(get_principal(request))
        )
        digest = base64.b64encode(bytes.fromhex(reply.done.sha256)).decode()
        headers = {**build_whole_audio_headers(reply), "Repr-Digest": f"sha-256=:{digest}:"}
        return web.Response(body=reply.audio, headers=headers)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Answer with each piece of audio as it arrives; an incomplete stream ends without the final chunk."""
        message = await read_message(request, tts_pb2.SynthesizeStreamRequest)
        refuse_alignment(message.include_alignment)
        async with open_stream(self._start_call(request, message)) as call:
            events = aiter(call)
            async with limit_wait(self._limits.first_message_seconds):
                header, first = await _read_first_audio(events)
            response = await start_stream(request, build_audio_headers(header))
            await response.write(first.audio)
            async for event in _read_events(events):
                if isinstance(event, tts_pb2.SpeechChunk):
                    await response.write(event.audio)
            await response.write_eof()
        return response

    async def stream_timestamps(self, request: web.Request) -> web.StreamResponse:
        """Answer with one JSON object a line: header, pieces of audio with their timing, then `done` with the words."""
        body = await read_json(request)
        is_raw = take_alignment_form(dict(request.query), body if isinstance(body, dict) else {})
        message = decode(tts_pb2.SynthesizeStreamRequest, body)
        message.include_alignment = True
        async with open_stream(self._start_call(request, message)) as call:
            events = aiter(call)
            async with limit_wait(self._limits.first_message_seconds):
                header, first = await _read_first_audio(events)
            lines, opening = _build_lines(first, events, is_raw=is_raw), [{"header": encode(header)}]
            return await send_lines(request, lines, self._limits, build_audio_headers(header), opening)

    def _start_call(
        self, request: web.Request, message: tts_pb2.SynthesizeStreamRequest
    ) -> grpc.aio.UnaryStreamCall[tts_pb2.SynthesizeStreamRequest, tts_pb2.SynthesizeStreamResponse]:
        return self._stub.SynthesizeStream(
            message, timeout=self._limits.stream_seconds, metadata=call_metadata(get_principal(request))
        )


async def _read_first_audio(
    events: AsyncIterator[tts_pb2.SynthesizeStreamResponse],
) -> tuple[tts_pb2.SpeechHeader, tts_pb2.SpeechChunk]:
    """Wait for the header and the first audio; until both are there, an error can still set the HTTP status."""
    header = await anext(events, None)
    first = await anext(events, None)
    if header is None or first is None or not (header.HasField("header") and first.HasField("chunk")):
        raise _build_incomplete_error()
    return header.header, first.chunk


async def _read_events(
    events: AsyncIterator[tts_pb2.SynthesizeStreamResponse],
) -> AsyncIterator[tts_pb2.SpeechChunk | tts_pb2.SpeechDone]:
    """Yield chunks and then `done`; raise if the stream ends without `done`."""
    async for event in events:
        if event.HasField("done"):
            yield event.done
            # Read on to the status: the service counts a call that is left before its status as cancelled.
            await anext(events, None)
            return
        yield event.chunk
    raise _build_incomplete_error()


def _build_incomplete_error() -> MediaError:
    return MediaError(Reason.GENERATION_FAILED, "The speech service ended the stream before it was complete; retry.")


async def _build_lines(
    first: tts_pb2.SpeechChunk, events: AsyncIterator[tts_pb2.SynthesizeStreamResponse], *, is_raw: bool
) -> Lines:
    timing = StreamTiming()
    timing.add(first.alignment)
    yield _to_chunk_line(first, is_raw=is_raw)
    async for event in _read_events(events):
        if isinstance(event, tts_pb2.SpeechChunk):
            timing.add(event.alignment)
            yield _to_chunk_line(event, is_raw=is_raw)
        else:
            highlights = await run_off_loop(build_highlights, timing.build_alignment())
            yield {"done": {**encode(event), **highlights}}


def _to_chunk_line(chunk: tts_pb2.SpeechChunk, *, is_raw: bool) -> dict[str, object]:
    line: dict[str, object] = {"audioBase64": base64.b64encode(chunk.audio).decode()}
    if chunk.HasField("alignment"):
        alignment = encode(chunk.alignment)
        line["alignment"] = to_raw_json(alignment) if is_raw else alignment
    return line
