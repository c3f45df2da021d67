"""Finished videos in the object store: keys, addresses, digests, and deletion."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from services.common.errors import MediaError, Reason, invalid
from services.common.input_files import InputFiles
from services.common.storage import IMMUTABLE, OWNER, REPLACEABLE, ObjectInfo, ObjectSpec, ObjectStore
from services.common.storage.keys import check_own_key, new_key
from services.video.probe import MediaFile

FOLDER = "videos"
CONTENT_TYPE = "video/mp4"
_EXTENSION = "mp4"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a caller wants a video."""

    object_key: str = ""
    """A key below the caller's own prefix; empty for a new one."""
    overwrite: bool = False
    """Whether an object of this key may be replaced."""


@dataclass(frozen=True, slots=True)
class StoredVideo:
    """A video in the object store."""

    key: str
    sha256: str
    """In hexadecimal."""
    media: MediaFile
    """What it is made of."""


@dataclass(frozen=True, slots=True)
class VideoUrl:
    """Where a video can be seen."""

    url: str
    expires_at: datetime | None
    """When it ends; None if it lasts."""


class VideoStore:
    """Keeps videos for their owners.

    Args:
        files: Where they are.
    """

    def __init__(self, files: InputFiles) -> None:
        self._files = files

    @property
    def _store(self) -> ObjectStore:
        return self._files.store

    async def check(self, place: Place, principal: str) -> None:
        """Refuse a place that cannot be taken, before anybody works or is paid.

        Raises:
            MediaError: VALIDATION_ERROR, PERMISSION_DENIED or ALREADY_EXISTS, naming the field.
        """
        if not place.object_key:
            if place.overwrite:
                raise invalid("overwrite", "must come with object_key")
            return
        key = check_own_key(place.object_key, principal, "object_key")
        if not key.endswith(f".{_EXTENSION}"):
            raise invalid("object_key", f"must end in .{_EXTENSION}")
        if not place.overwrite and await self._find(key) is not None:
            raise invalid("object_key", "is taken: choose another, or set overwrite to true", Reason.ALREADY_EXISTS)

    async def put(
        self, path: Path, sha256: str, media: MediaFile, place: Place, principal: str, said: Mapping[str, str]
    ) -> StoredVideo:
        """Store a video.

        Args:
            path: The file, which may be gone afterwards.
            sha256: Its digest, in hexadecimal.
            media: What it is made of.
            place: Where the caller wants it, checked before.
            principal: Who calls.
            said: What is written beside it.

        Raises:
            MediaError: ALREADY_EXISTS, STORAGE_FAILED.
        """
        key = place.object_key or new_key(FOLDER, _EXTENSION)
        lasting = REPLACEABLE if place.object_key else IMMUTABLE
        spec = ObjectSpec(CONTENT_TYPE, {**said, OWNER: principal}, lasting)
        await self._store.put_file(key, path, sha256, spec, overwrite=place.overwrite)
        return StoredVideo(key, sha256, media)

    async def holds(self, key: str, said: Mapping[str, str]) -> bool:
        """Tell whether there is an object of which all this was said when it was stored.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        known = await self._find(key)
        return known is not None and said.items() <= known.metadata.items()

    async def url(self, video: StoredVideo) -> VideoUrl:
        """Return where `video` can be seen now."""
        found = await self._store.url(video.key)
        return VideoUrl(found.url, found.expires_at)

    async def delete(self, key: str, principal: str) -> list[str]:
        """Delete a video of `principal`'s own and returns the keys that are gone.

        Raises:
            MediaError: VALIDATION_ERROR, PERMISSION_DENIED, NOT_FOUND, STORAGE_FAILED.
        """
        info = await self._files.find_owned(key, principal, "key")
        if info.content_type != CONTENT_TYPE:
            raise invalid("key", "must be the key of a video", Reason.NOT_FOUND)
        return [key] if await self._store.delete(key) else []

    async def _find(self, key: str) -> ObjectInfo | None:
        try:
            return await self._store.head(key)
        except MediaError as error:
            if error.reason is Reason.NOT_FOUND:
                return None
            raise


async def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return await asyncio.to_thread(_digest, path)


def _digest(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
