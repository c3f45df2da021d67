"""Brings what a caller gives into a folder, and looks into it before anything works on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.common.errors import MediaError, Reason, invalid
from services.common.input_files import InputFiles, naming
from services.common.worker_pool import WorkerPool
from services.video.ffmpeg.arguments import Input
from services.video.media_types import HEAD_BYTES, KNOWN, MediaType, sniff_media_type
from services.video.probe import MediaFile, probe

MAX_SPEECH_BYTES = int(9.5 * 1024 * 1024)
"""Longest file of speech."""
_WRITE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """Where a file is: exactly one of the three."""

    key: str = ""
    """Key of an object of the caller's own."""
    url: str = ""
    """A public address."""
    data: bytes = b""
    """The file itself."""


@dataclass(frozen=True, slots=True)
class LocalInput:
    """A file that is there and was looked into."""

    input: Input
    """How ffmpeg is told of it."""
    media: MediaFile
    """What it is made of."""


class Inputs:
    """Brings files.

    Args:
        files: Where URLs and keys lead.
        workers: Where files are looked into.
        max_bytes: Longest file.
        max_seconds: Longest video or speech.
    """

    def __init__(self, files: InputFiles, workers: WorkerPool, max_bytes: int, max_seconds: float) -> None:
        self._files = files
        self._workers = workers
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds

    async def bring(
        self, source: Source, folder: Path, name: str, principal: str, *, max_bytes: int | None = None
    ) -> LocalInput:
        """Put a file into `folder` and returns what it is.

        Args:
            source: Where it is.
            folder: Where it goes.
            name: Name of the request field that holds it, and of the file.
            principal: Who calls.
            max_bytes: Longest file, where it is less than usual.

        Raises:
            MediaError: Of the source, as `InputFiles` raises; PAYLOAD_TOO_LARGE; MEDIA_INVALID, it is of no known kind.
        """
        most = min(max_bytes or self._max_bytes, self._max_bytes)
        async with self._pieces(source, name, principal, most) as pieces:
            path, kind = await _write(pieces, folder, name, most)
        return LocalInput(Input(path.name, kind.demuxer), await self.look(path, kind, name))

    async def look(self, path: Path, kind: MediaType, field: str) -> MediaFile:
        """Return what a file is made of.

        Raises:
            MediaError: MEDIA_INVALID, naming `field`.
        """
        return await self._workers.run(probe, str(path), kind.demuxer, kind.name, self._max_seconds, field)

    @asynccontextmanager
    async def _pieces(
        self, source: Source, name: str, principal: str, max_bytes: int
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        if source.key:
            field = f"{name}.key"
            info = await self._files.find_owned(source.key, principal, field)
            if info.size_bytes > max_bytes:
                raise _too_large(field, max_bytes)
            async with self._files.store.open(source.key) as found:
                yield found.chunks
        elif source.url and (own := self._files.store.key_from_url(source.url)) is not None:
            # A link of our own is a credential: it leads to the object, and not through the network.
            async with AsyncExitStack() as stack:
                with naming(f"{name}.url"):
                    found = await stack.enter_async_context(self._files.store.open(own))
                yield found.chunks
        elif source.url:
            async with self._files.downloads.stream(source.url, field=f"{name}.url", max_bytes=max_bytes) as streamed:
                yield streamed.chunks
        else:
            yield _one(source.data)


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _write(pieces: AsyncIterator[bytes], folder: Path, name: str, max_bytes: int) -> tuple[Path, MediaType]:
    """Write a file as it comes; what its first bytes do not tell is not read any further."""
    head, gathered, written = bytearray(), bytearray(), 0
    kind: MediaType | None = None
    path = folder / name
    with path.open("xb") as file:
        async for piece in pieces:
            written += len(piece)
            if written > max_bytes:
                raise _too_large(name, max_bytes)
            if kind is None:
                head += piece[:HEAD_BYTES]
                kind = _sniff(bytes(head), name) if len(head) >= HEAD_BYTES else None
            # Small pieces go together; one that is large already is not copied once more.
            if gathered or len(piece) < _WRITE_BYTES:
                gathered += piece
            else:
                await asyncio.to_thread(file.write, piece)
            if len(gathered) >= _WRITE_BYTES:
                await asyncio.to_thread(file.write, bytes(gathered))
                gathered.clear()
        kind = kind or _sniff(bytes(head), name)
        file.write(gathered)
    return path.rename(folder / f"{name}.{kind.extension}"), kind


def _sniff(head: bytes, name: str) -> MediaType:
    kind = sniff_media_type(head)
    if kind is None:
        raise invalid(name, f"must be a file of {KNOWN}", Reason.MEDIA_INVALID)
    return kind


def _too_large(field: str, max_bytes: int) -> MediaError:
    return invalid(field, f"must have at most {max_bytes} bytes", Reason.PAYLOAD_TOO_LARGE)
