"""What an object is on the disk: written beside, moved to its place, read, listed and removed. Runs in threads.

Each object is one file: its bytes, then what is known about it as JSON, then the length of that. So what is said and
what is there cannot contradict each other, and an object appears and goes in one step of the file system.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import orjson

from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.common.storage.interface import ObjectInfo, ObjectPage

_LENGTH = struct.Struct(">8sI")
_MARK = b"mediaobj"
_PLACING_ATTEMPTS = 20

log = logger(__name__)


def begin(path: Path) -> BinaryIO:
    """Make a new file that only we may read."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")


def adopt(given: Path, path: Path) -> BinaryIO:
    """Take a finished file over as an unfinished object, to be written on at its end; it is not where it was then."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        given.rename(path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _move_across(given, path)
    file = path.open("ab")
    os.fchmod(file.fileno(), 0o600)
    return file


def _move_across(given: Path, path: Path) -> None:
    """Move a file to another file system; what cannot be copied whole is not left there."""
    try:
        shutil.copyfile(given, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    given.unlink()


def append(file: BinaryIO, feed: Callable[[bytes], None], piece: bytes) -> None:
    """Write a piece and feeds a digest with it."""
    feed(piece)
    file.write(piece)


def finish(file: BinaryIO, said: bytes) -> None:
    """Write what is known about the object behind its bytes, and has it all on the disk."""
    file.write(said + _LENGTH.pack(_MARK, len(said)))
    file.flush()
    os.fsync(file.fileno())


def place(unfinished: Path, path: Path, overwrite: bool) -> None:
    """Move a finished file to its place.

    Raises:
        MediaError: ALREADY_EXISTS, it is taken and must not be overwritten.
    """
    # A folder goes with its last object, perhaps at the moment at which another one is to come there.
    for _ in range(_PLACING_ATTEMPTS):
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if overwrite:
                unfinished.replace(path)
            else:
                # Of two who want the same place, one finds it taken.
                os.link(unfinished, path)
        except FileNotFoundError:
            continue
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            # A folder cannot have the name of an object, either.
            if path.exists() or any(folder.is_file() for folder in path.parents):
                raise MediaError(Reason.ALREADY_EXISTS) from None
        else:
            return
    raise FileNotFoundError(errno.ENOENT, "the folder does not stay")


def drop(file: BinaryIO, unfinished: Path) -> None:
    """Close a file and removes what is left of it beside."""
    file.close()
    unfinished.unlink(missing_ok=True)


def remove_stale_drafts(folder: Path, before: float) -> int:
    """Remove files that nobody has written to since `before`, and returns how many there were."""
    removed = 0
    for draft in folder.iterdir() if folder.is_dir() else ():
        # Somebody else may tidy, too.
        with suppress(FileNotFoundError):
            if draft.stat().st_mtime < before:
                draft.unlink()
                removed += 1
    return removed


def open_object(path: Path, key: str) -> tuple[BinaryIO, ObjectInfo]:
    """Return the file of an object, open, and what is known about it.

    Raises:
        MediaError: NOT_FOUND.
    """
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


def read_info(path: Path, key: str) -> ObjectInfo:
    """Return what is known about an object.

    Raises:
        MediaError: NOT_FOUND.
    """
    file, info = open_object(path, key)
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
        saved = orjson.loads(file.read(length) if mark == _MARK else b"")
        return ObjectInfo(
            key=key,
            size_bytes=size_bytes,
            content_type=saved["contentType"],
            etag=saved["etag"],
            modified_at=datetime.fromtimestamp(status.st_mtime, UTC),
            metadata=saved["metadata"],
            cache_control=saved["cacheControl"],
        )
    except (ValueError, KeyError, OSError, struct.error):
        log.warning("a file in the folder of objects is none", key=key)
        raise _missing() from None


def delete(path: Path, root: Path) -> bool:
    """Remove the file of an object and folders that it leaves empty; returns whether there was one."""
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (IsADirectoryError, PermissionError):
        # Some systems say of a folder that it may not be deleted; an object that may not is still there.
        if path.is_dir():
            return False
        raise
    with suppress(OSError):
        # Ends at the first folder that is not empty.
        for folder in path.parents:
            if folder == root:
                break
            folder.rmdir()
    return True


def page(root: Path, prefix: str, page_size: int, after: str) -> ObjectPage:
    """Return the objects under `prefix` whose keys come after `after`."""
    found: list[ObjectInfo] = []
    for key in _keys(root, prefix, after):
        if len(found) == page_size:
            return ObjectPage(tuple(found), found[-1].key)
        with suppress(MediaError):
            # It may have been deleted meanwhile.
            info = read_info(root / key, key)
            found.append(replace(info, metadata={}, cache_control=""))
    return ObjectPage(tuple(found))


def _keys(root: Path, folder: str, after: str) -> Iterator[str]:
    """Yield the keys in `folder`, that is empty or ends in a slash, that come after `after`, in order."""
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
