"""A file that one task writes while another reads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

_PIECE_BYTES = 64 * 1024


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
