"""Makes one video: agrees with an engine, writes down what is about to be paid, begins, brings home, stores."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import orjson

from services.common.errors import MediaError, Reason, invalid
from services.common.input_files import InputFiles
from services.common.log import logger
from services.common.resilience.call import ProviderPolicy, call_with_retries
from services.common.resilience.error_metadata import MAY_BE_CHARGED_KEY
from services.common.worker_pool import WorkerPool
from services.video.generation_task import GenerationTask
from services.video.inputs import Inputs
from services.video.media_types import HEAD_BYTES, MP4, sniff_media_type
from services.video.probe import MediaFile
from services.video.progress import Progress, State
from services.video.providers.interface import VideoProvider, VideoRequest, VideoSpec
from services.video.records import Intent, Record, RecordStore
from services.video.source_image import inspect_source
from services.video.video_store import Place, StoredVideo, VideoStore, digest
from services.video.workspace import Workspaces

log = logger(__name__)

T = TypeVar("T")

MAX_SOURCE_IMAGE_BYTES = 20 * 1024 * 1024
"""Longest image that a video is made of."""
_CLOCKS_DIFFER = timedelta(seconds=60)
_RETRY_SECONDS = 5.0
_ALMOST = 99.0


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What a caller asks for."""

    request: VideoRequest
    image_url: str = ""
    """Address or data URI of the still; empty where `image_key` is given."""
    image_key: str = ""
    """Key of the still."""
    provider: str = ""
    """Who makes it; empty for the usual one."""
    place: Place = field(default_factory=Place)
    """Where it is stored."""
    detach: bool = False
    """Whether the work goes on when the caller leaves."""
    request_id: str = ""
    """The caller's own name for the request; empty if it has none."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what decides the video."""
        request = self.request
        parts = [
            request.prompt,
            request.seconds,
            request.resolution,
            request.model,
            request.prompt_optimizer,
            request.model_input,
        ]
        parts += [request.image_input_name, self.image_url, self.image_key, self.provider, self.place.object_key]
        return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


