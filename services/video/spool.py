"""A file that is read while it is written, each at its own speed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

_PIECE_BYTES = 64 * 1024


class Spool:
    """Takes bytes as fast as they are made, and gives them to one reader as fast as he takes them.

    Args:
        path: Where they lie meanwhile; nothing may be there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._written_bytes = 0
        self._is_whole = False
        self._news = asyncio.Event()

    @contextmanager
    def open(self) -> Iterator[Self]:
        """Hold the file open for writing; whoever reads opens it for himself."""
        with self._path.open("xb", buffering=0) as self._file:
            yield self

    async def write(self, data: bytes) -> None:
        """Add to the file."""
        assert self._file is not None  # noqa: S101 - told so to mypy: it is opened
        await asyncio.to_thread(self._file.write, data)
        self._written_bytes += len(data)
        self._news.set()

    def end(self) -> None:
        """Say that nothing more comes."""
        self._is_whole = True
        self._news.set()

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Yield everything in order, as it comes, until the end."""
        read_bytes = 0
        with self._path.open("rb", buffering=0) as file:
            while True:
                self._news.clear()
                while read_bytes < self._written_bytes:
                    piece = await asyncio.to_thread(file.read, min(_PIECE_BYTES, self._written_bytes - read_bytes))
                    read_bytes += len(piece)
                    yield piece
                if self._is_whole and read_bytes == self._written_bytes:
                    return
                await self._news.wait()
