"""The gRPC face of the text-to-speech service: messages in, domain calls, messages out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing

import grpc
from media.common.v1 import alignment_pb2, cache_pb2
from media.tts.v1 import tts_pb2, tts_pb2_grpc

from services.common.errors import MediaError, Reason
from services.common.rpc.metadata import get_principal
from services.common.timing.alignment import Alignment
from services.tts.accounting import Accounting
from services.tts.audio_store import AudioStore
from services.tts.converters import to_stored_audio
from services.tts.events import CacheStatus, Done, Header, SpeechEvent
from services.tts.pagination import page
from services.tts.planning import Planner, SpeechRequest
from services.tts.providers.interface import AudioChunk, SpeechProvider, Voice, VoiceSettings
from services.tts.storage_tee import StorageTee
from services.tts.synthesis import Synthesizer

SERVICE_NAME = tts_pb2.DESCRIPTOR.services_by_name["TextToSpeechService"].full_name

Request = tts_pb2.SynthesizeRequest | tts_pb2.SynthesizeStreamRequest
Context = grpc.aio.ServicerContext[object, object]

_VOICE_TYPES = {
    "custom": tts_pb2.VOICE_TYPE_CUSTOM,
    "standard": tts_pb2.VOICE_TYPE_STANDARD,
    "account": tts_pb2.VOICE_TYPE_ACCOUNT,
    "embedded": tts_pb2.VOICE_TYPE_EMBEDDED,
}
_CACHE_STATUSES: dict[CacheStatus, cache_pb2.CacheStatus] = {
    "miss": cache_pb2.CACHE_STATUS_MISS,
    "hit": cache_pb2.CACHE_STATUS_HIT,
    "joined": cache_pb2.CACHE_STATUS_JOINED,
    "bypass": cache_pb2.CACHE_STATUS_BYPASS,
}


class TextToSpeechServicer(tts_pb2_grpc.TextToSpeechServiceServicer):
    """Answers media.tts.v1.TextToSpeechService."""

    def __init__(
        self,
        planner: Planner,
        synthesizer: Synthesizer,
        providers: Mapping[str, SpeechProvider],
        accounting: Accounting,
        *,
        max_unary_bytes: int,
        audio_store: AudioStore,
    ) -> None:
        self._audio_store = audio_store
        self._storing = StorageTee(audio_store, max_unary_bytes)
        self._accounting = accounting
        self._planner = planner
        self._synthesizer = synthesizer
        self._providers = providers
        self._max_unary_bytes = max_unary_bytes

    async def Synthesize(self, request: tts_pb2.SynthesizeRequest, context: Context) -> tts_pb2.SynthesizeResponse:
        """Collect the whole stream and returns it in one message."""
        response = tts_pb2.SynthesizeResponse()
        audio: list[bytes] = []
        collected_bytes = 0
        async with aclosing(self._events(request, context, streamed=False)) as events:
            async for event in events:
                match event:
                    case Header():
                        response.header.CopyFrom(_header(event))
                    case AudioChunk():
                        audio.append(event.audio)
                        collected_bytes += len(event.audio)
                        self._refuse_too_large(collected_bytes)
                        if event.alignment is not None:
                            _extend(response.alignment, event.alignment)
                    case Done():
                        response.done.CopyFrom(await self._log_done(event))
        response.audio = b"".join(audio)
        return response

    async def SynthesizeStream(
        self, request: tts_pb2.SynthesizeStreamRequest, context: Context
    ) -> AsyncIterator[tts_pb2.SynthesizeStreamResponse]:
        """Send each event as it comes, one message per provider read."""
        async with aclosing(self._events(request, context, streamed=True)) as events:
            async for event in events:
                if isinstance(event, Done):
                    yield tts_pb2.SynthesizeStreamResponse(done=await self._log_done(event))
                else:
                    yield _response(event)

    async def ListVoices(self, request: tts_pb2.ListVoicesRequest, context: Context) -> tts_pb2.ListVoicesResponse:
        """List what every provider offers, provider by provider."""
        chosen = [self._planner.provider(request.provider)] if request.provider else self._providers.values()
        voices = [voice for provider in chosen for voice in await provider.list_voices()]
        shown, next_page_token = page(voices, request.page_size, request.page_token, request.provider)
        return tts_pb2.ListVoicesResponse(voices=[_voice(voice) for voice in shown], next_page_token=next_page_token)

    async def GetVoice(self, request: tts_pb2.GetVoiceRequest, context: Context) -> tts_pb2.GetVoiceResponse:
        """Find a voice the way Synthesize would."""
        provider = self._planner.provider(request.provider)
        return tts_pb2.GetVoiceResponse(voice=_voice(self._planner.voice(request.voice, provider)))

    async def GetStoredAudio(
        self, request: tts_pb2.GetStoredAudioRequest, context: Context
    ) -> tts_pb2.GetStoredAudioResponse:
        """Find stored audio of the caller's own, and makes it a fresh address."""
        stored = await self._audio_store.find(request.id, get_principal(context))
        return tts_pb2.GetStoredAudioResponse(
            stored_audio=to_stored_audio(stored, await self._audio_store.url(stored), with_alignment=True)
        )

    async def DeleteStoredAudio(
        self, request: tts_pb2.DeleteStoredAudioRequest, context: Context
    ) -> tts_pb2.DeleteStoredAudioResponse:
        """Delete stored audio of the caller's own."""
        await self._audio_store.delete(request.id, get_principal(context))
        return tts_pb2.DeleteStoredAudioResponse()

    def _events(self, request: Request, context: Context, *, streamed: bool) -> AsyncGenerator[SpeechEvent, None]:
        plan = self._planner.plan(_request(request, streamed=streamed))
        principal = get_principal(context)
        # What was paid is recorded even if it cannot be stored.
        events = self._accounting.watch(self._synthesizer.stream(plan), principal, request.text)
        if not request.store:
            return events
        return self._storing.passing(events, principal, tell_alignment=request.include_alignment)

    async def _log_done(self, done: Done) -> tts_pb2.SpeechDone:
        message = _to_speech_done(done)
        if done.stored is not None:
            message.stored_audio.CopyFrom(to_stored_audio(done.stored, await self._audio_store.url(done.stored)))
        return message

    def _refuse_too_large(self, audio_bytes: int) -> None:
        if audio_bytes > self._max_unary_bytes:
            raise MediaError(
                Reason.OUTPUT_TOO_LARGE,
                f"The audio exceeds {self._max_unary_bytes} bytes; use SynthesizeStream or a smaller output_format.",
            )


