"""From stored audio to the contract's message."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from media.common.v1 import alignment_pb2
from media.tts.v1 import tts_pb2

from services.tts.audio_store import AudioUrl, StoredAudio


def to_stored_audio(stored: StoredAudio, address: AudioUrl, *, with_alignment: bool = False) -> tts_pb2.StoredAudio:
    """Return the message of `stored`, to be heard at `address`."""
    message = tts_pb2.StoredAudio(
        id=stored.audio_id,
        key=stored.key,
        url=address.url,
        url_expire_time=None if address.expires_at is None else _timestamp(address.expires_at),
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
            timestamp=_timestamp(stored.stored_at),
        ),
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


def _timestamp(time: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(time)
    return timestamp
