"""The gRPC servicer of the text-to-speech service."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import TypeVar

import grpc
from media.tts.v1 import tts_pb2, tts_pb2_grpc

from services.common.errors import MediaError, Reason, invalid
from services.common.rpc.metadata import MAX_RESPONSE_BYTES, get_max_response_bytes, get_principal
from services.tts.accounting import Accounting
from services.tts.audio_store import AudioStore
from services.tts.converters import (
    convert_alignment,
    extend_alignment,
    from_synthesize_request,
    to_speech_done,
    to_speech_header,
    to_speech_models,
    to_stored_audio,
    to_stream_responses,
    to_voice,
)
from services.tts.events import Done, Header, Plan, SpeechEvent
from services.tts.planning import Planner
from services.tts.providers.interface import AudioChunk, SpeechProvider
from services.tts.size_limits import ALIGNMENT_BYTES_PER_CHARACTER, check_estimated_size
from services.tts.storage_tee import StorageTee
from services.tts.synthesis import Synthesizer

SERVICE_NAME = tts_pb2.DESCRIPTOR.services_by_name["TextToSpeechService"].full_name

DEFAULT_PAGE_SIZE = 50
_UNARY_REMEDY = f"use SynthesizeStream or a smaller output_format, or state a larger {MAX_RESPONSE_BYTES}"
T = TypeVar("T")
Request = tts_pb2.SynthesizeRequest | tts_pb2.SynthesizeStreamRequest
Context = grpc.aio.ServicerContext[object, object]


class TextToSpeechServicer(tts_pb2_grpc.TextToSpeechServiceServicer):
    """Implements media.tts.v1.TextToSpeechService."""

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
        self._storage_tee = StorageTee(audio_store, max_unary_bytes)
        self._accounting = accounting
        self._planner = planner
        self._synthesizer = synthesizer
        self._providers = providers
        self._max_unary_bytes = max_unary_bytes

    async def Synthesize(self, request: tts_pb2.SynthesizeRequest, context: Context) -> tts_pb2.SynthesizeResponse:
        """Return the whole speech in one message."""
        response = tts_pb2.SynthesizeResponse()
        max_bytes = get_max_response_bytes(context)
        audio: list[bytes] = []
        collected_bytes = 0
        async with aclosing(await self._open_events(request, context, streamed=False)) as events:
            async for event in events:
                match event:
                    case Header():
                        response.header.CopyFrom(to_speech_header(event))
                    case AudioChunk():
                        audio.append(event.audio)
                        collected_bytes += len(event.audio)
                        _check_size(collected_bytes, min(self._max_unary_bytes, max_bytes))
                        if event.alignment is not None:
                            extend_alignment(response.alignment, event.alignment)
                    case Done():
                        response.done.CopyFrom(await self._to_speech_done(event))
        response.audio = b"".join(audio)
        _check_size(response.ByteSize(), max_bytes)
        return response

    async def SynthesizeStream(
        self, request: tts_pb2.SynthesizeStreamRequest, context: Context
    ) -> AsyncIterator[tts_pb2.SynthesizeStreamResponse]:
        """Send each event as soon as it arrives, one message per provider read."""
        async with aclosing(await self._open_events(request, context, streamed=True)) as events:
            async for event in events:
                if isinstance(event, Done):
                    yield tts_pb2.SynthesizeStreamResponse(done=await self._to_speech_done(event))
                else:
                    for response in to_stream_responses(event):
                        yield response

    async def CheckSpeech(self, request: tts_pb2.CheckSpeechRequest, context: Context) -> tts_pb2.CheckSpeechResponse:
        """Return what would speak the text."""
        speech_request = from_synthesize_request(request.request, streamed=True)
        await self._planner.learn_voice(speech_request.provider, speech_request.voice)
        plan = self._planner.check(speech_request)
        self._check_room(plan, request.request)
        await plan.provider.check_voice(plan.spec.voice)
        return tts_pb2.CheckSpeechResponse(
            provider=plan.provider.name, model_id=plan.spec.model_id, voice=to_voice(plan.spec.voice)
        )

    async def ConvertAlignment(
        self, request: tts_pb2.ConvertAlignmentRequest, context: Context
    ) -> tts_pb2.ConvertAlignmentResponse:
        """Return timing in its other form."""
        return convert_alignment(request)

    async def ListVoices(self, request: tts_pb2.ListVoicesRequest, context: Context) -> tts_pb2.ListVoicesResponse:
        """Return one page of the voices, provider by provider."""
        chosen = [self._planner.find_provider(request.provider)] if request.provider else self._providers.values()
        voices = [voice for provider in chosen for voice in await provider.list_voices()]
        shown, next_page_token = build_page(voices, request.page_size, request.page_token, request.provider)
        return tts_pb2.ListVoicesResponse(voices=[to_voice(voice) for voice in shown], next_page_token=next_page_token)

    async def ListSpeechModels(
        self, request: tts_pb2.ListSpeechModelsRequest, context: Context
    ) -> tts_pb2.ListSpeechModelsResponse:
        """Return the known models of all providers."""
        return tts_pb2.ListSpeechModelsResponse(
            models=[
                model
                for name, provider in self._providers.items()
                for model in to_speech_models(name, provider.capabilities)
            ]
        )

    async def GetVoice(self, request: tts_pb2.GetVoiceRequest, context: Context) -> tts_pb2.GetVoiceResponse:
        """Return a voice as Synthesize would find it."""
        await self._planner.learn_voice(request.provider, request.voice)
        provider = self._planner.find_provider(request.provider)
        return tts_pb2.GetVoiceResponse(voice=to_voice(self._planner.find_voice(request.voice, provider)))

    async def GetStoredAudio(
        self, request: tts_pb2.GetStoredAudioRequest, context: Context
    ) -> tts_pb2.GetStoredAudioResponse:
        """Return the record of stored audio that the caller owns, with a new URL."""
        stored = await self._audio_store.find(request.id, get_principal(context))
        return tts_pb2.GetStoredAudioResponse(
            stored_audio=to_stored_audio(stored, await self._audio_store.build_url(stored), with_alignment=True)
        )

    async def ListStoredAudio(
        self, request: tts_pb2.ListStoredAudioRequest, context: Context
    ) -> tts_pb2.ListStoredAudioResponse:
        """Return a page of the caller's stored audio, newest first, without timing."""
        stored, token = await self._audio_store.list_page(get_principal(context), request.page_size, request.page_token)
        urls = await self._audio_store.build_urls(stored)
        return tts_pb2.ListStoredAudioResponse(
            stored_audio=[to_stored_audio(item, url) for item, url in zip(stored, urls, strict=True)],
            next_page_token=token,
        )

    async def DeleteStoredAudio(
        self, request: tts_pb2.DeleteStoredAudioRequest, context: Context
    ) -> tts_pb2.DeleteStoredAudioResponse:
        """Delete stored audio that the caller owns."""
        await self._audio_store.delete(request.id, get_principal(context))
        return tts_pb2.DeleteStoredAudioResponse()

    async def _open_events(
        self, request: Request, context: Context, *, streamed: bool
    ) -> AsyncGenerator[SpeechEvent, None]:
        speech_request = from_synthesize_request(request, streamed=streamed)
        await self._planner.learn_voice(speech_request.provider, speech_request.voice)
        plan = self._planner.plan(speech_request)
        self._check_room(plan, request)
        if not streamed:
            timing_bytes = ALIGNMENT_BYTES_PER_CHARACTER * len(request.text) if request.include_alignment else 0
            max_bytes = min(self._max_unary_bytes, get_max_response_bytes(context) - timing_bytes)
            check_estimated_size(plan, max_bytes, _UNARY_REMEDY)
        principal = get_principal(context)
        # Accounting comes first: a cost is recorded even if the audio cannot be stored.
        events = self._accounting.watch(self._synthesizer.stream(plan), principal, request.text)
        if not request.store:
            return events
        return self._storage_tee.store_stream(events, principal, include_alignment=request.include_alignment)

    def _check_room(self, plan: Plan, request: Request) -> None:
        """Raise if the audio is to be stored and cannot be."""
        if request.store:
            self._audio_store.check_room()
            check_estimated_size(plan, self._max_unary_bytes, "use a smaller output_format, or do not store it")

    async def _to_speech_done(self, done: Done) -> tts_pb2.SpeechDone:
        message = to_speech_done(done)
        if done.stored is not None:
            message.stored_audio.CopyFrom(to_stored_audio(done.stored, await self._audio_store.build_url(done.stored)))
        return message


