"""Stores finished videos for their owners, each with a record, and finds, lists and deletes them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.common.errors import MediaError, Reason, invalid
from services.common.input_files import InputFiles
from services.common.records import BufferedRecords, Record, RecordKey
from services.common.records.catalog import Catalog
from services.common.storage import IMMUTABLE, OWNER, REPLACEABLE, ObjectInfo, ObjectSpec, ObjectStore
from services.common.storage.keys import new_key
from services.video.probe import MediaFile, StreamInfo

FOLDER = "videos"
KIND = "video"
CONTENT_TYPE = "video/mp4"
_EXTENSION = "mp4"

_STREAM_FIELDS = (
    "kind",
    "codec",
    "duration_seconds",
    "width",
    "height",
    "frame_rate",
    "sample_rate_hz",
    "channels",
    "packets",
)
"""Fields of a stream in a record."""


@dataclass(frozen=True, slots=True)
class Destination:
    """The object key at which a video is stored, as its caller chose it."""

    object_key: str = ""
    """The whole key, below the caller's own prefix; empty for a new key."""
    overwrite: bool = False
    """Whether an existing object with this key may be replaced."""


@dataclass(frozen=True, slots=True)
class StoredVideo:
    """A video in the object store."""

    key: str
    sha256: str
    """In hexadecimal."""
    media: MediaFile
    """Container and streams."""


@dataclass(frozen=True, slots=True)
class VideoOrigin:
    """How a video was generated; all fields are empty for a video with added speech."""

    provider: str = ""
    model: str = ""
    prompt: str = ""
    prediction_id: str = ""
    """Id at the provider."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """Metadata of the object, which a public bucket may show to anyone: without the prompt."""
        entries = {"provider": self.provider, "prediction_id": self.prediction_id}
        return {name: value for name, value in entries.items() if value}


@dataclass(frozen=True, slots=True)
class RecordedVideo:
    """A stored video with its record."""

    video: StoredVideo
    origin: VideoOrigin
    stored_at: datetime
    """In UTC."""


@dataclass(frozen=True, slots=True)
class VideoUrl:
    """URL of a stored video."""

    url: str
    expires_at: datetime | None
    """When the URL expires; None for never."""


class VideoStore:
    """Stores videos for their owners.

    Args:
        files: Access to the object store, with owner checks.
        records: The records.
    """

    def __init__(self, files: InputFiles, records: BufferedRecords) -> None:
        self._files = files
        self._catalog = Catalog(KIND, records, files.store)

    async def check(self, destination: Destination) -> None:
        """Raise if a destination cannot be used; call this before any work or payment.

        Raises:
            MediaError: VALIDATION_ERROR, PERMISSION_DENIED or ALREADY_EXISTS, naming the field; UNAVAILABLE.
        """
        self._catalog.records.check_room()
        if not destination.object_key:
            if destination.overwrite:
                raise invalid("overwrite", "must come with object_key")
            return
        key = destination.object_key
        if not key.endswith(f".{_EXTENSION}"):
            raise invalid("object_key", f"must end in .{_EXTENSION}")
        if not destination.overwrite and await self._find(key) is not None:
            raise invalid("object_key", "is in use: choose another, or set overwrite to true", Reason.ALREADY_EXISTS)

    async def put(
        self,
        path: Path,
        sha256: str,
        media: MediaFile,
        destination: Destination,
        principal: str,
        origin: VideoOrigin,
    ) -> StoredVideo:
        """Store a video, then its record.

        Args:
            path: The file; the store may move it away.
            sha256: Digest of the file, in hexadecimal.
            media: Container and streams of the file.
            destination: Where to store it; already checked.
            principal: Owner of the video.
            origin: How the video was generated. An object at the destination with the same origin is this video: an
                earlier attempt has stored it and ended before it wrote its record.

        Raises:
            MediaError: ALREADY_EXISTS, STORAGE_FAILED.
        """
        key = destination.object_key or new_key(FOLDER, _EXTENSION)
        cache_control = REPLACEABLE if destination.object_key else IMMUTABLE
        spec = ObjectSpec(CONTENT_TYPE, {**origin.metadata, OWNER: principal}, cache_control)
        try:
            await self._store.put_file(key, path, sha256, spec, overwrite=destination.overwrite)
        except MediaError as error:
            if error.reason is not Reason.ALREADY_EXISTS or not await self._is_of(key, origin):
                raise
        stored = StoredVideo(key, sha256, media)
        await self._catalog.records.save(build_video_record(stored, origin, principal, datetime.now(UTC)))
        return stored

    async def find(self, key: str, principal: str) -> RecordedVideo:
        """Return a video of `principal`; without streams if it has no record.

        Raises:
            MediaError: VALIDATION_ERROR, PERMISSION_DENIED, NOT_FOUND, STORAGE_FAILED, UNAVAILABLE.
        """
        try:
            info = await self._find_owned(key, principal)
        except MediaError as error:
            if error.reason is Reason.NOT_FOUND:
                # A rule of the bucket may have deleted the object; lists must not show it any longer.
                await self._catalog.delete_orphan(key, principal)
            raise
        key = info.key
        record = await self._catalog.records.get(RecordKey(principal, KIND, key))
        return _from_object(info) if record is None else _from_record(record)

    async def describe(self, info: ObjectInfo) -> Record | None:
        """Return the record of an object that has none; None if it is no video of a caller."""
        owner = info.metadata.get(OWNER)
        if owner is None or info.content_type != CONTENT_TYPE:
            return None
        found = _from_object(info)
        return build_video_record(found.video, found.origin, owner, found.stored_at)

    async def list_page(self, principal: str, page_size: int, page_token: str) -> tuple[Sequence[RecordedVideo], str]:
        """Return a page of the videos of `principal`, newest first, and the token of the next page.

        Raises:
            MediaError: VALIDATION_ERROR, the token is not one of this list; UNAVAILABLE.
        """
        page = await self._catalog.list_page(principal, page_size, page_token)
        return [_from_record(record) for record in page.records], page.next_page_token

    async def get_urls(self, videos: Sequence[StoredVideo]) -> Sequence[VideoUrl]:
        """Return a URL of each video, signed now if the store signs.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        urls = await self._catalog.build_urls([video.key for video in videos])
        return [VideoUrl(item.url, item.expires_at) for item in urls]

    async def get_url(self, video: StoredVideo) -> VideoUrl:
        """Return a URL of `video`, signed now if the store signs."""
        return (await self.get_urls([video]))[0]

    async def delete(self, key: str, principal: str) -> list[str]:
        """Delete a video of `principal`, then its record, and return the deleted keys.

        Raises:
            MediaError: VALIDATION_ERROR, PERMISSION_DENIED, NOT_FOUND, STORAGE_FAILED, UNAVAILABLE.
        """
        try:
            key = (await self._find_owned(key, principal)).key
        except MediaError as error:
            # An earlier attempt may have deleted the object only.
            if error.reason is Reason.NOT_FOUND and await self._catalog.delete_orphan(key, principal):
                return []
            raise
        is_deleted = await self._store.delete(key)
        await self._catalog.delete_record(principal, key)
        return [key] if is_deleted else []

    @property
    def _store(self) -> ObjectStore:
        return self._files.store

    async def _find_owned(self, key: str, principal: str) -> ObjectInfo:
        info = await self._files.find_owned(key, principal, "key")
        if info.content_type != CONTENT_TYPE:
            raise invalid("key", "must be the key of a video", Reason.NOT_FOUND)
        return info

    async def _is_of(self, key: str, origin: VideoOrigin) -> bool:
        """Return whether the object `key` is the generated video of `origin`."""
        found = await self._find(key)
        return found is not None and bool(origin.prediction_id) and origin.metadata.items() <= found.metadata.items()

    async def _find(self, key: str) -> ObjectInfo | None:
        try:
            return await self._store.head(key)
        except MediaError as error:
            if error.reason is Reason.NOT_FOUND:
                return None
            raise