@dataclass(frozen=True, slots=True)
class VideoGenerator:
    """Makes one video at a time, for as many as call."""

    policy: ProviderPolicy
    files: InputFiles
    """Where stills are."""
    workers: WorkerPool
    """Where they are looked into."""
    inputs: Inputs
    """Looks at finished videos."""
    video_store: VideoStore
    records: RecordStore
    workspaces: Workspaces
    beginning: timedelta = timedelta(seconds=90)
    """How long a request that its caller has named may be on its way to the provider."""
    urls_are_public: bool = True
    """Whether a provider can read what the service can: not where callers' URLs may lead to private places."""

    async def generate(self, video: GenerationTask, provider: VideoProvider, order: GenerationRequest) -> Record:
        """Make a video from the beginning, unless an earlier request of the same name has begun it.

        Raises:
            MediaError: The order cannot be filled, or the video failed.
        """
        intent = Intent(order.fingerprint, datetime.now(UTC))
        known = await self._earlier(order, video.principal, intent)
        if known is not None and known.prediction_id:
            record = await self.records.find(known.prediction_id, video.principal)
            if record.video is not None or provider.outlives_process:
                video.set_prediction_id(known.prediction_id)
                return await self.resume(video, provider, record)
        try:
            # Not before: of a video that was made, the place is taken by the video itself.
            await self.video_store.check(order.place, video.principal)
            spec = await self._spec(order, provider, video)
            found = await self._find_lost(provider, spec, known) if known is not None else None
        except (MediaError, asyncio.CancelledError):
            if known is None:
                await _to_its_end(self._withdraw_intent(order, video.principal))
            raise
        try:
            # Nobody may leave between the moment in which it is paid and the one in which it is written down.
            record = await _to_its_end(self._begin(video, provider, spec, order, intent, found))
        except asyncio.CancelledError:
            await self._unless_wanted(video, provider)
            raise
        return await self.resume(video, provider, record)

    async def resume(self, video: GenerationTask, provider: VideoProvider, record: Record) -> Record:
        """Bring home a video that was begun.

        Raises:
            MediaError: The video failed, or cannot be stored.
        """
        if record.video is not None:
            return record
        try:
            with self.workspaces.folder() as folder:
                path = await provider.bring(record.prediction_id, folder, video.progress)
                media = await self._probe_result(path, record)
                video.progress(Progress(State.STORING, _ALMOST))
                kept = await self._store_video(path, media, record, video.principal)
            finished = replace(record, video=kept)
            await self.records.write(finished, video.principal)
        except asyncio.CancelledError:
            await self._unless_wanted(video, provider)
            raise
        return finished

    def check_same(self, fingerprint: str, order: GenerationRequest) -> None:
        """Refuse a name that another request has.

        Raises:
            MediaError: ALREADY_EXISTS.
        """
        if fingerprint != order.fingerprint:
            raise invalid("request_id", "was used for another request; choose another", Reason.ALREADY_EXISTS)

    async def _earlier(self, order: GenerationRequest, principal: str, intent: Intent) -> Intent | None:
        """Return the intent that an earlier request of the same name has left; None if this is the first."""
        if not order.request_id:
            return None
        known = await self.records.intend(order.request_id, principal, intent)
        if known is None:
            return None
        self.check_same(known.fingerprint, order)
        if not known.prediction_id and intent.at - known.at < self.beginning:
            raise MediaError(
                Reason.UNAVAILABLE,
                "This request is being begun by another call; ask again in a moment.",
                # Sooner nothing can have changed, unless that call comes to its end.
                retry_after_seconds=max(_RETRY_SECONDS, (known.at + self.beginning - intent.at).total_seconds()),
            )
        return known

    async def _find_lost(self, provider: VideoProvider, spec: VideoSpec, known: Intent) -> str | None:
        """Return the id of a video that an earlier call began without living to write it down."""
        if not provider.outlives_process:
            return None
        found = await provider.find(spec, known.at - _CLOCKS_DIFFER)
        log.warning("a video was begun by a call that did not come back", found=found is not None)
        return found

    async def _spec(self, order: GenerationRequest, provider: VideoProvider, video: GenerationTask) -> VideoSpec:
        data = await self.files.read(
            order.image_url, order.image_key, video.principal, max_bytes=MAX_SOURCE_IMAGE_BYTES
        )
        name = "image_key" if order.image_key else "image_url"
        source_image = await self.workers.run(inspect_source, data, name, provider.max_source_image_bytes)
        is_public = self.urls_are_public and order.image_url.startswith("https://")
        return VideoSpec(order.request, video.model, source_image.data, order.image_url if is_public else "")

    async def _begin(
        self,
        video: GenerationTask,
        provider: VideoProvider,
        spec: VideoSpec,
        order: GenerationRequest,
        intent: Intent,
        found: str | None,
    ) -> Record:
        prediction_id = found or await self._request_video(video, provider, spec, order)
        video.set_prediction_id(prediction_id)
        record = Record(
            prediction_id=prediction_id,
            provider=provider.name,
            model=video.model,
            prompt=order.request.prompt,
            seconds=order.request.length_seconds,
            resolution=order.request.shorter_side,
            place=order.place,
        )
        try:
            await self.records.write(record, video.principal)
        except MediaError:
            # A named one is looked for when its name comes again; any other would be paid for and found by nobody.
            if not (order.request_id and provider.outlives_process):
                await _cancel_at_provider(provider, prediction_id)
            raise
        if order.request_id:
            await self.records.bind(order.request_id, video.principal, intent, prediction_id)
        return record

    async def _request_video(
        self, video: GenerationTask, provider: VideoProvider, spec: VideoSpec, order: GenerationRequest
    ) -> str:
        policy = self.policy
        try:
            answered = await call_with_retries(
                lambda: provider.begin(spec),
                provider.name,
                policy,
                policy.start_wait_budget(),
            )
        except MediaError as error:
            # Where it may have been paid, the intent stays, so that the video is looked for before another is begun.
            if MAY_BE_CHARGED_KEY not in error.metadata:
                await self._withdraw_intent(order, video.principal)
            raise
        return answered.answer

    async def _withdraw_intent(self, order: GenerationRequest, principal: str) -> None:
        if order.request_id:
            await self.records.withdraw(order.request_id, principal)

    async def _probe_result(self, path: Path, record: Record) -> MediaFile:
        """Return what a provider's video is made of; what is none is the provider's failure."""
        broken = MediaError(
            Reason.GENERATION_FAILED,
            "The provider delivered a file that is no video; try again, or use another model.",
            metadata={"provider": record.provider},
        )
        with path.open("rb") as file:
            if sniff_media_type(file.read(HEAD_BYTES)) != MP4:
                raise broken
        try:
            media = await self.inputs.look(path, MP4, "video")
        except MediaError as error:
            if error.reason is not Reason.MEDIA_INVALID:
                raise
            raise broken from None
        if media.video is None:
            raise broken
        return media

    async def _store_video(self, path: Path, media: MediaFile, record: Record, principal: str) -> StoredVideo:
        """Store a video, or finds that an earlier attempt has stored it and could not write that down."""
        sha256 = await digest(path)
        said = {"provider": record.provider, "prediction_id": record.prediction_id}
        try:
            return await self.video_store.put(path, sha256, media, record.place, principal, said)
        except MediaError as error:
            taken = error.reason is Reason.ALREADY_EXISTS
            if not taken or not await self.video_store.holds(record.place.object_key, said):
                raise
        return StoredVideo(record.place.object_key, sha256, media)

    async def _unless_wanted(self, video: GenerationTask, provider: VideoProvider) -> None:
        """Tell the provider to stop, where the video was given up, and not this process."""
        if video.unwanted and video.prediction_id:
            await _to_its_end(_cancel_at_provider(provider, video.prediction_id))


async def _cancel_at_provider(provider: VideoProvider, prediction_id: str) -> None:
    with suppress(MediaError):
        await provider.cancel(prediction_id)


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns; who is cancelled meanwhile is so after its end."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise
