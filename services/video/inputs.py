"""Fetches the files of a request into a folder and probes them before any other work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from services.common.errors import MediaError, Reason, invalid
from services.common.input_files import InputFiles, name_field_in_errors
from services.common.worker_pool import WorkerPool
from services.video.ffmpeg.arguments import Input
from services.video.media_types import (
    HEAD_BYTES,
    OGG,
    SUPPORTED_TYPES,
    WAV,
    MediaType,
    measure_id3,
    sniff_media_type,
)
from services.video.ogg_links import decode_links, find_links
from services.video.probe import MediaFile, probe_file

MAX_SPEECH_BYTES = int(9.5 * 1024 * 1024)
"""Largest speech file."""
_WRITE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """Source of a file; exactly one field is set."""

    key: str = ""
    """Key of an object of the caller."""
    url: str = ""
    """A public URL."""
    data: bytes = b""
    """The content of the file."""


@dataclass(frozen=True, slots=True)
class LocalInput:
    """A fetched and probed file."""

    input: Input
    """Name and format, as ffmpeg needs them."""
    media: MediaFile
    """Container and streams."""


class Inputs:
    """Fetches and probes files. One instance serves all calls.

    Args:
        files: Downloads URLs and reads objects of the caller.
        workers: Processes that probe files.
        max_bytes: Largest file.
        max_seconds: Longest video or speech.
    """

    def __init__(self, files: InputFiles, workers: WorkerPool, max_bytes: int, max_seconds: float) -> None:
        self._files = files
        self._workers = workers
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds

    async def fetch(
        self, source: Source, folder: Path, name: str, principal: str, *, max_bytes: int | None = None
    ) -> LocalInput:
        """Fetch a file into `folder` and probe it.

        Args:
            source: Where to fetch it from.
            folder: Target folder.
            name: Name of the request field, and of the file.
            principal: The caller.
            max_bytes: Largest file, if smaller than the service's own limit.

        Raises:
            MediaError: The source is not accessible, as `InputFiles` raises it; PAYLOAD_TOO_LARGE; MEDIA_INVALID, the
                media type is not supported.
        """
        most = min(max_bytes or self._max_bytes, self._max_bytes)
        async with self._open_source(source, name, principal, most) as pieces:
            path, media_type = await _write_file(pieces, folder, name, most)
        if media_type == OGG and len(begins := await asyncio.to_thread(find_links, path)) > 1:
            return await self._join_links(path, begins, name)
        return LocalInput(Input(path.name, media_type.demuxer), await self.probe(path, media_type, name))

    async def probe(self, path: Path, media_type: MediaType, field: str) -> MediaFile:
        """Return the container and streams of a file.

        Raises:
            MediaError: MEDIA_INVALID, naming `field`.
        """
        return await self._workers.run(
            probe_file, str(path), media_type.demuxer, media_type.name, self._max_seconds, field
        )

    async def _join_links(self, path: Path, begins: tuple[int, ...], name: str) -> LocalInput:
        """Return a chained Ogg file as one WAV file with the sound of all links."""
        target = path.with_suffix(f".{WAV.extension}")
        codec = await self._workers.run(decode_links, str(path), begins, str(target), self._max_seconds, name)
        media = await self.probe(target, WAV, name)
        streams = tuple(replace(stream, codec=codec) for stream in media.streams)
        # The caller is told about the file that it sent.
        size_bytes = (await asyncio.to_thread(path.stat)).st_size
        sent = replace(media, container=OGG.name, size_bytes=size_bytes, streams=streams)
        return LocalInput(Input(target.name, WAV.demuxer), sent)

    @asynccontextmanager
    async def _open_source(
        self, source: Source, name: str, principal: str, max_bytes: int
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        if source.key:
            field = f"{name}.key"
            info = await self._files.find_owned(source.key, principal, field)
            if info.size_bytes > max_bytes:
                raise _build_too_large_error(field, max_bytes)
            async with self._files.store.open(info.key) as found:
                yield found.chunks
        elif source.url and (own := self._files.store.key_from_url(source.url)) is not None:
            # A signed URL of our own store grants access by itself: read the object directly, not over the network.
            async with AsyncExitStack() as stack:
                with name_field_in_errors(f"{name}.url"):
                    found = await stack.enter_async_context(self._files.store.open(own))
                yield found.chunks
        elif source.url:
            async with self._files.downloads.stream(source.url, field=f"{name}.url", max_bytes=max_bytes) as streamed:
                yield streamed.chunks
        else:
            yield _yield_once(source.data)


async def _yield_once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _write_file(pieces: AsyncIterator[bytes], folder: Path, name: str, max_bytes: int) -> tuple[Path, MediaType]:
    """Write a file piece by piece; stop at once if its first bytes are not of a supported type."""
    head, gathered, written = bytearray(), bytearray(), 0
    media_type: MediaType | None = None
    path = folder / name
    with path.open("xb") as file:
        async for piece in pieces:
            written += len(piece)
            if written > max_bytes:
                raise _build_too_large_error(name, max_bytes)
            if media_type is None:
                head += piece[:HEAD_BYTES]
                media_type = _require_media_type(bytes(head), name) if len(head) >= HEAD_BYTES else None
            # Small pieces are collected into one write; a large piece is not copied.
            if gathered or len(piece) < _WRITE_BYTES:
                gathered += piece
            else:
                await asyncio.to_thread(file.write, piece)
            if len(gathered) >= _WRITE_BYTES:
                await asyncio.to_thread(file.write, bytes(gathered))
                gathered.clear()
        media_type = media_type or _require_media_type(bytes(head), name)
        file.write(gathered)
    if (tag_bytes := measure_id3(bytes(head))) >= len(head) > 0:
        # A tag with a cover is larger than the head: what it describes is known only now.
        media_type = _require_media_type(await asyncio.to_thread(_read_at, path, tag_bytes), name)
    return path.rename(folder / f"{name}.{media_type.extension}"), media_type


def _read_at(path: Path, position: int) -> bytes:
    with path.open("rb") as file:
        file.seek(position)
        return file.read(HEAD_BYTES)


def _require_media_type(head: bytes, name: str) -> MediaType:
    media_type = sniff_media_type(head)
    if media_type is None:
        raise invalid(name, f"must be a file of {SUPPORTED_TYPES}", Reason.MEDIA_INVALID)
    return media_type


def _build_too_large_error(field: str, max_bytes: int) -> MediaError:
    return invalid(field, f"must have at most {max_bytes} bytes", Reason.PAYLOAD_TOO_LARGE)
