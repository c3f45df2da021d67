"""Reads the chunks of audio from a response of ElevenLabs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from services.common.errors import MediaError, Reason
from services.common.providers import ProviderResponse
from services.common.timing.alignment import join_alignments
from services.tts.providers.elevenlabs.json_framing import LineFramer, RecordFramer, WholeBodyFramer
from services.tts.providers.elevenlabs.payload import RecordReader
from services.tts.providers.elevenlabs.request import Endpoint
from services.tts.providers.interface import AudioChunk

_RECORDS: dict[Endpoint, Callable[[], RecordFramer]] = {
    Endpoint.WHOLE_WITH_TIMESTAMPS: WholeBodyFramer,
    Endpoint.STREAM_WITH_TIMESTAMPS: LineFramer,
}
_JSON_SUBTYPES = ("json", "ndjson", "jsonl")


def read_chunks(response: ProviderResponse, endpoint: Endpoint) -> AsyncIterator[AudioChunk]:
    """Return the audio of a successful response.

    Raises:
        MediaError: GENERATION_FAILED, the content type is not audio.
    """
    records = _RECORDS.get(endpoint)
    _check_content_type(response, may_be_json=records is not None)
    return PlainAudio(response) if records is None else TimedAudio(response, records())


# Iterators instead of generators: a reader may drop them at any time without closing them.
class PlainAudio(AsyncIterator[AudioChunk]):
    """Bare audio: every read of the network is one chunk."""

    def __init__(self, response: ProviderResponse) -> None:
        self._response = response
        self._delivered = False

    async def __anext__(self) -> AudioChunk:
        if piece := await self._response.read():
            self._delivered = True
            return AudioChunk(piece)
        if not self._delivered:
            raise _build_no_audio_error()
        raise StopAsyncIteration


class TimedAudio(AsyncIterator[AudioChunk]):
    """Audio with timing: all JSON records that one read of the network completes are one chunk."""

    def __init__(self, response: ProviderResponse, records: RecordFramer) -> None:
        self._response = response
        self._records = records
        self._reader = RecordReader()
        self._failure: MediaError | None = None
        self._delivered = False
        self._ended = False

    async def __anext__(self) -> AudioChunk:
        while not self._ended and self._failure is None:
            piece = await self._response.read()
            self._ended = not piece
            chunk = self._merge(self._records.feed(piece) if piece else self._records.end())
            if chunk.audio or chunk.alignment is not None:
                self._delivered = self._delivered or bool(chunk.audio)
                return chunk
        if self._failure is not None:
            raise self._failure
        if not self._delivered:
            raise _build_no_audio_error()
        raise StopAsyncIteration

    def _merge(self, records: list[bytes]) -> AudioChunk:
        """Return the records as one chunk; records before a malformed one are still delivered."""
        chunks: list[AudioChunk] = []
        try:
            chunks.extend(map(self._reader.read, records))
        except MediaError as failure:
            self._failure = failure
        if len(chunks) == 1:
            return chunks[0]
        timing = [chunk.alignment for chunk in chunks if chunk.alignment is not None]
        return AudioChunk(b"".join([chunk.audio for chunk in chunks]), join_alignments(timing) if timing else None)


def _check_content_type(response: ProviderResponse, *, may_be_json: bool) -> None:
    main, _, subtype = response.content_type.partition("/")
    usable = main == "audio" or subtype in ("octet-stream", "ogg") or (may_be_json and _is_json(subtype))
    if not usable or response.headers.get("content-encoding", "identity") != "identity":
        raise MediaError(
            Reason.GENERATION_FAILED, "ElevenLabs sent a response that is not audio; check ELEVENLABS_BASE_URL."
        )


def _is_json(subtype: str) -> bool:
    return subtype.removeprefix("x-") in _JSON_SUBTYPES


def _build_no_audio_error() -> MediaError:
    return MediaError(
        Reason.GENERATION_FAILED, "ElevenLabs accepted the text but delivered no audio; try another text."
    )
