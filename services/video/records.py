"""Records of generations in the object store.

The record of a prediction lets every replica find a video after a restart. The intent of a request id makes sure that a
repeated request pays only once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from services.common.errors import MediaError, Reason, invalid
from services.common.log import logger
from services.common.storage import OWNER, ObjectSpec, ObjectStore, read_all
from services.common.storage.keys import build_record_key
from services.video.probe import MediaFile, StreamInfo
from services.video.video_store import Destination, StoredVideo

log = logger(__name__)

_VIDEOS, _REQUESTS = "videos", "video-requests"
_TYPE, _PRIVATE = "application/json", "private, no-store"
_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class GenerationRecord:
    """A generation that a provider has accepted."""

    prediction_id: str
    """Id at the provider."""
    provider: str
    model: str
    prompt: str
    seconds: int
    """Requested duration."""
    resolution: str
    destination: Destination
    """Where to store the video."""
    video: StoredVideo | None = None
    """The stored video; None until it is stored."""


@dataclass(frozen=True, slots=True)
class Intent:
    """Note that a request id is in use, written before the provider is paid."""

    fingerprint: str
    """SHA-256 of the request: the same id for another request is an error."""
    at: datetime
    """When the request came, in UTC."""
    prediction_id: str = ""
    """Id at the provider; empty until the provider has accepted the request."""


class RecordStore:
    """Reads and writes records and intents.

    Args:
        store: The object store.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def write(self, record: GenerationRecord, principal: str) -> None:
        """Write the record of a generation, replacing an earlier one.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        await self._put(build_record_key(_VIDEOS, principal, record.prediction_id), _record_to_json(record), principal)

    async def find(self, prediction_id: str, principal: str) -> GenerationRecord:
        """Return the record of a generation of `principal`.

        Raises:
            MediaError: NOT_FOUND, STORAGE_FAILED.
        """
        found = await self._get(build_record_key(_VIDEOS, principal, prediction_id))
        if found is None:
            raise invalid("prediction_id", "must be the id of one of your videos", Reason.NOT_FOUND)
        return _record_from_json(found)

    async def add_intent(self, request_id: str, principal: str, intent: Intent) -> Intent | None:
        """Write an intent and return None; return the existing one if the request id is already in use.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        key = build_record_key(_REQUESTS, principal, request_id)
        try:
            await self._put(key, _intent_to_json(intent), principal, overwrite=False)
        except MediaError as error:
            if error.reason is not Reason.ALREADY_EXISTS:
                raise
            found = await self._get(key)
            if found is not None:
                return _intent_from_json(found)
            # Another call has withdrawn it in the meantime.
            return await self.add_intent(request_id, principal, intent)
        return None

    async def find_intent(self, request_id: str, principal: str) -> Intent | None:
        """Return the intent of a request id, or None.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        found = await self._get(build_record_key(_REQUESTS, principal, request_id))
        return None if found is None else _intent_from_json(found)

    async def bind_intent(self, request_id: str, principal: str, intent: Intent, prediction_id: str) -> None:
        """Write the prediction id into an intent.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        bound = replace(intent, prediction_id=prediction_id)
        await self._put(build_record_key(_REQUESTS, principal, request_id), _intent_to_json(bound), principal)

    async def withdraw_intent(self, request_id: str, principal: str) -> None:
        """Delete an intent, so that the request id is free again; a failure is only logged."""
        try:
            await self._store.delete(build_record_key(_REQUESTS, principal, request_id))
        except MediaError as error:
            log.warning("cannot delete the intent of a request", reason=error.reason.name)

    async def _put(self, key: str, content: dict[str, Any], principal: str, *, overwrite: bool = True) -> None:
        spec = ObjectSpec(_TYPE, {OWNER: principal}, _PRIVATE)
        await self._store.put(key, orjson.dumps(content), spec, overwrite=overwrite)

    async def _get(self, key: str) -> dict[str, Any] | None:
        try:
            data, _ = await read_all(self._store, key, max_bytes=_MAX_BYTES)
        except MediaError as error:
            if error.reason is Reason.NOT_FOUND:
                return None
            raise
        found: dict[str, Any] = orjson.loads(data)
        return found


def _record_to_json(record: GenerationRecord) -> dict[str, Any]:
    return {
        "predictionId": record.prediction_id,
        "provider": record.provider,
        "model": record.model,
        "prompt": record.prompt,
        "seconds": record.seconds,
        "resolution": record.resolution,
        "objectKey": record.destination.object_key,
        "overwrite": record.destination.overwrite,
        "video": None if record.video is None else _video_to_json(record.video),
    }


def _record_from_json(content: dict[str, Any]) -> GenerationRecord:
    return GenerationRecord(
        prediction_id=content["predictionId"],
        provider=content["provider"],
        model=content["model"],
        prompt=content["prompt"],
        seconds=content["seconds"],
        resolution=content["resolution"],
        destination=Destination(content["objectKey"], content["overwrite"]),
        video=None if content["video"] is None else _video_from_json(content["video"]),
    )


def _video_to_json(video: StoredVideo) -> dict[str, Any]:
    streams = [{name: getattr(stream, name) for name in StreamInfo.__slots__} for stream in video.media.streams]
    media = {"container": video.media.container, "sizeBytes": video.media.size_bytes, "streams": streams}
    return {"key": video.key, "sha256": video.sha256, "media": media}


def _video_from_json(content: dict[str, Any]) -> StoredVideo:
    media = content["media"]
    streams = tuple(StreamInfo(**stream) for stream in media["streams"])
    return StoredVideo(content["key"], content["sha256"], MediaFile(media["container"], media["sizeBytes"], streams))


def _intent_to_json(intent: Intent) -> dict[str, Any]:
    return {
        "fingerprint": intent.fingerprint,
        "at": intent.at.astimezone(UTC).isoformat(),
        "predictionId": intent.prediction_id,
    }


def _intent_from_json(content: dict[str, Any]) -> Intent:
    return Intent(content["fingerprint"], datetime.fromisoformat(content["at"]), content["predictionId"])