def _request(request: Request, *, streamed: bool) -> SpeechRequest:
    def has_field(field: str) -> bool:
        return request.HasField(field)

    return SpeechRequest(
        text=request.text,
        voice=request.voice,
        provider=request.provider,
        model_id=request.model_id,
        output_format=request.output_format,
        language_code=request.language_code,
        settings=VoiceSettings(
            stability=request.stability if has_field("stability") else None,
            similarity_boost=request.similarity_boost if has_field("similarity_boost") else None,
            style=request.style if has_field("style") else None,
            speed=request.speed if has_field("speed") else None,
            use_speaker_boost=request.use_speaker_boost if has_field("use_speaker_boost") else None,
        ),
        seed=request.seed if has_field("seed") else None,
        previous_text=request.previous_text,
        next_text=request.next_text,
        previous_request_ids=tuple(request.previous_request_ids),
        next_request_ids=tuple(request.next_request_ids),
        apply_text_normalization=request.apply_text_normalization,
        # Stored audio has its timing, whether or not the caller wants to be told.
        include_alignment=request.include_alignment or request.store,
        use_cache=request.use_cache if has_field("use_cache") else True,
        streamed=streamed,
    )


def _response(event: Header | AudioChunk) -> tts_pb2.SynthesizeStreamResponse:
    match event:
        case AudioChunk():
            # Filled in place: a chunk that is handed over as an argument is copied.
            response = tts_pb2.SynthesizeStreamResponse(chunk={})
            response.chunk.audio = event.audio
            if event.alignment is not None:
                _extend(response.chunk.alignment, event.alignment)
            return response
        case Header():
            return tts_pb2.SynthesizeStreamResponse(header=_header(event))


def _header(event: Header) -> tts_pb2.SpeechHeader:
    spec = event.spec
    return tts_pb2.SpeechHeader(
        content_type=spec.output_format.content_type,
        output_format=spec.output_format.name,
        sample_rate_hz=spec.output_format.sample_rate_hz,
        voice_id=spec.voice.voice_id,
        voice_name=spec.voice.name,
        provider=event.provider,
        model_id=spec.model_id,
        cache_status=_CACHE_STATUSES[event.cache_status],
        provider_request_id=event.provider_request_id,
        ignored_fields=event.ignored_fields,
        queued_seconds=event.queued_seconds,
        stored_audio_id=event.stored_audio_id,
    )


def _to_speech_done(event: Done) -> tts_pb2.SpeechDone:
    return tts_pb2.SpeechDone(
        characters=event.characters,
        audio_bytes=event.audio_bytes,
        duration_seconds=event.duration_seconds,
        sha256=event.sha256,
        provider_cost_units=event.cost_units,
        seams=[
            tts_pb2.SpeechSeam(
                text_offset=seam.text_offset, at_seconds=seam.at_seconds, provider=seam.provider, reason=seam.reason
            )
            for seam in event.seams
        ],
        cached_characters=event.cached_characters,
    )


def _extend(message: alignment_pb2.Alignment, alignment: Alignment) -> None:
    message.characters.extend(alignment.characters)
    message.character_start_times_seconds.extend(alignment.starts_seconds)
    message.character_end_times_seconds.extend(alignment.ends_seconds)
    message.SetInParent()


def _voice(voice: Voice) -> tts_pb2.Voice:
    return tts_pb2.Voice(
        voice_id=voice.voice_id,
        name=voice.name,
        provider=voice.provider,
        type=_VOICE_TYPES[voice.type],
        language_codes=voice.language_codes,
        labels=voice.labels,
        preview_url=voice.preview_url,
    )
