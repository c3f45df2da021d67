"""The store of generated speech: each audio is an object, with a record that its owner finds and lists."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from services.common.errors import MediaError, Reason
from services.common.records import BufferedRecords, OldFolder, Record, RecordKey
from services.common.records.catalog import Catalog
from services.common.storage import OWNER, ObjectSpec, ObjectStore
from services.common.storage.keys import new_dated_key
from services.common.timing.alignment import Alignment
from services.tts.events import AudioUrl, Done, Header, StoredAudio

FOLDER = "audio"
KIND = "audio"
_EXTENSIONS = {"mp3": "mp3", "pcm": "pcm", "wav": "wav", "opus": "opus", "ulaw": "ulaw", "alaw": "alaw"}
_NO_TIMING = Alignment((), (), ())


def create_audio_id() -> str:
    """Return a new unique id."""
    return str(uuid.uuid4())


class AudioStore:
    """Stores audio, each with a record for its owner.

    The audio is at audio/<year>/<month>/<id>.<extension>. Its record is in the database: it contains the text, as the
    characters of the timing, and a bucket may be public.

    Args:
        store: The object store for audio.
        records: The records.
    """

    def __init__(self, store: ObjectStore, records: BufferedRecords) -> None:
        self._store = store
        self._catalog = Catalog(KIND, records, store)

    def check_room(self) -> None:
        """Raise if audio cannot be stored; call this before a provider is paid.

        Raises:
            MediaError: UNAVAILABLE.
        """
        self._catalog.records.check_room()

    async def save(
        self, audio_id: str, principal: str, audio: bytes, alignment: Alignment, header: Header, done: Done
    ) -> StoredAudio:
        """Store audio, then its record.

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
        record = await asyncio.to_thread(_to_record, stored, principal)
        metadata = {OWNER: principal, "audio_id": audio_id}
        await self._store.put(stored.key, audio, ObjectSpec(stored.content_type, metadata))
        await self._catalog.records.save(record)
        return stored

    async def find(self, audio_id: str, principal: str) -> StoredAudio:
        """Return the record of an audio that `principal` owns.

        Raises:
            MediaError: NOT_FOUND, STORAGE_FAILED, UNAVAILABLE.
        """
        record = await self._catalog.find(principal, audio_id)
        if record is None:
            raise _build_not_found_error()
        return await asyncio.to_thread(_from_record, record)

    async def list_page(self, principal: str, page_size: int, page_token: str) -> tuple[Sequence[StoredAudio], str]:
        """Return a page of the audio of `principal`, newest first and without timing, and the token of the next.

        Raises:
            MediaError: VALIDATION_ERROR, the token is not one of this list; UNAVAILABLE.
        """
        page = await self._catalog.list_page(principal, page_size, page_token)
        return [_from_record(record) for record in page.records], page.next_page_token

    async def build_urls(self, stored: Sequence[StoredAudio]) -> Sequence[AudioUrl]:
        """Return a new URL of each audio.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        urls = await self._catalog.build_urls([item.key for item in stored])
        return [AudioUrl(item.url, item.expires_at) for item in urls]

    async def build_url(self, stored: StoredAudio) -> AudioUrl:
        """Return a new URL of stored audio."""
        return (await self.build_urls([stored]))[0]

    async def delete(self, audio_id: str, principal: str) -> None:
        """Delete an audio that `principal` owns, and its record.

        Raises:
            MediaError: NOT_FOUND, STORAGE_FAILED, UNAVAILABLE.
        """
        record = await self._catalog.records.get(RecordKey(principal, KIND, audio_id))
        if record is None:
            raise _build_not_found_error()
        # Delete the record last: if the first step fails, the caller can still find and delete the audio.
        await self._store.delete(record.object_key)
        await self._catalog.delete_record(principal, audio_id)


def _to_record(stored: StoredAudio, principal: str) -> Record:
    alignment = {
        "characters": stored.alignment.characters,
        "character_start_times_seconds": stored.alignment.starts_seconds,
        "character_end_times_seconds": stored.alignment.ends_seconds,
    }
    document = {
        "contentType": stored.content_type,
        "sizeBytes": stored.size_bytes,
        "durationSeconds": stored.duration_seconds,
        "sha256": stored.sha256,
        "metadata": {
            "modelId": stored.model_id,
            "voiceId": stored.voice_id,
            "voiceName": stored.voice_name,
            "provider": stored.provider,
            "outputFormat": stored.output_format,
        },
    }
    return Record(
        principal, KIND, stored.audio_id, stored.stored_at, stored.key, document, attachment=orjson.dumps(alignment)
    )


def _from_record(record: Record) -> StoredAudio:
    fields = record.document
    metadata = fields["metadata"]
    return StoredAudio(
        audio_id=record.id,
        key=record.object_key,
        content_type=fields["contentType"],
        size_bytes=fields["sizeBytes"],
        duration_seconds=fields["durationSeconds"],
        sha256=fields["sha256"],
        alignment=_from_attachment(record.attachment),
        model_id=metadata["modelId"],
        voice_id=metadata["voiceId"],
        voice_name=metadata["voiceName"],
        provider=metadata["provider"],
        output_format=metadata["outputFormat"],
        stored_at=record.created_at,
    )


def _from_attachment(attachment: bytes) -> Alignment:
    if not attachment:
        return _NO_TIMING
    timing: Mapping[str, Any] = orjson.loads(attachment)
    return Alignment(
        tuple(timing["characters"]),
        tuple(timing["character_start_times_seconds"]),
        tuple(timing["character_end_times_seconds"]),
    )


def _convert_file(key: RecordKey, data: bytes, _written_at: datetime) -> Sequence[Record]:
    """Convert the record of an earlier version."""
    fields: dict[str, Any] = orjson.loads(data)
    timing, metadata = fields["alignment"], fields["metadata"]
    stored_at = datetime.fromisoformat(metadata["timestamp"])
    document = {name: fields[name] for name in ("contentType", "sizeBytes", "durationSeconds", "sha256")}
    document["metadata"] = {name: metadata[name] for name in metadata if name != "timestamp"}
    record = Record(key.owner, key.kind, key.id, stored_at, fields["key"], document, attachment=orjson.dumps(timing))
    # Before the file is deleted, be sure that the record can be read.
    _from_record(record)
    return [record]


OLD_FOLDERS: Mapping[str, OldFolder] = {KIND: OldFolder(FOLDER, _convert_file)}
"""The records of earlier versions that this service moves into the database."""


def _build_not_found_error() -> MediaError:
    return MediaError(Reason.NOT_FOUND, "You have no stored audio with this id; check the id.")
