"""The embedded speech provider, which speaks with espeak-ng."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from services.common.errors import MediaError, Reason, invalid
from services.common.log import logger
from services.common.text.directions import Kind, find_directions
from services.common.text.mapping import MappedText, map_parts
from services.common.text.normalization import fold_for_speech, list_folded_parts
from services.common.timing.alignment import Alignment
from services.common.timing.mapping import AlignmentMapper
from services.tts.providers.espeak import voices
from services.tts.providers.espeak.encoding import FAMILIES
from services.tts.providers.espeak.engine_process import EngineProcess, EspeakSettings
from services.tts.providers.espeak.protocol import (
    AudioFrame,
    DoneFrame,
    FailedFrame,
    Frame,
    ProtocolError,
    SpeakRequest,
    encode_request,
    read_frame,
)
from services.tts.providers.interface import AudioChunk, Capabilities, SpeechProvider, SpeechSpec, SpeechStream, Voice

log = logger(__name__)

_WORDS_PER_MINUTE = 175
"""Tempo of the engine's voices at speed 1."""

MAX_PAUSES_SECONDS = 120.0
"""Longest time that all pauses of one text take together."""

_MESSAGES = {
    "silent": "Nothing in the text can be spoken by this voice; change the text, the voice or the language.",
}
_CRASHED = "The embedded speech engine failed on this request; try again, or use another provider."


class EspeakProvider(SpeechProvider):
    """Speech provider without network, key or cost; open it with `open_espeak`.

    Args:
        engine: The engine process; the provider closes it.
    """

    name = voices.PROVIDER
    capabilities = Capabilities(families=FAMILIES)

    def __init__(self, engine: EngineProcess) -> None:
        self._engine = engine

    @asynccontextmanager
    async def synthesize(self, spec: SpeechSpec, *, with_alignment: bool) -> AsyncIterator[SpeechStream]:
        """Open the speech of `spec`; leaving the context ends the engine's work within milliseconds.

        Raises:
            MediaError: VALIDATION_ERROR for a language or format that the engine lacks, VOICE_NOT_FOUND,
                GENERATION_FAILED if the text gives no audio or the engine fails on it, PROVIDER_UNAVAILABLE
                without an engine, PROVIDER_TIMEOUT if it does not answer.
        """
        spoken, pauses = build_engine_text(spec.text)
        request = _build_request(spec, spoken.text, pauses, with_alignment=with_alignment)
        connection: _Connection | None = None
        try:
            connection = _Connection(await self._engine.connect())
            first = await self._send(connection, request)
            if first is None and not await self._engine.is_accepting():
                # The process died before it sent anything, so send the request to its successor.
                connection.close()
                connection = _Connection(await self._engine.connect())
                first = await self._send(connection, request)
            yield SpeechStream(
                chunks=_Chunks(connection, _to_audio(first), spoken),
                cost_units=0,
                ignored_fields=get_ignored_fields(spec),
            )
        finally:
            if connection is not None:
                connection.close()

    async def _send(self, connection: _Connection, request: SpeakRequest) -> Frame | None:
        """Send a request and return the first frame; a frozen engine accepts connections, and never answers."""
        seconds = self._engine.answer_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                return await connection.send_request(request)
        except TimeoutError:
            raise MediaError(
                Reason.PROVIDER_TIMEOUT,
                f"The embedded speech engine sent nothing for {seconds:g} s; retry, or use another provider.",
            ) from None

    def list_directions(self, model_id: str) -> frozenset[Kind]:
        """Return the kinds of directions that the engine follows."""
        return frozenset({Kind.BREAK})

    def resolve(self, voice: str) -> Voice | None:
        """Return the voice of this name (in any case) or id, its ElevenLabs id included, or None."""
        return voices.resolve(voice)

    async def list_voices(self) -> list[Voice]:
        """Return the named voices, then one for each language."""
        return list(voices.VOICES)

    async def close(self) -> None:
        """Stop the engine process and all its requests."""
        await self._engine.close()


@asynccontextmanager
async def open_espeak(settings: EspeakSettings | None = None) -> AsyncIterator[EspeakProvider]:
    """Open the provider and start its engine; leaving the context stops the engine.

    If the engine is not installed or does not start, this only logs a warning, and each request fails.
    """
    engine = EngineProcess(settings or EspeakSettings())
    try:
        try:
            _, writer = await engine.connect()
            writer.transport.abort()
        except MediaError as error:
            log.warning("embedded speech is unavailable", reason=error.reason.name, remedy=error.message)
        yield EspeakProvider(engine)
    finally:
        await engine.close()


