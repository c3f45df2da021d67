"""The store of generated speech: each audio is an object, with a record under the prefix of its owner."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import orjson

from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.common.storage import OWNER, ObjectSpec, ObjectStore, read_all
from services.common.storage.keys import build_record_key, new_dated_key
from services.common.timing.alignment import Alignment
from services.tts.events import AudioUrl, Done, Header, StoredAudio

log = logger(__name__)

FOLDER = "audio"
_RECORD_TYPE = "application/json"
_PRIVATE = "private, no-store"
_MAX_RECORD_BYTES = 64 * 1024 * 1024
_EXTENSIONS = {"mp3": "mp3", "pcm": "pcm", "wav": "wav", "opus": "opus", "ulaw": "ulaw", "alaw": "alaw"}


def create_audio_id() -> str:
    """Return a new unique id."""
    return str(uuid.uuid4())


class AudioStore:
    """Stores audio, each with a record for its owner.

    The audio is at audio/<year>/<month>/<id>.<extension>. Its record is at records/audio/<owner>/<id>.json, so that a
    record is found by its id without a search, and by its owner only.

    Args:
        store: The object store for audio and records.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def save(
        self, audio_id: str, principal: str, audio: bytes, alignment: Alignment, header: Header, done: Done
    ) -> StoredAudio:
        """Store audio and its record; if one of them fails, store nothing.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        now = datetime.now(UTC)
        form = header.spec.output_format
        stored = StoredAudio(
            audio_id=audio_id,
            key=new_dated_key(FOLDER, audio_id, _EXTENSIONS[form.family], now),
            content_type=form.content_type,
            size_bytes=len(audio),
            duration_seconds=done.duration_seconds,
            sha256=done.sha256,
            alignment=alignment,
            model_id=header.spec.model_id,
            voice_id=header.spec.voice.voice_id,
            voice_name=header.spec.voice.name,
            provider=header.provider,
            output_format=form.name,
            stored_at=now,
        )
        record = await asyncio.to_thread(_to_record, stored)
        metadata = {OWNER: principal, "audio_id": audio_id}
        await self._store.put(stored.key, audio, ObjectSpec(stored.content_type, metadata))
        try:
            spec = ObjectSpec(_RECORD_TYPE, {OWNER: principal}, _PRIVATE)
            await self._store.put(build_record_key(FOLDER, principal, audio_id), record, spec)
        except BaseException:
            # Without its record the audio could never be found or deleted.
            await asyncio.shield(self._delete_orphan(stored.key))
            raise
        return stored

    async def find(self, audio_id: str, principal: str) -> StoredAudio:
        """Return the record of an audio that `principal` owns.

        Raises:
            MediaError: NOT_FOUND, STORAGE_FAILED.
        """
        try:
            record, _ = await read_all(
                self._store, build_record_key(FOLDER, principal, audio_id), max_bytes=_MAX_RECORD_BYTES
            )
        except MediaError as error:
            raise _build_not_found_error() if error.reason is Reason.NOT_FOUND else error from None
        return await asyncio.to_thread(_from_record, record)

    async def build_url(self, stored: StoredAudio) -> AudioUrl:
        """Return a new URL of stored audio."""
        address = await self._store.url(stored.key)
        return AudioUrl(address.url, address.expires_at)

    async def delete(self, audio_id: str, principal: str) -> None:
        """Delete an audio that `principal` owns, and its record.

        Raises:
            MediaError: NOT_FOUND, STORAGE_FAILED.
        """
        stored = await self.find(audio_id, principal)
        # Delete the record last: if the first step fails, the caller can still find and delete the audio.
        await self._store.delete(stored.key)
        await self._store.delete(build_record_key(FOLDER, principal, audio_id))

    async def _delete_orphan(self, key: str) -> None:
        try:
            await self._store.delete(key)
        except MediaError as error:
            log.warning("audio remains in the store without its record", key=key, reason=error.reason.name)


def _to_record(stored: StoredAudio) -> bytes:
    return orjson.dumps(
        {
            "id": stored.audio_id,
            "key": stored.key,
            "contentType": stored.content_type,
            "sizeBytes": stored.size_bytes,
            "durationSeconds": stored.duration_seconds,
            "sha256": stored.sha256,
            "alignment": {
                "characters": list(stored.alignment.characters),
                "character_start_times_seconds": list(stored.alignment.starts_seconds),
                "character_end_times_seconds": list(stored.alignment.ends_seconds),
            },
            "metadata": {
                "modelId": stored.model_id,
                "voiceId": stored.voice_id,
                "voiceName": stored.voice_name,
                "provider": stored.provider,
                "outputFormat": stored.output_format,
                "timestamp": stored.stored_at.isoformat(),
            },
        }
    )


def _from_record(record: bytes) -> StoredAudio:
    fields: dict[str, Any] = orjson.loads(record)
    timing, metadata = fields["alignment"], fields["metadata"]
    return StoredAudio(
        audio_id=fields["id"],
        key=fields["key"],
        content_type=fields["contentType"],
        size_bytes=fields["sizeBytes"],
        duration_seconds=fields["durationSeconds"],
        sha256=fields["sha256"],
        alignment=Alignment(
            tuple(timing["characters"]),
            tuple(timing["character_start_times_seconds"]),
            tuple(timing["character_end_times_seconds"]),
        ),
        model_id=metadata["modelId"],
        voice_id=metadata["voiceId"],
        voice_name=metadata["voiceName"],
        provider=metadata["provider"],
        output_format=metadata["outputFormat"],
        stored_at=datetime.fromisoformat(metadata["timestamp"]),
    )


def _build_not_found_error() -> MediaError:
    return MediaError(Reason.NOT_FOUND, "You have no stored audio with this id; check the id.")
