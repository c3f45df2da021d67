"""Temporary folders for the files of one call, and files that one task writes while another reads them."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Self

_PREFIX = "media-video-"
_PIECE_BYTES = 64 * 1024


class Workspaces:
    """Creates folders below one root folder of this process.

    Args:
        parent: Folder for the root; the system's folder for temporary files if None.
    """

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent or Path(tempfile.gettempdir())
        self._root: Path | None = None

    @contextmanager
    def open(self) -> Iterator[Workspaces]:
        """Create the root folder and remove it at the end; first remove the roots of processes that have died."""
        self._parent.mkdir(parents=True, exist_ok=True)
        for old in self._parent.glob(f"{_PREFIX}*"):
            with _try_lock(old) as is_locked:
                if is_locked:
                    shutil.rmtree(old, ignore_errors=True)
        with ExitStack() as stack:
            self._root = self._create_root(stack)
            try:
                yield self
            finally:
                shutil.rmtree(self._root, ignore_errors=True)
                self._root = None

    @contextmanager
    def open_folder(self) -> Iterator[Path]:
        """Create an empty folder that only this user may enter, and remove it at the end."""
        folder = Path(tempfile.mkdtemp(dir=self._root))
        try:
            yield folder
        finally:
            # Not in a thread: an event loop that shuts down would not run it.
            shutil.rmtree(folder, ignore_errors=True)

    def _create_root(self, stack: ExitStack) -> Path:
        """Return a new, locked folder; try again if another process locks and removes it first."""
        while True:
            root = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))
            if stack.enter_context(_try_lock(root)) and root.exists():
                return root


@contextmanager
def _try_lock(folder: Path) -> Iterator[bool]:
    """Try to lock a folder and yield whether that succeeded.

    The system releases the lock when the process ends, however it ends. A process id would not do: ids are reused, and
    have no meaning in another container.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


class Spool:
    """Buffers bytes in a file, so that a slow reader does not slow down the writer.

    One writer and one reader use a spool at the same time.

    Args:
        path: Path of the file; it must not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._written_bytes = 0
        self._is_finished = False
        self._changed = asyncio.Event()

    @contextmanager
    def open(self) -> Iterator[Self]:
        """Keep the file open for writing; `read` opens the file a second time."""
        with self._path.open("xb", buffering=0) as self._file:
            yield self

    async def write(self, data: bytes) -> None:
        """Append `data` to the file."""
        assert self._file is not None  # noqa: S101 - for mypy: `open` was entered
        await asyncio.to_thread(self._file.write, data)
        self._written_bytes += len(data)
        self._changed.set()

    def finish(self) -> None:
        """Mark the file as complete, so that `read` ends."""
        self._is_finished = True
        self._changed.set()

    async def read(self) -> AsyncGenerator[bytes]:
        """Yield all bytes in order, waiting for new ones until `finish` is called."""
        read_bytes = 0
        with self._path.open("rb", buffering=0) as file:
            while True:
                self._changed.clear()
                while read_bytes < self._written_bytes:
                    piece = await asyncio.to_thread(file.read, min(_PIECE_BYTES, self._written_bytes - read_bytes))
                    read_bytes += len(piece)
                    yield piece
                if self._is_finished and read_bytes == self._written_bytes:
                    return
                await self._changed.wait()