def get_ignored_fields(spec: SpeechSpec) -> tuple[str, ...]:
    """Return the names of the fields that are set and that this engine does not support."""
    settings = spec.settings
    values: dict[str, object] = {
        "model_id": spec.model_id or None,
        "stability": settings.stability,
        "similarity_boost": settings.similarity_boost,
        "style": settings.style,
        "use_speaker_boost": settings.use_speaker_boost,
        "seed": spec.seed,
        "previous_text": spec.previous_text or None,
        "next_text": spec.next_text or None,
        "previous_request_ids": spec.previous_request_ids or None,
        "next_request_ids": spec.next_request_ids or None,
        "apply_text_normalization": spec.apply_text_normalization or None,
    }
    return tuple(name for name, value in values.items() if value is not None)


def build_engine_text(text: str) -> tuple[MappedText, Sequence[tuple[int, float]]]:
    """Return the text that the engine speaks, and its pauses as in `SpeakRequest`.

    All pauses together are at most MAX_PAUSES_SECONDS.
    """
    parts: list[tuple[str, str]] = []
    pauses: list[tuple[int, float]] = []
    position, length, left_seconds = 0, 0, MAX_PAUSES_SECONDS
    for direction in find_directions(text):
        if direction.kind is not Kind.BREAK:
            continue
        folded = list(list_folded_parts(text[position : direction.start]))
        parts += [*folded, (text[direction.start : direction.end], "")]
        length += sum(len(replacement) for _, replacement in folded)
        seconds = min(direction.pause_seconds, left_seconds)
        pauses.append((length, seconds))
        left_seconds -= seconds
        position = direction.end
    if not pauses:
        return fold_for_speech(text), ()
    return map_parts([*parts, *list_folded_parts(text[position:])]), pauses


def _build_request(
    spec: SpeechSpec, text: str, pauses: Sequence[tuple[int, float]], *, with_alignment: bool
) -> SpeakRequest:
    if spec.output_format.family not in FAMILIES:
        raise invalid("output_format", "must be a format of the embedded engine: mp3, pcm or wav")
    timbre = voices.choose_timbre(spec.voice, spec.language_code)
    speed = 1.0 if spec.settings.speed is None else spec.settings.speed
    return SpeakRequest(
        text=text,
        language=timbre.language,
        variant=timbre.variant,
        words_per_minute=round(_WORDS_PER_MINUTE * speed),
        output_format=spec.output_format.name,
        with_alignment=with_alignment,
        pauses=pauses,
    )


class _Connection:
    """The connection of one request; closing it ends the child process."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self._reader, self._writer = streams

    async def send_request(self, request: SpeakRequest) -> Frame | None:
        """Send the request and return the first frame; None if the engine closed the connection before it."""
        try:
            self._writer.write(encode_request(request))
            await self._writer.drain()
        except OSError:
            return None
        return await self.read_frame()

    async def read_frame(self) -> Frame | None:
        """Return the next frame; None if the engine closed the connection before it was complete."""
        try:
            return await read_frame(self._reader)
        except (asyncio.IncompleteReadError, OSError, ProtocolError):
            return None

    def close(self) -> None:
        """Close the connection at once and discard unread frames."""
        self._writer.transport.abort()


class _Chunks(AsyncIterator[AudioChunk]):
    """The audio of one request."""

    def __init__(self, connection: _Connection, first: AudioFrame, spoken: MappedText) -> None:
        self._connection = connection
        self._next: AudioFrame | None = first
        self._spoken = spoken
        self._mapper = AlignmentMapper(spoken)
        self._timed = 0

    async def __anext__(self) -> AudioChunk:
        frame: Frame | None = self._next
        self._next = None
        if frame is None:
            frame = await self._connection.read_frame()
        if isinstance(frame, DoneFrame):
            raise StopAsyncIteration
        return self._to_chunk(_to_audio(frame))

    def _to_chunk(self, frame: AudioFrame) -> AudioChunk:
        count = len(frame.starts_seconds)
        if not count:
            return AudioChunk(frame.audio)
        characters = tuple(self._spoken.text[self._timed : self._timed + count])
        self._timed += count
        timing = Alignment(characters, tuple(frame.starts_seconds), tuple(frame.ends_seconds))
        return AudioChunk(frame.audio, self._mapper.map_piece(timing))


def _to_audio(frame: Frame | None) -> AudioFrame:
    """Return the frame if it is audio; raise GENERATION_FAILED for any other."""
    if isinstance(frame, AudioFrame):
        return frame
    code = frame.code if isinstance(frame, FailedFrame) else "ended"
    log.warning("the embedded speech engine failed on a request", code=code)
    raise MediaError(Reason.GENERATION_FAILED, _MESSAGES.get(code, _CRASHED))
