"""Stores finished videos in the object store, and finds and deletes them."""

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
class Destination:
    """The object key at which a video is stored, as its caller chose it."""

    object_key: str = ""
    """A key below the caller's own prefix; empty for a new key."""
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
class VideoUrl:
    """URL of a stored video."""

    url: str
    expires_at: datetime | None
    """When the URL expires; None for never."""


class VideoStore:
    """Stores videos for their owners.

    Args:
        files: Access to the object store, with owner checks.
    """

    def __init__(self, files: InputFiles) -> None:
        self._files = files

    async def check(self, destination: Destination, principal: str) -> None:
        """Raise if a destination cannot be used; call this before any work or payment.

        Raises:
            MediaError: VALIDATION_ERROR, PERMISSION_DENIED or ALREADY_EXISTS, naming the field.
        """
        if not destination.object_key:
            if destination.overwrite:
                raise invalid("overwrite", "must come with object_key")
            return
        key = check_own_key(destination.object_key, principal, "object_key")
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
        metadata: Mapping[str, str],
    ) -> StoredVideo:
        """Store a video and return it.

        Args:
            path: The file; the store may move it away.
            sha256: Digest of the file, in hexadecimal.
            media: Container and streams of the file.
            destination: Where to store it; already checked.
            principal: Owner of the video.
            metadata: Metadata of the object.

        Raises:
            MediaError: ALREADY_EXISTS, STORAGE_FAILED.
        """
        key = destination.object_key or new_key(FOLDER, _EXTENSION)
        cache_control = REPLACEABLE if destination.object_key else IMMUTABLE
        spec = ObjectSpec(CONTENT_TYPE, {**metadata, OWNER: principal}, cache_control)
        await self._store.put_file(key, path, sha256, spec, overwrite=destination.overwrite)
        return StoredVideo(key, sha256, media)

    async def has_metadata(self, key: str, metadata: Mapping[str, str]) -> bool:
        """Return whether the object `key` exists and its metadata include `metadata`.

        Raises:
            MediaError: STORAGE_FAILED.
        """
        found = await self._find(key)
        return found is not None and metadata.items() <= found.metadata.items()

    async def get_url(self, video: StoredVideo) -> VideoUrl:
        """Return a URL of `video`, signed now if the store signs."""
        found = await self._store.url(video.key)
        return VideoUrl(found.url, found.expires_at)

    async def delete(self, key: str, principal: str) -> list[str]:
        """Delete a video of `principal` and return the deleted keys.

        Raises:
            MediaError: VALIDATION_ERROR, PERMISSION_DENIED, NOT_FOUND, STORAGE_FAILED.
        """
        info = await self._files.find_owned(key, principal, "key")
        if info.content_type != CONTENT_TYPE:
            raise invalid("key", "must be the key of a video", Reason.NOT_FOUND)
        return [key] if await self._store.delete(key) else []

    @property
    def _store(self) -> ObjectStore:
        return self._files.store

    async def _find(self, key: str) -> ObjectInfo | None:
        try:
            return await self._store.head(key)
        except MediaError as error:
            if error.reason is Reason.NOT_FOUND:
                return None
            raise


async def compute_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return await asyncio.to_thread(_compute_sha256, path)


def _compute_sha256(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
