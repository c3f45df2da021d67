"""Conversions between the protobuf messages of media.tts.v1 and the service's own types."""

from __future__ import annotations

from collections.abc import Iterator

from media.common.v1 import alignment_pb2
from media.tts.v1 import tts_pb2

from services.common.errors import invalid
from services.common.rpc.converters import CACHE_STATUSES, to_timestamp
from services.common.timing.alignment import Alignment, check_times
from services.common.timing.raw import from_raw, to_raw
from services.tts.events import AudioUrl, Done, Header, StoredAudio
from services.tts.planning import SpeechRequest
from services.tts.providers.interface import AudioChunk, Capabilities, Voice, VoiceSettings
from services.tts.size_limits import MAX_CHUNK_BYTES

_VOICE_TYPES = {
    "custom": tts_pb2.VOICE_TYPE_CUSTOM,
    "standard": tts_pb2.VOICE_TYPE_STANDARD,
    "account": tts_pb2.VOICE_TYPE_ACCOUNT,
    "embedded": tts_pb2.VOICE_TYPE_EMBEDDED,
}

_QUALITIES = {
    tts_pb2.AUDIO_QUALITY_LOW: "low",
    tts_pb2.AUDIO_QUALITY_MEDIUM: "medium",
    tts_pb2.AUDIO_QUALITY_HIGH: "high",
}


def from_synthesize_request(
    request: tts_pb2.SynthesizeRequest | tts_pb2.SynthesizeStreamRequest, *, streamed: bool
) -> SpeechRequest:
    """Return the request as a `SpeechRequest`; unset optional fields become None."""

    def has_field(field: str) -> bool:
        return request.HasField(field)

    return SpeechRequest(
        text=request.text,
        voice=request.voice,
        provider=request.provider,
        allow_fallback=request.allow_fallback,
        model_id=request.model_id,
        output_format=request.output_format,
        quality=_QUALITIES.get(request.quality, ""),
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
        # Audio is stored with its timing, even if the response has none.
        include_alignment=request.include_alignment or request.store,
        use_cache=request.use_cache if has_field("use_cache") else True,
        streamed=streamed,
    )


def to_stream_responses(event: Header | AudioChunk) -> Iterator[tts_pb2.SynthesizeStreamResponse]:
    """Yield the messages for one event of a stream: one, or several of at most MAX_CHUNK_BYTES of audio.

    The timing is in the last message, because its characters end in that part of the audio.
    """
    if isinstance(event, Header):
        yield tts_pb2.SynthesizeStreamResponse(header=to_speech_header(event))
        return
    for start in range(0, max(1, len(event.audio)), MAX_CHUNK_BYTES):
        # Fill the message in place: protobuf copies a submessage that is passed to the constructor.
        response = tts_pb2.SynthesizeStreamResponse(chunk={})
        response.chunk.audio = event.audio[start : start + MAX_CHUNK_BYTES]
        if event.alignment is not None and start + MAX_CHUNK_BYTES >= len(event.audio):
            extend_alignment(response.chunk.alignment, event.alignment)
        yield response


def to_speech_header(event: Header) -> tts_pb2.SpeechHeader:
    """Return the message that comes before the audio."""
    spec = event.spec
    return tts_pb2.SpeechHeader(
        content_type=spec.output_format.content_type,
        output_format=spec.output_format.name,
        sample_rate_hz=spec.output_format.sample_rate_hz,
        voice_id=spec.voice.voice_id,
        voice_name=spec.voice.name,
        provider=event.provider,
        model_id=spec.model_id,
        cache_status=CACHE_STATUSES[event.cache_status],
        provider_request_id=event.provider_request_id,
        ignored_fields=event.ignored_fields,
        queued_seconds=event.queued_seconds,
        stored_audio_id=event.stored_audio_id,
    )


def to_speech_done(event: Done) -> tts_pb2.SpeechDone:
    """Return the message that follows the audio; the caller adds where the audio is stored."""
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