def build_video_record(video: StoredVideo, origin: VideoOrigin, principal: str, stored_at: datetime) -> Record:
    """Return the record of a stored video."""
    document = {"video": video_to_json(video), "origin": asdict(origin)}
    return Record(principal, KIND, video.key, stored_at, video.key, document)


def _from_object(info: ObjectInfo) -> RecordedVideo:
    """Return what the object itself tells about a video without a record."""
    origin = VideoOrigin(info.metadata.get("provider", ""), prediction_id=info.metadata.get("prediction_id", ""))
    media = MediaFile(_EXTENSION, info.size_bytes, ())
    return RecordedVideo(StoredVideo(info.key, "", media), origin, info.modified_at)


def _from_record(record: Record) -> RecordedVideo:
    origin = VideoOrigin(**record.document["origin"])
    return RecordedVideo(video_from_json(record.document["video"]), origin, record.created_at)


def video_to_json(video: StoredVideo) -> dict[str, Any]:
    """Return a stored video as JSON."""
    streams = [{name: getattr(stream, name) for name in _STREAM_FIELDS} for stream in video.media.streams]
    media = {"container": video.media.container, "sizeBytes": video.media.size_bytes, "streams": streams}
    return {"key": video.key, "sha256": video.sha256, "media": media}


def video_from_json(content: Mapping[str, Any]) -> StoredVideo:
    """Return the video that `video_to_json` converted."""
    media = content["media"]
    streams = tuple(StreamInfo(**{name: stream[name] for name in _STREAM_FIELDS}) for stream in media["streams"])
    return StoredVideo(content["key"], content["sha256"], MediaFile(media["container"], media["sizeBytes"], streams))


async def compute_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return await asyncio.to_thread(_compute_sha256, path)


def _compute_sha256(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
