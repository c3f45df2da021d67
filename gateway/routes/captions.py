"""POST /api/speech/captions: a caption file with the timing of the audio that /api/speech returns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import grpc
from aiohttp import web
from media.tts.v1 import tts_pb2, tts_pb2_grpc

from gateway.codec.violations import shorten
from gateway.request_parsing import get_principal, read_message
from gateway.routes.speech_common import StreamTiming, build_whole_audio_headers, run_off_loop
from services.common.errors import MediaError, Reason, invalid
from services.common.rpc.call_limits import CallLimits
from services.common.rpc.channel import call_metadata
from services.common.timing.alignment import Alignment
from services.common.timing.captions import to_srt, to_webvtt

_PARAMETER = "format"


@dataclass(frozen=True, slots=True)
class CaptionFormat:
    """A format of caption files."""

    content_type: str
    """Value of the Content-Type header."""
    media_types: frozenset[str]
    """Media types of an Accept header that select the format."""
    write: Callable[[Alignment, float], str]
    """Called with the timing of the speech and its length in seconds; returns the text of the file."""


FORMATS: Mapping[str, CaptionFormat] = {
    "vtt": CaptionFormat("text/vtt; charset=utf-8", frozenset({"text/vtt", "text/*"}), to_webvtt),
    "srt": CaptionFormat(
        "application/x-subrip", frozenset({"application/x-subrip", "application/srt", "text/srt"}), to_srt
    ),
}
"""The formats by name; the first is the default."""


class CaptionRoutes:
    """Answers /api/speech/captions through the TTS service."""

    def __init__(self, channel: grpc.aio.Channel, limits: CallLimits) -> None:
        self._stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub = tts_pb2_grpc.TextToSpeechServiceStub(channel)
        self._limits = limits

    def build_routes(self) -> Sequence[web.RouteDef]:
        """Return the routes."""
        return [web.post("/api/speech/captions", self.write_captions)]

    async def write_captions(self, request: web.Request) -> web.Response:
        """Answer with the captions of the audio that /api/speech returns for the same body."""
        caption_format = _choose_format(request)
        message = await read_message(request, tts_pb2.SynthesizeRequest)
        if message.store:
            raise invalid(
                "store", "must be absent here; POST /api/speech stores the audio, from the cache if there is one"
            )
        message.include_alignment = True
        reply = await self._stub.Synthesize(
            message, timeout=self._limits.answer_seconds, metadata=call_metadata(get_principal(request))
        )
        if not reply.alignment.characters:
            raise MediaError(
                Reason.GENERATION_FAILED, "The provider returned audio without timing; retry, or use another provider."
            )
        timing = StreamTiming()
        timing.add(reply.alignment)
        # Without a known length, nothing is cut.
        seconds = reply.done.duration_seconds or math.inf
        file = await run_off_loop(lambda timed: caption_format.write(timed, seconds), timing.build_alignment())
        headers = {**build_whole_audio_headers(reply), "Content-Type": caption_format.content_type}
        return web.Response(body=file.encode(), headers=headers)


def _choose_format(request: web.Request) -> CaptionFormat:
    """Return the format that the query names, else the one that the Accept header prefers, else the default."""
    if unknown := sorted(request.query.keys() - {_PARAMETER}):
        raise invalid(shorten(unknown[0]), f"is not a parameter of this route, which takes {_PARAMETER}")
    named = request.query.getall(_PARAMETER, [])
    if len(named) > 1:
        raise invalid(_PARAMETER, "must be given once")
    if named:
        found = FORMATS.get(named[0])
        if found is None:
            raise invalid(_PARAMETER, f"must be one of {', '.join(FORMATS)}")
        return found
    # max() returns the first of equal items, so that the order of FORMATS decides a tie.
    weights = dict(_parse_accept(request.headers.getall("Accept", [])))
    return max(FORMATS.values(), key=lambda item: max(weights.get(kind, 0.0) for kind in item.media_types))


def _parse_accept(headers: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Yield each media type of the Accept headers with its weight; 0 if the weight is malformed."""
    for item in ",".join(headers).split(","):
        kind, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        yield kind, float(quality) if quality.replace(".", "", 1).isdecimal() else 0.0
