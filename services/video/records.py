"""Records of generations in the database.

The record of a prediction lets every replica find a video after a restart. The intent of a request id makes sure that a
repeated request pays only once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from services.common.cache import CacheStatus
from services.common.errors import MediaError, Reason, invalid
from services.common.log import logger
from services.common.records import BufferedRecords, OldFolder, Record, RecordKey
from services.video.video_store import (
    Destination,
    StoredVideo,
    VideoOrigin,
    build_video_record,
    video_from_json,
    video_to_json,
)

log = logger(__name__)

_GENERATIONS, _REQUESTS = "video-generation", "video-request"


@dataclass(frozen=True, slots=True)
class GenerationRecord:
    """A generation that a provider has accepted."""

    prediction_id: str
    """Id at the provider, or an id of its own if the video is that of an identical request."""
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
    source_id: str = ""
    """Id at the provider of the identical request whose video this is; empty for a generation of its own."""
    cache_status: CacheStatus = "bypass"
    """Where the video came from."""
    accepted_at: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False)
    """When the provider accepted it, in UTC, to the millisecond."""

    @property
    def provider_id(self) -> str:
        """Id at the provider under which the video is fetched."""
        return self.source_id or self.prediction_id

    @property
    def origin(self) -> VideoOrigin:
        """How the video is generated."""
        return VideoOrigin(self.provider, self.model, self.prompt, self.prediction_id)


@dataclass(frozen=True, slots=True)
class Intent:
    """Note that a request id is in use, written before the provider is paid."""

    fingerprint: str
    """SHA-256 of the request: the same id for another request is an error."""
    at: datetime
    """When the request came, in UTC."""
    prediction_id: str = ""
    """Id at the provider; empty until the provider has accepted the request."""


class GenerationRecords:
    """Reads and writes the records and intents of generations.

    Args:
        records: The records of all kinds.
    """

    def __init__(self, records: BufferedRecords) -> None:
        self._records = records

    async def write(self, record: GenerationRecord, principal: str) -> None:
        """Write the record of a generation, replacing an earlier one; if the database is down, it is written later."""
        await self._records.save(_to_record(record, principal))

    async def find(self, prediction_id: str, principal: str) -> GenerationRecord:
        """Return the record of a generation of `principal`.

        Raises:
            MediaError: NOT_FOUND, UNAVAILABLE.
        """
        found = await self._records.get(RecordKey(principal, _GENERATIONS, prediction_id))
        if found is None:
            raise invalid("prediction_id", "must be the id of one of your videos", Reason.NOT_FOUND)
        return _record_from_json(found.document, found.created_at)

    async def add_intent(self, request_id: str, principal: str, intent: Intent) -> Intent | None:
        """Write an intent and return None; return the existing one if the request id is already in use.

        Raises:
            MediaError: UNAVAILABLE.
        """
        try:
            await self._records.create(_intent_to_record(intent, request_id, principal))
        except MediaError as error:
            if error.reason is not Reason.ALREADY_EXISTS:
                raise
            found = await self.find_intent(request_id, principal)
            # Without one, another call has withdrawn it in the meantime.
            return found if found is not None else await self.add_intent(request_id, principal, intent)
        return None

    async def find_intent(self, request_id: str, principal: str) -> Intent | None:
        """Return the intent of a request id, or None.

        Raises:
            MediaError: UNAVAILABLE.
        """
        found = await self._records.get(RecordKey(principal, _REQUESTS, request_id))
        return None if found is None else _intent_from_json(found.document)

    async def bind_intent(self, request_id: str, principal: str, intent: Intent, prediction_id: str) -> None:
        """Write the prediction id into an intent; if the database is down, it is written later."""
        bound = replace(intent, prediction_id=prediction_id)
        await self._records.save(_intent_to_record(bound, request_id, principal))

    async def withdraw_intent(self, request_id: str, principal: str) -> None:
        """Delete an intent, so that the request id is free again; a failure is only logged."""
        try:
            await self._records.delete(RecordKey(principal, _REQUESTS, request_id))
        except MediaError as error:
            log.warning("cannot delete the intent of a request", reason=error.reason.name)


def _to_record(record: GenerationRecord, principal: str) -> Record:
    key = record.video.key if record.video is not None else ""
    return Record(
        principal, _GENERATIONS, record.prediction_id, record.accepted_at, key, document=_record_to_json(record)
    )


def _intent_to_record(intent: Intent, request_id: str, principal: str) -> Record:
    return Record(principal, _REQUESTS, request_id, intent.at, document=_intent_to_json(intent))


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
        "video": None if record.video is None else video_to_json(record.video),
        "sourceId": record.source_id,
        "cacheStatus": record.cache_status,
    }


def _record_from_json(content: Mapping[str, Any], accepted_at: datetime) -> GenerationRecord:
    return GenerationRecord(
        prediction_id=content["predictionId"],
        provider=content["provider"],
        model=content["model"],
        prompt=content["prompt"],
        seconds=content["seconds"],
        resolution=content["resolution"],
        destination=Destination(content["objectKey"], content["overwrite"]),
        video=None if content["video"] is None else video_from_json(content["video"]),
        # Older records have no such fields.
        source_id=content.get("sourceId", ""),
        cache_status=content.get("cacheStatus", "bypass"),
        accepted_at=accepted_at,
    )


def _intent_to_json(intent: Intent) -> dict[str, Any]:
    return {
        "fingerprint": intent.fingerprint,
        "at": intent.at.astimezone(UTC).isoformat(),
        "predictionId": intent.prediction_id,
    }


def _intent_from_json(content: Mapping[str, Any]) -> Intent:
    return Intent(content["fingerprint"], datetime.fromisoformat(content["at"]), content["predictionId"])


def _convert_record(key: RecordKey, data: bytes, written_at: datetime) -> Sequence[Record]:
    """Convert the record of an earlier version, and add that of its video."""
    generation = _record_from_json(orjson.loads(data), written_at)
    converted = [_to_record(generation, key.owner)]
    if generation.video is not None:
        converted.append(build_video_record(generation.video, generation.origin, key.owner, written_at))
    return converted


def _convert_intent(key: RecordKey, data: bytes, _written_at: datetime) -> Sequence[Record]:
    return [_intent_to_record(_intent_from_json(orjson.loads(data)), key.id, key.owner)]


OLD_FOLDERS: Mapping[str, OldFolder] = {
    _GENERATIONS: OldFolder("videos", _convert_record),
    _REQUESTS: OldFolder("video-requests", _convert_intent),
}
"""The records of earlier versions that this service moves into the database."""
