"""Records of generations: by id, so that a restart loses no video; by request, so that no video is paid for twice."""

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
from services.video.video_store import Place, StoredVideo

log = logger(__name__)

_VIDEOS, _REQUESTS = "videos", "video-requests"
_TYPE, _PRIVATE = "application/json", "private, no-store"
_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """A video that was begun."""

    prediction_id: str
    """The id by which its provider knows it."""
    provider: str
    model: str
    prompt: str
    seconds: int
    """Length that was asked for."""
    resolution: str
    place: Place
    """Where it is wanted."""
    video: StoredVideo | None = None
    """The video, once it is stored."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A request that its caller has named."""

    fingerprint: str
    """SHA-256 of what it asks for: the same name for another request is a mistake."""
    at: datetime
    """When it came, in UTC."""
    prediction_id: str = ""
    """What it led to; empty until that is known."""


class RecordStore:
    """Writes and reads them.

    Args:
        store: Where they are.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def write(self, record: Record, principal: str) -> None:
        """Write a video's record, in place of an earlier one.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        await self._put(build_record_key(_VIDEOS, principal, record.prediction_id), _record_to_json(record), principal)

    async def find(self, prediction_id: str, principal: str) -> Record:
        """Return the record of a video of `principal`'s own.

        Raises:
            MediaError: NOT_FOUND, STORAGE_FAILED.
        """
        found = await self._get(build_record_key(_VIDEOS, principal, prediction_id))
        if found is None:
            raise invalid("prediction_id", "must be the id of a video of yours", Reason.NOT_FOUND)
        return _record(found)

    async def intend(self, request_id: str, principal: str, intent: Intent) -> Intent | None:
        """Write an intent and returns None; or returns the one that is there already.

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
                return _intent(found)
            # It went away in between.
            return await self.intend(request_id, principal, intent)
        return None

    async def intent(self, request_id: str, principal: str) -> Intent | None:
        """Return the intent that a request has left, if there is one.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        found = await self._get(build_record_key(_REQUESTS, principal, request_id))
        return None if found is None else _intent(found)

    async def bind(self, request_id: str, principal: str, intent: Intent, prediction_id: str) -> None:
        """Write down what an intent led to.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        bound = replace(intent, prediction_id=prediction_id)
        await self._put(build_record_key(_REQUESTS, principal, request_id), _intent_to_json(bound), principal)

    async def withdraw(self, request_id: str, principal: str) -> None:
        """Forget an intent that led to nothing, so that the request may be made again."""
        try:
            await self._store.delete(build_record_key(_REQUESTS, principal, request_id))
        except MediaError as error:
            log.warning("an intent stays behind", reason=error.reason.name)

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


def _intent_to_json(intent: Intent) -> dict[str, Any]:
    return {
        "fingerprint": intent.fingerprint,
        "at": intent.at.astimezone(UTC).isoformat(),
        "predictionId": intent.prediction_id,
    }


def _intent(content: dict[str, Any]) -> Intent:
    return Intent(content["fingerprint"], datetime.fromisoformat(content["at"]), content["predictionId"])


def _record_to_json(record: Record) -> dict[str, Any]:
    return {
        "predictionId": record.prediction_id,
        "provider": record.provider,
        "model": record.model,
        "prompt": record.prompt,
        "seconds": record.seconds,
        "resolution": record.resolution,
        "objectKey": record.place.object_key,
        "overwrite": record.place.overwrite,
        "video": None if record.video is None else _video_to_json(record.video),
    }


def _record(content: dict[str, Any]) -> Record:
    return Record(
        prediction_id=content["predictionId"],
        provider=content["provider"],
        model=content["model"],
        prompt=content["prompt"],
        seconds=content["seconds"],
        resolution=content["resolution"],
        place=Place(content["objectKey"], content["overwrite"]),
        video=None if content["video"] is None else _video(content["video"]),
    )


def _video_to_json(video: StoredVideo) -> dict[str, Any]:
    streams = [{name: getattr(stream, name) for name in StreamInfo.__slots__} for stream in video.media.streams]
    media = {"container": video.media.container, "sizeBytes": video.media.size_bytes, "streams": streams}
    return {"key": video.key, "sha256": video.sha256, "media": media}


def _video(content: dict[str, Any]) -> StoredVideo:
    media = content["media"]
    streams = tuple(StreamInfo(**stream) for stream in media["streams"])
    return StoredVideo(content["key"], content["sha256"], MediaFile(media["container"], media["sizeBytes"], streams))
