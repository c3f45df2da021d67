"""The files of the local object store; all functions block, so run them in threads.

Each object is one file: its data, then its properties as JSON, then a mark and the length of the JSON. So data and
properties cannot contradict each other, and an object appears and disappears in one atomic operation.
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
_MOVE_ATTEMPTS = 20

log = logger(__name__)


def create_draft(path: Path) -> BinaryIO:
    """Create a draft that only this user may read."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")


def adopt_file(source: Path, path: Path) -> BinaryIO:
    """Move a complete file to `path` as a draft and open it for appending."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        source.rename(path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _move_between_file_systems(source, path)
    file = path.open("ab")
    os.fchmod(file.fileno(), 0o600)
    return file


def _move_between_file_systems(source: Path, path: Path) -> None:
    """Move a file to another file system; leaves no partial copy."""
    try:
        shutil.copyfile(source, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    source.unlink()


def append(file: BinaryIO, feed: Callable[[bytes], None], piece: bytes) -> None:
    """Write a piece and pass it to `feed`, such as the update of a digest."""
    feed(piece)
    file.write(piece)


def finish_draft(file: BinaryIO, properties: bytes) -> None:
    """Append the properties to the data and flush the file to the disk."""
    file.write(properties + _LENGTH.pack(_MARK, len(properties)))
    file.flush()
    os.fsync(file.fileno())


def move_to_place(draft: Path, path: Path, overwrite: bool) -> None:
    """Move a finished draft to its place.

    Raises:
        MediaError: ALREADY_EXISTS, the place is taken and must not be overwritten.
    """
    # `delete` removes empty folders, so a folder may vanish between its creation and the move.
    for _ in range(_MOVE_ATTEMPTS):
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if overwrite:
                draft.replace(path)
            else:
                # A link is atomic: the second of two concurrent writers gets FileExistsError.
                os.link(draft, path)
        except FileNotFoundError:
            continue
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            # A folder cannot take the name of an object either.
            if path.exists() or any(folder.is_file() for folder in path.parents):
                raise MediaError(Reason.ALREADY_EXISTS) from None
        else:
            return
    raise FileNotFoundError(errno.ENOENT, "the folder is removed again and again")


def drop_draft(file: BinaryIO, draft: Path) -> None:
    """Close a draft and remove its file unless it was moved."""
    file.close()
    draft.unlink(missing_ok=True)


def remove_stale_drafts(folder: Path, before: float) -> int:
    """Remove drafts without a write since `before`, and return the number of removed ones."""
    removed = 0
    for draft in folder.iterdir() if folder.is_dir() else ():
        # Another process may remove the same drafts.
        with suppress(FileNotFoundError):
            if draft.stat().st_mtime < before:
                draft.unlink()
                removed += 1
    return removed


def open_object(path: Path, key: str) -> tuple[BinaryIO, ObjectInfo]:
    """Open the file of an object and return it with the properties of the object.

    Raises:
        MediaError: NOT_FOUND.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise _build_not_found_error() from None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        # The store never creates symbolic links.
        raise _build_not_found_error() from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _build_not_found_error()
    file = os.fdopen(descriptor, "rb")
    try:
        return file, _read_properties(file, key)
    except BaseException:
        file.close()
        raise


def read_info(path: Path, key: str) -> ObjectInfo:
    """Return the properties of an object.

    Raises:
        MediaError: NOT_FOUND.
    """
    file, info = open_object(path, key)
    file.close()
    return info


def _read_properties(file: BinaryIO, key: str) -> ObjectInfo:
    status = os.fstat(file.fileno())
    try:
        file.seek(-_LENGTH.size, os.SEEK_END)
        mark, length = _LENGTH.unpack(file.read(_LENGTH.size))
        file.seek(-_LENGTH.size - length, os.SEEK_END)
        size_bytes = file.tell()
        # Without the mark the file is not an object; the empty text then fails to parse.
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
        log.warning("a file in the folder of objects is not an object", key=key)
        raise _build_not_found_error() from None


def delete(path: Path, root: Path) -> bool:
    """Remove the file of an object and the folders that become empty; return whether it existed."""
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (IsADirectoryError, PermissionError):
        # Some systems raise PermissionError for a folder. For a file it means that the object still exists.
        if path.is_dir():
            return False
        raise
    with suppress(OSError):
        # Stops at the first folder that is not empty.
        for folder in path.parents:
            if folder == root:
                break
            folder.rmdir()
    return True


def list_page(root: Path, prefix: str, page_size: int, after: str) -> ObjectPage:
    """Return a page of the objects under `prefix` with keys after `after`."""
    found: list[ObjectInfo] = []
    for key in _list_keys(root, prefix, after):
        if len(found) == page_size:
            return ObjectPage(tuple(found), found[-1].key)
        with suppress(MediaError):
            # The object may have been deleted since its name was read.
            info = read_info(root / key, key)
            found.append(replace(info, metadata={}, cache_control=""))
    return ObjectPage(tuple(found))


def _list_keys(root: Path, folder: str, after: str) -> Iterator[str]:
    """Yield the keys after `after` in `folder`, in order; `folder` is empty or ends in a slash."""
    try:
        with os.scandir(root / folder) as entries:
            names = [f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return
    # With a slash at its end, the name of a folder sorts like the keys in it.
    for name in sorted(names):
        key = f"{folder}{name}"
        if not name.endswith("/"):
            if key > after:
                yield key
        elif key > after or after.startswith(key):
            yield from _list_keys(root, key, after)


def _build_not_found_error() -> MediaError:
    return MediaError(Reason.NOT_FOUND, "No object has this key.")
