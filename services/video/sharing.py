"""Shares videos between identical requests: finds running generations, and caches finished ones."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import orjson

from services.common.cache import CacheStatus, Collection, Entry, TieredCache
from services.common.cache.blobs import CacheBlobs
from services.common.errors import MediaError, Reason
from services.common.log import logger
from services.common.storage import ObjectStore
from services.video.generation_request import GenerationRequest
from services.video.generation_task import GenerationTask
from services.video.progress import STORE_CEILING_PERCENT, Completed, Progress, State
from services.video.providers.interface import VideoSpec
from services.video.records import GenerationRecord, GenerationRecords, Intent
from services.video.video_store import CONTENT_TYPE, StoredVideo, VideoStore, video_from_json, video_to_json
from services.video.workspace import Workspaces

log = logger(__name__)

COLLECTION = Collection(name="VideoCache", data_field="videoData", url_field="videoUrl")
BLOB_PREFIX = "cache/videos/"
_COPY = "copy.mp4"
_KEY_VERSION = 2
"""Incremented when the same request may give another video than older versions stored."""
_ENTRY_BYTES = 4000
"""Estimate of the memory that an entry takes."""


def build_cache_key(provider: str, spec: VideoSpec) -> str:
    """Return the SHA-256 of everything that decides what the provider generates.

    Args:
        provider: Name of the provider.
        spec: The request, with the defaults of its model.
    """
    request = spec.request
    key_fields = {
        "version": _KEY_VERSION,
        "provider": provider,
        "model": spec.model,
        "prompt": request.prompt,
        "seconds": request.seconds,
        "resolution": request.resolution,
        "promptOptimizer": request.prompt_optimizer,
        "modelInput": request.model_input,
        "imageInputName": request.image_input_name,
        "source": hashlib.sha256(spec.source_image).hexdigest(),
    }
    return hashlib.sha256(orjson.dumps(key_fields, option=orjson.OPT_SORT_KEYS)).hexdigest()


@dataclass(frozen=True, slots=True)
class CachedVideo:
    """A finished video, as a file that belongs to the cache."""

    video: StoredVideo
    provider: str
    model: str


class VideoCodec:
    """Converts cached videos to entries of the cache store and back."""

    def encode(self, key: str, cached: CachedVideo, created_at: datetime, expires_at: datetime) -> Entry:
        """Return the document; the file itself is in the object store."""
        fields = {"provider": cached.provider, "model": cached.model, "video": video_to_json(cached.video)}
        return Entry(key, fields, b"", created_at, expires_at)

    def decode(self, entry: Entry) -> CachedVideo:
        """Return the video that `encode` wrote; raise if the document has another form."""
        fields = entry.fields
        return CachedVideo(video_from_json(fields["video"]), fields["provider"], fields["model"])

    def size_bytes(self, cached: CachedVideo) -> int:
        """Return an estimate of the memory that a video takes."""
        return _ENTRY_BYTES + 200 * len(cached.video.media.streams)


class SharedVideos:
    """The running generations of this process and the finished videos of all, by the key of their request.

    A caller that shares a video gets a copy of its own, under an id of its own, and pays nothing.

    Args:
        store: The object store.
        cache: Cache of finished videos; None disables it, not the sharing of running generations.
        blobs: Files of the cache.
        records: Records of generations.
        video_store: Stores the copies.
        workspaces: Folders for the copies.
    """

    def __init__(
        self,
        store: ObjectStore,
        cache: TieredCache[CachedVideo] | None,
        blobs: CacheBlobs,
        records: GenerationRecords,
        video_store: VideoStore,
        workspaces: Workspaces,
    ) -> None:
        self._store = store
        self._cache = cache
        self._blobs = blobs
        self._records = records
        self._video_store = video_store
        self._workspaces = workspaces
        self._leaders: dict[str, GenerationTask] = {}

    async def take(
        self, key: str, task: GenerationTask, request: GenerationRequest, intent: Intent
    ) -> GenerationRecord | None:
        """Return a copy of the video of an identical request, running or finished; None without one.

        Args:
            key: Key of the request.
            task: The task of the caller, which reports progress.
            request: The request, with its destination.
            intent: Intent of the request.

        Raises:
            MediaError: The running generation failed, or the copy cannot be stored.
        """
        while True:
            if (leader := self._leaders.get(key)) is not None:
                record = await self._follow(leader, task, request, intent)
            elif (cached := await self._find(key)) is not None:
                record = await self._reuse(key, cached, task, request, intent)
            elif key in self._leaders:
                continue
            else:
                return None
            if record is not None:
                return record

    @contextmanager
    def lead(self, key: str, task: GenerationTask) -> Iterator[None]:
        """Let identical requests join `task` until the context ends."""
        self._leaders[key] = task
        try:
            yield
        finally:
            del self._leaders[key]

    async def add(self, key: str, record: GenerationRecord) -> None:
        """Cache the video of a finished generation; a failure is only logged: the video belongs to its caller."""
        if self._cache is None or record.video is None:
            return
        try:
            object_key = await self._blobs.put(key, self._read(record.video.key), CONTENT_TYPE)
        except MediaError as error:
            log.warning("cannot cache a video", reason=error.reason.name)
            return
        video = StoredVideo(object_key, record.video.sha256, record.video.media)
        self._cache.put(key, CachedVideo(video, record.provider, record.model))

    async def _find(self, key: str) -> CachedVideo | None:
        return None if self._cache is None else await self._cache.get(key)

    async def _follow(
        self, leader: GenerationTask, task: GenerationTask, request: GenerationRequest, intent: Intent
    ) -> GenerationRecord | None:
        """Wait for the generation of an identical request; return None if its caller cancelled it."""
        task.is_follower = True
        record: GenerationRecord | None = None
        try:
            async with aclosing(leader.listen(detach=False)) as items:
                async for item in items:
                    if isinstance(item, Completed):
                        return await self._copy(item.result.video, record, task)
                    if record is None:
                        record = _build_record(request, item.provider, item.model, "joined", item.prediction_id)
                        await self._write(record, task, request, intent)
                    task.report(item.progress)
        except MediaError as error:
            if error.reason is not Reason.CANCELLED:
                raise
        finally:
            task.is_follower = False
        return None

    async def _reuse(
        self, key: str, cached: CachedVideo, task: GenerationTask, request: GenerationRequest, intent: Intent
    ) -> GenerationRecord | None:
        """Return a copy of a finished video; None if its file is gone."""
        record = _build_record(request, cached.provider, cached.model, "hit", "")
        finished = await self._copy(cached.video, record, task)
        if finished is None:
            log.info("a cached video is gone; generating again", provider=cached.provider)
            if self._cache is not None:
                self._cache.discard(key)
            return None
        await self._write(finished, task, request, intent)
        return finished

    async def _copy(
        self, video: StoredVideo | None, record: GenerationRecord | None, task: GenerationTask
    ) -> GenerationRecord | None:
        """Store a copy of `video` for the caller of `task`; return None if the video does not exist any more."""
        if video is None or record is None:
            return None
        with self._workspaces.open_folder() as folder:
            path = folder / _COPY
            try:
                await self._download(video.key, path)
            except MediaError as error:
                if error.reason is not Reason.NOT_FOUND:
                    raise
                return None
            task.report(Progress(State.STORING, STORE_CEILING_PERCENT))
            stored = await self._video_store.put(
                path, video.sha256, video.media, record.destination, task.principal, record.origin
            )
        finished = replace(record, video=stored)
        await self._records.write(finished, task.principal)
        return finished

    async def _write(
        self, record: GenerationRecord, task: GenerationTask, request: GenerationRequest, intent: Intent
    ) -> None:
        task.set_prediction_id(record.prediction_id)
        await self._records.write(record, task.principal)
        if request.request_id:
            await self._records.bind_intent(request.request_id, task.principal, intent, record.prediction_id)

    async def _download(self, key: str, path: Path) -> None:
        with path.open("wb") as file:
            async for chunk in self._read(key):
                await asyncio.to_thread(file.write, chunk)

    async def _read(self, key: str) -> AsyncIterator[bytes]:
        async with self._store.open(key) as opened:
            async for chunk in opened.chunks:
                yield chunk


def _build_record(
    request: GenerationRequest, provider: str, model: str, cache_status: CacheStatus, source_id: str
) -> GenerationRecord:
    return GenerationRecord(
        prediction_id=f"shared-{uuid.uuid4().hex}",
        provider=provider,
        model=model,
        prompt=request.request.prompt,
        seconds=request.request.length_seconds,
        resolution=request.request.shorter_side,
        destination=request.destination,
        source_id=source_id,
        cache_status=cache_status,
    )
