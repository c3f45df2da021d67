"""Speech that is produced once for all readers of a link, whether they stay until the end or not."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from functools import partial

from media.tts.v1 import tts_pb2

from services.common.errors import MediaError
from services.common.storage import ObjectInfo

_READ_BYTES = 256 * 1024


class SpeechProduction:
    """The speech of one link: audio that grows in a file, and in the end an object of the store."""

    def __init__(self) -> None:
        self.header: tts_pb2.SpeechHeader | None = None
        """Header of the audio; None until the first audio is there, and if the audio is stored already."""
        self.stored: ObjectInfo | None = None
        """The object, once the audio is stored."""
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the last user
        self._users = 0
        self._size_bytes = 0
        self._is_complete = False
        self._error: MediaError | None = None
        self._changed = asyncio.Event()

    @contextmanager
    def use(self) -> Iterator[None]:
        """Keep the file open; producer and readers use the production only in this context."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._file.close()

    async def wait_until_ready(self) -> None:
        """Wait for the first audio or for the stored object.

        Raises:
            MediaError: The production failed before.
        """
        await self._wait(lambda: self.header is not None or self.stored is not None)

    async def wait_until_stored(self) -> ObjectInfo:
        """Wait for the stored object.

        Raises:
            MediaError: The production failed.
        """
        await self._wait(lambda: self.stored is not None)
        assert self.stored is not None  # noqa: S101 - for mypy: awaited above
        return self.stored

    async def read(self) -> AsyncGenerator[bytes]:
        """Yield the audio from its start, each piece as soon as it is there.

        Raises:
            MediaError: The production failed; the audio is incomplete.
        """
        offset = 0
        while True:
            await self._wait(partial(self._has_more, offset))
            if offset == self._size_bytes:
                return
            length = min(_READ_BYTES, self._size_bytes - offset)
            piece = await asyncio.to_thread(os.pread, self._file.fileno(), length, offset)
            offset += len(piece)
            yield piece

    async def add(self, audio: bytes) -> None:
        """Append audio."""
        # Threads read and write at the same time, so each names its offset.
        await asyncio.to_thread(os.pwrite, self._file.fileno(), audio, self._size_bytes)
        self._size_bytes += len(audio)
        self._notify()

    def begin(self, header: tts_pb2.SpeechHeader) -> None:
        """Set the header, once the first audio is there."""
        self.header = header
        self._notify()

    def complete(self) -> None:
        """Mark the audio as complete."""
        self._is_complete = True
        self._notify()

    def finish(self, stored: ObjectInfo) -> None:
        """Set the stored object."""
        self.stored = stored
        self._notify()

    def fail(self, error: MediaError) -> None:
        """Make all readers fail that wait for more; a later failure changes nothing."""
        self._error = self._error or error
        self._notify()

    async def _wait(self, is_reached: Callable[[], bool]) -> None:
        while not is_reached():
            if self._error is not None:
                raise self._error
            changed = self._changed
            await changed.wait()

    def _has_more(self, offset: int) -> bool:
        return self._size_bytes > offset or self._is_complete

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
