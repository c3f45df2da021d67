"""Objects in a folder: for a laptop, for tests, and for a suite on one machine.

Each object is one file: its bytes, then what is known about it as JSON, then the length of that. So what is said and
what is there can not contradict each other, and an object appears and goes in one step of the file system.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import secrets
import stat
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

import orjson

from services.common.errors import MediaError, Reason, invalid
from services.common.log import logger
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
from services.common.storage.signing import Signer

T = TypeVar("T")

CHUNK_BYTES = 256 * 1024
_LENGTH = struct.Struct(">8sI")
_MARK = b"mediaobj"
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

    def __init__(self, folder: Path, public_url: str, signer: Signer, url_lifetime_seconds: float) -> None:
        self.signer = signer
        self._objects = folder / _OBJECTS
        # On the same file system, so that a finished file can move over.
        self._unfinished = folder / _UNFINISHED
        self._public_url = public_url
        self._url_lifetime_seconds = url_lifetime_seconds

    async def put(
        self, key: str, data: bytes | AsyncIterator[bytes], spec: ObjectSpec, *, overwrite: bool = False
    ) -> ObjectInfo:
        """Writes a file beside, and moves it to its place once it is whole and on the disk."""
        path = self._path(key)
        unfinished = self._unfinished / secrets.token_hex(16)
        digest = hashlib.sha256()
        file = await _Held(partial(_begin, unfinished), partial(_drop, unfinished=unfinished)).opened()
        try:
            async for piece in _pieces(data):
                await _in_thread(_append, file, digest.update, piece)
            known = {
                "contentType": spec.content_type,
                "metadata": dict(spec.metadata),
                "cacheControl": spec.cache_control,
                "etag": digest.hexdigest(),
            }
            await _in_thread(_finish, file, orjson.dumps(known))
            await _in_thread(_place, unfinished, path, overwrite)
        finally:
            # Not in a thread: a loop that shuts down would not begin it.
            _drop(file, unfinished)
        return await self.head(key)

    @asynccontextmanager
    async def open(self, key: str, byte_range: ByteRange | None = None) -> AsyncIterator[OpenObject]:
        """Opens the file of an object."""
        file, info = await _Held(partial(_opened, self._path(key), key), lambda opened: opened[0].close()).opened()
        # Not in a thread, as in put.
        with file:
            yield OpenObject(info, _chunks(file, byte_range or ByteRange(0, info.size_bytes)))

    async def head(self, key: str) -> ObjectInfo:
        """Reads the end of the file of an object."""
        return await _in_thread(_known, self._path(key), key)

    async def url(self, key: str, *, lifetime_seconds: float | None = None) -> ObjectUrl:
        """Returns a signed link to the gateway, which serves the object."""
        lifetime = self._url_lifetime_seconds if lifetime_seconds is None else lifetime_seconds
        expires_at = int(time.time() + lifetime)
        path = self.signer.path(check_key(key), expires_at)
        return ObjectUrl(f"{self._public_url}{path}", datetime.fromtimestamp(expires_at, UTC))

    def key_behind(self, url: str) -> str | None:
        """Returns the key in a signed link that leads to the gateway."""
        return self.signer.key_in(url, self._public_url, time.time())

    async def delete(self, key: str) -> bool:
        """Deletes the file of an object, and folders that it leaves empty."""
        return await _in_thread(_delete, self._path(key), self._objects)

    async def list(self, prefix: str, *, page_size: int = 100, page_token: str = "") -> ObjectPage:
        """Walks the folders in the order of keys, from where the page before ended."""
        if prefix:
            check_key(prefix.removesuffix("/"), "prefix")
        if page_token and not page_token.startswith(prefix):
            raise invalid("page_token", "must be the next_page_token of the page before")
        return await _in_thread(_page, self._objects, prefix, page_size, page_token)

    async def tidy(self, older_than_seconds: float) -> int:
        """Removes files that were begun beside and never came to their place."""
        return await _in_thread(_tidy, self._unfinished, time.time() - older_than_seconds)

    def _path(self, key: str) -> Path:
        return self._objects / check_key(key)


async def _in_thread(work: Callable[..., T], *args: object) -> T:
    """Runs `work` off the event loop and says in our words what the file system can not do."""
    try:
        return await asyncio.to_thread(work, *args)
    except OSError as error:
        log.warning("the folder of objects can not be used", error_type=type(error).__name__, errno=error.errno)
        raise MediaError(
            Reason.STORAGE_FAILED,
            "The local object store can not be used: check space and rights of MEDIA_STORAGE_DIR.",
        ) from None


class _Held(Generic[T]):
    """What a thread opens for a caller who may be cancelled meanwhile: it is let go then, whoever comes last."""

    def __init__(self, opening: Callable[[], T], let_go: Callable[[T], object]) -> None:
        self._opening, self._let_go = opening, let_go
        self._lock = threading.Lock()
        self._wanted = True
        self._opened: T | None = None

    async def opened(self) -> T:
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


def _begin(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")


def _append(file: BinaryIO, feed: Callable[[bytes], None], piece: bytes) -> None:
    feed(piece)
    file.write(piece)


def _finish(file: BinaryIO, known: bytes) -> None:
    file.write(known + _LENGTH.pack(_MARK, len(known)))
    file.flush()
    os.fsync(file.fileno())


def _place(unfinished: Path, path: Path, overwrite: bool) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if overwrite:
            unfinished.replace(path)
        else:
            # Of two who want the same place, one finds it taken.
            os.link(unfinished, path)
    # A folder can not have the name of an object, either.
    except (FileExistsError, IsADirectoryError, NotADirectoryError):
        raise MediaError(Reason.ALREADY_EXISTS) from None


def _drop(file: BinaryIO, unfinished: Path) -> None:
    file.close()
    unfinished.unlink(missing_ok=True)


def _tidy(folder: Path, before: float) -> int:
    removed = 0
    for draft in folder.iterdir() if folder.is_dir() else ():
        # Somebody else may tidy, too.
        with suppress(FileNotFoundError):
            if draft.stat().st_mtime < before:
                draft.unlink()
                removed += 1
    return removed


def _opened(path: Path, key: str) -> tuple[BinaryIO, ObjectInfo]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise _missing() from None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        # A symbolic link is none of ours.
        raise _missing() from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _missing()
    file = os.fdopen(descriptor, "rb")
    try:
        return file, _info(file, key)
    except BaseException:
        file.close()
        raise


def _known(path: Path, key: str) -> ObjectInfo:
    file, info = _opened(path, key)
    file.close()
    return info


def _info(file: BinaryIO, key: str) -> ObjectInfo:
    status = os.fstat(file.fileno())
    try:
        file.seek(-_LENGTH.size, os.SEEK_END)
        mark, length = _LENGTH.unpack(file.read(_LENGTH.size))
        file.seek(-_LENGTH.size - length, os.SEEK_END)
        size_bytes = file.tell()
        # Of a file that is none of ours, this is nothing that reads as JSON.
        known = orjson.loads(file.read(length) if mark == _MARK else b"")
        return ObjectInfo(
            key=key,
            size_bytes=size_bytes,
            content_type=known["contentType"],
            etag=known["etag"],
            modified_at=datetime.fromtimestamp(status.st_mtime, UTC),
            metadata=known["metadata"],
            cache_control=known["cacheControl"],
        )
    except (ValueError, KeyError, OSError, struct.error):
        log.warning("a file in the folder of objects is none", key=key)
        raise _missing() from None


async def _chunks(file: BinaryIO, wanted: ByteRange) -> AsyncIterator[bytes]:
    left = wanted.end - wanted.start
    await _in_thread(file.seek, wanted.start)
    while left:
        piece = await _in_thread(file.read, min(left, CHUNK_BYTES))
        if not piece:
            raise MediaError(Reason.STORAGE_FAILED, "The stored object ended before its time.")
        left -= len(piece)
        yield piece


def _delete(path: Path, root: Path) -> bool:
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
        return False
    with suppress(OSError):
        # Ends at the first folder that is not empty.
        for folder in path.parents:
            if folder == root:
                break
            folder.rmdir()
    return True


def _page(root: Path, prefix: str, page_size: int, after: str) -> ObjectPage:
    found: list[ObjectInfo] = []
    for key in _keys(root, prefix, after):
        if len(found) == page_size:
            return ObjectPage(tuple(found), found[-1].key)
        with suppress(MediaError):
            # It may have been deleted meanwhile.
            info = _known(root / key, key)
            found.append(replace(info, metadata={}, cache_control=""))
    return ObjectPage(tuple(found))


def _keys(root: Path, folder: str, after: str) -> Iterator[str]:
    """Yields the keys in `folder`, that is empty or ends in a slash, that come after `after`, in order."""
    try:
        with os.scandir(root / folder) as entries:
            names = [f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return
    # With their slashes, folders are in the order of the keys that they hold.
    for name in sorted(names):
        key = f"{folder}{name}"
        if not name.endswith("/"):
            if key > after:
                yield key
        elif key > after or after.startswith(key):
            yield from _keys(root, key, after)


def _missing() -> MediaError:
    return MediaError(Reason.NOT_FOUND, "There is no object of this key.")