def _check_size(size_bytes: int, max_bytes: int) -> None:
    if size_bytes > max_bytes:
        raise MediaError(
            Reason.OUTPUT_TOO_LARGE,
            f"The response exceeds {max_bytes} bytes; {_UNARY_REMEDY}.",
            metadata={"max_bytes": str(max_bytes)},
        )


def build_page(items: Sequence[T], page_size: int, page_token: str, filters: str) -> tuple[Sequence[T], str]:
    """Return one page of `items` and the token of the next, empty on the last.

    Args:
        items: The whole list, in an order that does not change.
        page_size: Items per page; 0 for the default of 50.
        page_token: Token of this page; empty for the first.
        filters: The other parameters of the request; a token is valid for the same filters only.

    Raises:
        MediaError: VALIDATION_ERROR, the token does not belong to these filters.
    """
    start = _parse_page_token(page_token, filters)
    end = start + (page_size or DEFAULT_PAGE_SIZE)
    return items[start:end], _build_page_token(end, filters) if end < len(items) else ""


def _parse_page_token(token: str, filters: str) -> int:
    if not token:
        return 0
    try:
        padded = token + "=" * (-len(token) % 4)
        start = int(base64.urlsafe_b64decode(padded).decode().partition(".")[0])
    except (binascii.Error, ValueError):
        start = -1
    if start < 0 or _build_page_token(start, filters) != token:
        raise invalid("page_token", "must be the next_page_token of a request with the same filters")
    return start


def _build_page_token(start: int, filters: str) -> str:
    digest = hashlib.sha256(filters.encode()).hexdigest()[:12]
    return base64.urlsafe_b64encode(f"{start}.{digest}".encode()).decode().rstrip("=")
