"""Objects in a folder: for a laptop, for tests, and for a suite on one machine."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

import orjson

from services.common.errors import MediaError, Reason, invalid
from services.common.log import logger
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
from services.common.storage.signed_urls import UrlSigner

T = TypeVar("T")

CHUNK_BYTES = 1024 * 1024
_OBJECTS = "objects"
_UNFINISHED = "unfinished"

log = logger(__name__)


class LocalStore(ObjectStore):
    """Keeps objects in a folder that every process of the suite sees.

    Args:
        folder: Where; made when something is stored.
        public_url: Where the suite is reached from outside, without a slash at the end.
        signer: Signs the links.
        url_lifetime_seconds: How long a link works unless somebody says otherwise.
    """

    name = "local"

    def __init__(self, folder: Path, public_url: str, signer: UrlSigner, url_lifetime_seconds: float) -> None:
        self.signer = signer
        self._objects = folder / _OBJECTS
        # On the same file system, so that a finished file can move over.
        self._unfinished = folder / _UNFINISHED
        self._public_url = public_url
        self._url_lifetime_seconds = url_lifetime_seconds

    async def put(
        self, key: str, data: bytes | AsyncIterator[bytes], spec: ObjectSpec, *, overwrite: bool = False
    ) -> ObjectInfo:
        """Write a file beside, and moves it to its place once it is whole and on the disk."""
        digest = hashlib.sha256()

        async def fill(file: BinaryIO) -> str:
            async for piece in _pieces(data):
                await _in_thread(local_files.append, file, digest.update, piece)
            return digest.hexdigest()

        return await self._store_file(key, local_files.begin, fill, spec, overwrite=overwrite)

    async def put_file(
        self, key: str, path: Path, sha256: str, spec: ObjectSpec, *, overwrite: bool = False
    ) -> ObjectInfo:
        """Move the file over, where it is on the same file system, and copies it otherwise."""

        async def fill(file: BinaryIO) -> str:
            del file
            return sha256

        return await self._store_file(key, partial(local_files.adopt, path), fill, spec, overwrite=overwrite)

    async def _store_file(
        self,
        key: str,
        begin: Callable[[Path], BinaryIO],
        fill: Callable[[BinaryIO], Awaitable[str]],
        spec: ObjectSpec,
        *,
        overwrite: bool,
    ) -> ObjectInfo:
        """Store what `fill` writes into the file that `begin` opens; `fill` returns the digest."""
        path = self._path(key)
        unfinished = self._unfinished / secrets.token_hex(16)
        held = _Held(partial(begin, unfinished), partial(local_files.drop, unfinished=unfinished))
        file = await held.open()
        try:
            known = {
                "contentType": spec.content_type,
                "metadata": dict(spec.metadata),
                "cacheControl": spec.cache_control,
                "etag": await fill(file),
            }
            await _in_thread(local_files.finish, file, orjson.dumps(known))
            await _in_thread(local_files.place, unfinished, path, overwrite)
        finally:
            # Not in a thread: a loop that shuts down would not begin it.
            local_files.drop(file, unfinished)
        return await self.head(key)

    @asynccontextmanager
    async def open(self, key: str, byte_range: ByteRange | None = None) -> AsyncIterator[OpenObject]:
        """Open the file of an object."""
        held = _Held(partial(local_files.open_object, self._path(key), key), lambda opened: opened[0].close())
        file, info = await held.open()
        # Not in a thread, as above.
        with file:
            yield OpenObject(info, _chunks(file, byte_range or ByteRange(0, info.size_bytes)))

    async def head(self, key: str) -> ObjectInfo:
        """Read the end of the file of an object."""
        return await _in_thread(local_files.read_info, self._path(key), key)

    async def url(self, key: str, *, lifetime_seconds: float | None = None) -> ObjectUrl:
        """Return a signed link to the gateway, which serves the object."""
        lifetime = self._url_lifetime_seconds if lifetime_seconds is None else lifetime_seconds
        expires_at = int(time.time() + lifetime)
        path = self.signer.build_path(check_key(key), expires_at)
        return ObjectUrl(f"{self._public_url}{path}", datetime.fromtimestamp(expires_at, UTC))

    def key_from_url(self, url: str) -> str | None:
        """Return the key in a signed link that leads to the gateway."""
        return self.signer.key_from_url(url, self._public_url, time.time())

    async def delete(self, key: str) -> bool:
        """Delete the file of an object, and folders that it leaves empty."""
        return await _in_thread(local_files.delete, self._path(key), self._objects)

    async def list(self, prefix: str, *, page_size: int = 100, page_token: str = "") -> ObjectPage:
        """Walk the folders in the order of keys, from where the page before ended."""
        if prefix:
            check_key(prefix.removesuffix("/"), "prefix")
        if page_token and not page_token.startswith(prefix):
            raise invalid("page_token", "must be the next_page_token of the page before")
        return await _in_thread(local_files.page, self._objects, prefix, page_size, page_token)

    async def remove_stale_drafts(self, older_than_seconds: float) -> int:
        """Remove files that were begun beside and never came to their place."""
        return await _in_thread(local_files.remove_stale_drafts, self._unfinished, time.time() - older_than_seconds)

    def _path(self, key: str) -> Path:
        return self._objects / check_key(key)


async def _in_thread(work: Callable[..., T], *args: object) -> T:
    """Run `work` off the event loop and says in our words what the file system cannot do."""
    try:
        return await asyncio.to_thread(work, *args)
    except OSError as error:
        log.warning("the folder of objects cannot be used", error_type=type(error).__name__, errno=error.errno)
        raise MediaError(
            Reason.STORAGE_FAILED,
            "The local object store cannot be used: check space and rights of MEDIA_STORAGE_DIR.",
        ) from None


class _Held(Generic[T]):
    """What a thread opens for a caller who may be cancelled meanwhile: it is let go then, whoever comes last."""

    def __init__(self, opening: Callable[[], T], let_go: Callable[[T], object]) -> None:
        self._opening, self._let_go = opening, let_go
        self._lock = threading.Lock()
        self._wanted = True
        self._opened: T | None = None

    async def open(self) -> T:
        try:
            return await _in_thread(self._open)
        except asyncio.CancelledError:
            with self._lock:
                self._wanted = False
                if self._opened is not None:
                    self._let_go(self._opened)
            raise

    def _open(self) -> T:
        found = self._opening()
        with self._lock:
            if self._wanted:
                self._opened = found
            else:
                self._let_go(found)
        return found


async def _pieces(data: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(data, bytes):
        yield data
        return
    async for piece in data:
        yield piece


async def _chunks(file: BinaryIO, wanted: ByteRange) -> AsyncIterator[bytes]:
    left = wanted.end - wanted.start
    await _in_thread(file.seek, wanted.start)
    while left:
        piece = await _in_thread(file.read, min(left, CHUNK_BYTES))
        if not piece:
            raise MediaError(Reason.STORAGE_FAILED, "The stored object ended before its time.")
        left -= len(piece)
        yield piece