def convert_alignment(request: tts_pb2.ConvertAlignmentRequest) -> tts_pb2.ConvertAlignmentResponse:
    """Return the timing of a request in its other form.

    Raises:
        MediaError: VALIDATION_ERROR, the lists differ in length, or a time is not finite or out of order.
    """
    form = request.WhichOneof("form") or "alignment"
    try:
        alignment = _read_raw(request.raw) if form == "raw" else _read_alignment(request.alignment)
        check_times(alignment)
    except ValueError as error:
        raise invalid(form, str(error)) from None
    response = tts_pb2.ConvertAlignmentResponse()
    if form == "raw":
        response.alignment.SetInParent()
        extend_alignment(response.alignment, alignment)
    else:
        response.raw.SetInParent()
        response.raw.characters.extend(
            alignment_pb2.TimedCharacter(**entry) for entry in to_raw(alignment)["characters"]
        )
    return response


def _read_raw(raw: alignment_pb2.RawAlignment) -> Alignment:
    return from_raw(
        {"characters": [{"char": item.char, "start": item.start, "end": item.end} for item in raw.characters]}
    )


def _read_alignment(message: alignment_pb2.Alignment) -> Alignment:
    return Alignment(
        tuple(message.characters),
        tuple(message.character_start_times_seconds),
        tuple(message.character_end_times_seconds),
    )


def extend_alignment(message: alignment_pb2.Alignment, alignment: Alignment) -> None:
    """Append the timing of further characters to `message`."""
    message.characters.extend(alignment.characters)
    message.character_start_times_seconds.extend(alignment.starts_seconds)
    message.character_end_times_seconds.extend(alignment.ends_seconds)
    message.SetInParent()


def to_speech_models(name: str, capabilities: Capabilities) -> list[tts_pb2.SpeechModel]:
    """Return the messages for the models of the provider `name`."""
    return [
        tts_pb2.SpeechModel(
            provider=name,
            model_id=model.model_id,
            is_default=model.model_id == capabilities.default_model_id,
            max_text_characters=model.traits["max_text_characters"],
            ignored_fields=model.traits.get("ignores", ()),
            end_date=model.end_date,
            successor=model.successor,
        )
        for model in capabilities.models.values()
    ]


def to_voice(voice: Voice) -> tts_pb2.Voice:
    """Return the message of a voice."""
    return tts_pb2.Voice(
        voice_id=voice.voice_id,
        name=voice.name,
        provider=voice.provider,
        type=_VOICE_TYPES[voice.type],
        language_codes=voice.language_codes,
        labels=voice.labels,
        preview_url=voice.preview_url,
    )


def to_stored_audio(stored: StoredAudio, address: AudioUrl, *, with_alignment: bool = False) -> tts_pb2.StoredAudio:
    """Return the message of `stored`, with the URL of `address`."""
    message = tts_pb2.StoredAudio(
        id=stored.audio_id,
        key=stored.key,
        url=address.url,
        url_expire_time=None if address.expires_at is None else to_timestamp(address.expires_at),
        content_type=stored.content_type,
        size_bytes=stored.size_bytes,
        duration_seconds=stored.duration_seconds,
        sha256=stored.sha256,
        metadata=tts_pb2.StoredAudioMetadata(
            model_id=stored.model_id,
            voice_id=stored.voice_id,
            voice_name=stored.voice_name,
            provider=stored.provider,
            output_format=stored.output_format,
            timestamp=to_timestamp(stored.stored_at),
        ),
        create_time=to_timestamp(stored.stored_at),
    )
    if with_alignment:
        message.alignment.CopyFrom(
            alignment_pb2.Alignment(
                characters=stored.alignment.characters,
                character_start_times_seconds=stored.alignment.starts_seconds,
                character_end_times_seconds=stored.alignment.ends_seconds,
            )
        )
    return message
