"""The local object store: objects in a folder, for development, tests and a suite on one machine."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import secrets
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

import orjson

from services.common.errors import MediaError, Reason, invalid
from services.common.log import describe_error, logger
from services.common.storage import local_files
from services.common.storage.interface import (
    ByteRange,
    ObjectInfo,
    ObjectPage,
    ObjectSpec,
    ObjectStore,
    ObjectUrl,
    OpenObject,
)
from services.common.storage.keys import check_key
from services.common.storage.route_links import RouteLinks
from services.common.storage.signed_urls import UrlSigner

T = TypeVar("T")

CHUNK_BYTES = 1024 * 1024
_OBJECTS = "objects"
_DRAFTS = "unfinished"
_PERMANENT = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
"""Errors that last until the folder is changed."""

log = logger(__name__)


class LocalStore(ObjectStore):
    """Stores objects in a folder that all processes of the suite share.

    Args:
        folder: Folder of the store; created when the first object is stored.
        public_url: Address of the suite from outside, without a slash at the end.
        signer: Signs the links to objects.
        url_lifetime_seconds: Default lifetime of a link.
    """

    name = "local"

    def __init__(self, folder: Path, public_url: str, signer: UrlSigner, url_lifetime_seconds: float) -> None:
        self.signer = signer
        self._objects = folder / _OBJECTS
        # On the same file system, so that a finished file can be renamed to its place.
        self._drafts = folder / _DRAFTS
        self._public_url = public_url
        self._links = RouteLinks(signer, public_url, url_lifetime_seconds)

    async def put(
        self, key: str, data: bytes | AsyncIterator[bytes], spec: ObjectSpec, *, overwrite: bool = False
    ) -> ObjectInfo:
        """Write the data to a draft, and move it to its place once it is complete and flushed to the disk."""
        digest = hashlib.sha256()

        async def fill(file: BinaryIO) -> str:
            async for piece in _iterate_pieces(data):
                await _run_in_thread(local_files.append, file, digest.update, piece)
            return digest.hexdigest()

        return await self._store_file(key, local_files.create_draft, fill, spec, overwrite=overwrite)

    async def put_file(
        self, key: str, path: Path, sha256: str, spec: ObjectSpec, *, overwrite: bool = False
    ) -> ObjectInfo:
        """Move the file if it is on the same file system, otherwise copy it."""

        async def fill(file: BinaryIO) -> str:
            del file
            return sha256

        return await self._store_file(key, partial(local_files.adopt_file, path), fill, spec, overwrite=overwrite)

    @asynccontextmanager
    async def open(self, key: str, byte_range: ByteRange | None = None) -> AsyncIterator[OpenObject]:
        """Open the file of an object and close it at the end."""
        resource = _ThreadOpened(
            partial(local_files.open_object, self._get_path(key), key), lambda opened: opened[0].close()
        )
        file, info = await resource.open()
        # Closed without a thread, for the reason in `_store_file`.
        with file:
            yield OpenObject(info, _read_chunks(file, byte_range or ByteRange(0, info.size_bytes)))

    async def head(self, key: str) -> ObjectInfo:
        """Read the properties of an object from the end of its file."""
        return await _run_in_thread(local_files.read_info, self._get_path(key), key)

    async def url(self, key: str, *, lifetime_seconds: float | None = None) -> ObjectUrl:
        """Return a signed link to the gateway, which serves local objects."""
        return self._links.build_for_object(check_key(key), lifetime_seconds)

    def key_from_url(self, url: str) -> str | None:
        """Return the key in a valid signed link to the gateway."""
        return self._links.signer.key_from_url(url, self._public_url, time.time())

    async def delete(self, key: str) -> bool:
        """Delete the file of an object and the folders that become empty."""
        return await _run_in_thread(local_files.delete, self._get_path(key), self._objects)

    async def list(self, prefix: str, *, page_size: int = 100, page_token: str = "") -> ObjectPage:
        """Walk the folders in the order of the keys, from the end of the previous page."""
        if prefix:
            check_key(prefix.removesuffix("/"), "prefix")
        if page_token and not page_token.startswith(prefix):
            raise invalid("page_token", "must be the next_page_token of the previous page")
        return await _run_in_thread(local_files.list_page, self._objects, prefix, page_size, page_token)

    async def remove_stale_drafts(self, older_than_seconds: float) -> int:
        """Remove old drafts that were never moved to their place."""
        return await _run_in_thread(local_files.remove_stale_drafts, self._drafts, time.time() - older_than_seconds)

    async def _store_file(
        self,
        key: str,
        open_draft: Callable[[Path], BinaryIO],
        fill: Callable[[BinaryIO], Awaitable[str]],
        spec: ObjectSpec,
        *,
        overwrite: bool,
    ) -> ObjectInfo:
        """Store the data that `fill` writes into the draft that `open_draft` opens; `fill` returns the digest."""
        path = self._objects / check_key(key)
        draft = self._drafts / secrets.token_hex(16)
        resource = _ThreadOpened(partial(open_draft, draft), partial(local_files.drop_draft, draft=draft))
        file = await resource.open()
        try:
            document = {
                "contentType": spec.content_type,
                "metadata": dict(spec.metadata),
                "cacheControl": spec.cache_control,
                "etag": await fill(file),
            }
            await _run_in_thread(local_files.finish_draft, file, orjson.dumps(document))
            await _run_in_thread(local_files.move_to_place, draft, path, overwrite)
        finally:
            # Not in a thread: an event loop that shuts down does not start new threads.
            local_files.drop_draft(file, draft)
        return await self.head(key)

    def _get_path(self, key: str) -> Path:
        return self._objects / check_key(key)


async def _run_in_thread(work: Callable[..., T], *args: object) -> T:
    """Run `work` in a thread and translate its errors of the file system."""
    try:
        return await asyncio.to_thread(work, *args)
    except OSError as error:
        log.warning("the local object store failed", **describe_error(error))
        raise MediaError(
            Reason.STORAGE_REFUSED if error.errno in _PERMANENT else Reason.STORAGE_FAILED,
            "The local object store cannot be used; check the free space and the permissions of MEDIA_STORAGE_DIR.",
        ) from None


class _ThreadOpened(Generic[T]):
    """A resource that a thread opens for a task.

    A thread cannot be cancelled. If the task is cancelled first, the resource is released by the thread when it has
    opened it, or by the task if it is open already; the lock decides between the two.
    """

    def __init__(self, open_resource: Callable[[], T], release: Callable[[T], object]) -> None:
        self._open_resource, self._release = open_resource, release
        self._lock = threading.Lock()
        self._needed = True
        self._opened: T | None = None

    async def open(self) -> T:
        try:
            return await _run_in_thread(self._open)
        except asyncio.CancelledError:
            with self._lock:
                self._needed = False
                if self._opened is not None:
                    self._release(self._opened)
            raise

    def _open(self) -> T:
        resource = self._open_resource()
        with self._lock:
            if self._needed:
                self._opened = resource
            else:
                self._release(resource)
        return resource


async def _iterate_pieces(data: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(data, bytes):
        yield data
        return
    async for piece in data:
        yield piece


async def _read_chunks(file: BinaryIO, byte_range: ByteRange) -> AsyncIterator[bytes]:
    left = byte_range.end - byte_range.start
    await _run_in_thread(file.seek, byte_range.start)
    while left:
        piece = await _run_in_thread(file.read, min(left, CHUNK_BYTES))
        if not piece:
            raise MediaError(Reason.STORAGE_FAILED, "The stored object is shorter than its recorded size.")
        left -= len(piece)
        yield piece
