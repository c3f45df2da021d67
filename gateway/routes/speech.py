"""The speech routes that HTTP needs more for: whole audio, audio while it is made, and lines with timing."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

import grpc
import orjson
from aiohttp import web
from media.common.v1 import alignment_pb2
from media.tts.v1 import tts_pb2, tts_pb2_grpc

from gateway.codec import encode
from gateway.errors import STARTED, build_error_body
from gateway.request_parsing import get_principal, read_message
from gateway.routes.speech_common import (
    StreamTiming,
    build_audio_headers,
    build_highlights,
    build_whole_audio_headers,
    run_off_loop,
)
from services.common.errors import MediaError, Reason, invalid
from services.common.log import request_id
from services.common.rpc.channel import call_metadata, open_stream
from services.common.rpc.status import from_rpc_error

NDJSON = "application/x-ndjson"
Event = TypeVar("Event")


class SpeechRoutes:
    """Answers /api/speech, /api/speech/stream and /api/speech/timestamps through the TTS service."""

    def __init__(self, channel: grpc.aio.Channel, call_seconds: float) -> None:
        self._stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub = tts_pb2_grpc.TextToSpeechServiceStub(channel)
        self._call_seconds = call_seconds

    def build_routes(self) -> Sequence[web.RouteDef]:
        """Return the routes."""
        return [
            web.post("/api/speech", self.synthesize),
            web.post("/api/speech/stream", self.stream),
            web.post("/api/speech/timestamps", self.stream_timestamps),
        ]

    async def synthesize(self, request: web.Request) -> web.Response:
        """Answer with the whole audio, its length and its digest; nothing is sent unless all of it was made."""
        message = await read_message(request, tts_pb2.SynthesizeRequest)
        _refuse_alignment(message.include_alignment)
        reply = await self._stub.Synthesize(
            message, timeout=self._call_seconds, metadata=call_metadata(get_principal(request))
        )
        digest = base64.b64encode(bytes.fromhex(reply.done.sha256)).decode()
        headers = {**build_whole_audio_headers(reply), "Repr-Digest": f"sha-256=:{digest}:"}
        return web.Response(body=reply.audio, headers=headers)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Answer with the audio while it is made; a cut stream ends without the final chunk."""
        message = await read_message(request, tts_pb2.SynthesizeStreamRequest)
        _refuse_alignment(message.include_alignment)
        async with open_stream(self._start_call(request, message)) as call:
            events = aiter(call)
            header, first = await _read_first_audio(events)
            response = await _start_response(request, build_audio_headers(header))
            await response.write(first.audio)
            async for event in _read_events(events):
                if isinstance(event, tts_pb2.SpeechChunk):
                    await response.write(event.audio)
            await response.write_eof()
        return response

    async def stream_timestamps(self, request: web.Request) -> web.StreamResponse:
        """Answer with one JSON object a line: header, pieces of audio with their timing, then `done` with the words.

        A failure on the way is the last line, and the answer ends without the final chunk.
        """
        message = await read_message(request, tts_pb2.SynthesizeStreamRequest)
        message.include_alignment = True
        async with open_stream(self._start_call(request, message)) as call:
            events = aiter(call)
            header, first = await _read_first_audio(events)
            response = await _start_response(request, {**build_audio_headers(header), "Content-Type": NDJSON})
            await response.write(_line({"header": encode(header)}) + _line(_to_chunk_line(first)))
            try:
                timing = StreamTiming()
                timing.add(first.alignment)
                async for event in _read_events(events):
                    if isinstance(event, tts_pb2.SpeechChunk):
                        timing.add(event.alignment)
                        await response.write(_line(_to_chunk_line(event)))
                    else:
                        found = await run_off_loop(build_highlights, timing.build_alignment())
                        await response.write(_line({"done": {**encode(event), **found}}))
            except (MediaError, grpc.aio.AioRpcError) as error:
                await response.write(
                    _line(build_error_body(error if isinstance(error, MediaError) else from_rpc_error(error)))
                )
                raise
            await response.write_eof()
        return response

    def _start_call(
        self, request: web.Request, message: tts_pb2.SynthesizeStreamRequest
    ) -> grpc.aio.UnaryStreamCall[tts_pb2.SynthesizeStreamRequest, tts_pb2.SynthesizeStreamResponse]:
        return self._stub.SynthesizeStream(
            message, timeout=self._call_seconds, metadata=call_metadata(get_principal(request))
        )


async def _read_first_audio(
    events: AsyncIterator[tts_pb2.SynthesizeStreamResponse],
) -> tuple[tts_pb2.SpeechHeader, tts_pb2.SpeechChunk]:
    """Wait for the header and the first audio, so that the HTTP status is still free to tell the truth."""
    header = await anext(events, None)
    first = await anext(events, None)
    if header is None or first is None or not (header.HasField("header") and first.HasField("chunk")):
        raise _build_incomplete_error()
    return header.header, first.chunk


async def _read_events(
    events: AsyncIterator[tts_pb2.SynthesizeStreamResponse],
) -> AsyncIterator[tts_pb2.SpeechChunk | tts_pb2.SpeechDone]:
    """Yield chunks and then `done`; a stream that ends before it was cut."""
    async for event in events:
        if event.HasField("done"):
            yield event.done
            # Read on to the status: a call that is left before it counts as cancelled at the service.
            await anext(events, None)
            return
        yield event.chunk
    raise _build_incomplete_error()


def _build_incomplete_error() -> MediaError:
    return MediaError(Reason.GENERATION_FAILED, "The speech service ended the stream before it was complete.")


def _refuse_alignment(wanted: bool) -> None:
    if wanted:
        raise invalid("include_alignment", "must be absent here: POST /api/speech/timestamps carries timing")


async def _start_response(request: web.Request, headers: dict[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(headers={**headers, "X-Request-Id": request_id.get()})
    response.enable_chunked_encoding()
    request[STARTED] = response
    await response.prepare(request)
    return response


def _to_chunk_line(chunk: tts_pb2.SpeechChunk) -> dict[str, object]:
    piece: dict[str, object] = {"audioBase64": base64.b64encode(chunk.audio).decode()}
    if chunk.HasField("alignment"):
        piece["alignment"] = _to_alignment_json(chunk.alignment)
    return piece


def _to_alignment_json(alignment: alignment_pb2.Alignment) -> dict[str, object]:
    """Return the normalized form under the names that players of ElevenLabs alignments already read."""
    return {
        "characters": list(alignment.characters),
        "character_start_times_seconds": list(alignment.character_start_times_seconds),
        "character_end_times_seconds": list(alignment.character_end_times_seconds),
    }


def _line(content: dict[str, object]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
