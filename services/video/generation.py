"""Generates one video: asks a provider for it, records the payment, waits for the result and stores it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from services.common.errors import MAY_BE_CHARGED_KEY, MediaError, Reason
from services.common.input_files import InputFiles
from services.common.log import logger
from services.common.resilience.retry import ProviderPolicy, call_with_retries
from services.common.worker_pool import WorkerPool
from services.video.generation_request import GenerationRequest
from services.video.generation_task import GenerationTask
from services.video.inputs import Inputs
from services.video.media_types import HEAD_BYTES, MP4, sniff_media_type
from services.video.probe import MediaFile
from services.video.progress import STORE_CEILING_PERCENT, Progress, State
from services.video.providers.interface import VideoProvider, VideoSpec
from services.video.records import GenerationRecord, GenerationRecords, Intent
from services.video.sharing import SharedVideos, build_cache_key
from services.video.source_image import SourceImage, prepare_source_image
from services.video.video_store import StoredVideo, VideoStore, compute_sha256
from services.video.workspace import Workspaces

log = logger(__name__)

T = TypeVar("T")

MAX_SOURCE_IMAGE_BYTES = 20 * 1024 * 1024
"""Largest source image."""
_CLOCKS_DIFFER = timedelta(seconds=60)
_RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class VideoGenerator:
    """Generates videos, each paid at most once per request id. One instance serves all calls.

    The order of the steps is what makes a video recoverable: write the intent, ask the provider, write the record,
    then wait for the video. See docs/adr/0014-videos-are-paid-once.md.
    """

    policy: ProviderPolicy
    files: InputFiles
    """Reads source images."""
    workers: WorkerPool
    """Decodes source images."""
    inputs: Inputs
    """Probes generated videos."""
    video_store: VideoStore
    records: GenerationRecords
    workspaces: Workspaces
    shared: SharedVideos
    """Videos of identical requests."""
    beginning: timedelta = timedelta(seconds=90)
    """How long an intent without a prediction id counts as a call that is still on its way to the provider."""
    urls_are_public: bool = True
    """Whether providers can read callers' URLs. False where the service may fetch from private addresses."""

    async def generate(
        self, task: GenerationTask, provider: VideoProvider, request: GenerationRequest
    ) -> GenerationRecord:
        """Generate a video, or finish the one that an earlier call with the same request id began.

        Raises:
            MediaError: The request is invalid, or the generation failed.
        """
        intent = Intent(request.fingerprint, datetime.now(UTC))
        earlier = await self._find_earlier(request, task.principal, intent)
        if earlier is not None and earlier.prediction_id:
            record = await self.records.find(earlier.prediction_id, task.principal)
            if record.video is not None or provider.outlives_process:
                task.set_prediction_id(earlier.prediction_id)
                return await self.finish(task, provider, record)
        try:
            # Only now: a finished video occupies its own destination, and would fail this check.
            await self.video_store.check(request.destination)
            spec = await self._build_spec(request, provider, task)
            found = await self._find_lost(provider, spec, earlier) if earlier is not None else None
        except (MediaError, asyncio.CancelledError):
            if earlier is None:
                await _run_to_end(self._withdraw_intent(request, task.principal))
            raise
        if not request.use_cache or found is not None:
            return await self._generate_new(task, provider, spec, request, intent, found)
        key = build_cache_key(provider.name, spec)
        try:
            taken = await self.shared.take(key, task, request, intent)
        except (MediaError, asyncio.CancelledError):
            if not task.prediction_id:
                await _run_to_end(self._withdraw_intent(request, task.principal))
            raise
        if taken is not None:
            return taken
        with self.shared.lead(key, task):
            finished = await self._generate_new(task, provider, spec, request, intent, None)
            # Before the others can start: a request that comes after this one must find the video.
            await self.shared.add(key, finished)
        return finished

    async def _generate_new(
        self,
        task: GenerationTask,
        provider: VideoProvider,
        spec: VideoSpec,
        request: GenerationRequest,
        intent: Intent,
        found: str | None,
    ) -> GenerationRecord:
        try:
            # Not cancellable: between the payment and its record, a cancellation would lose a paid video.
            record = await _run_to_end(self._begin(task, provider, spec, request, intent, found))
        except asyncio.CancelledError:
            await self._cancel_if_abandoned(task, provider)
            raise
        return await self.finish(task, provider, record)

    async def read_source_image(
        self, request: GenerationRequest, provider: VideoProvider, principal: str
    ) -> SourceImage:
        """Return the source image of a request in the form that the provider takes.

        Raises:
            MediaError: The image cannot be read, or is not usable.
        """
        data = await self.files.read(request.image_url, request.image_key, principal, max_bytes=MAX_SOURCE_IMAGE_BYTES)
        name = "image_key" if request.image_key else "image_url"
        return await self.workers.run(prepare_source_image, data, name, provider.max_source_image_bytes)

    async def finish(self, task: GenerationTask, provider: VideoProvider, record: GenerationRecord) -> GenerationRecord:
        """Wait for a video that the provider has accepted, store it, and return the completed record.

        Raises:
            MediaError: The generation failed, or the video cannot be stored.
        """
        if record.video is not None:
            return record
        try:
            with self.workspaces.open_folder() as folder:
                path = await provider.fetch(record.provider_id, folder, task.report)
                media = await self._probe_result(path, record)
                task.report(Progress(State.STORING, STORE_CEILING_PERCENT))
                stored = await self._store_video(path, media, record, task.principal)
            finished = replace(record, video=stored)
            await self.records.write(finished, task.principal)
        except asyncio.CancelledError:
            if not record.source_id:
                await self._cancel_if_abandoned(task, provider)
            raise
        return finished

    async def _find_earlier(self, request: GenerationRequest, principal: str, intent: Intent) -> Intent | None:
        """Return the intent of an earlier call with the same request id; without one, write `intent`."""
        if not request.request_id:
            return None
        earlier = await self.records.add_intent(request.request_id, principal, intent)
        if earlier is None:
            return None
        request.check_fingerprint(earlier.fingerprint)
        if not earlier.prediction_id and intent.at - earlier.at < self.beginning:
            raise MediaError(
                Reason.UNAVAILABLE,
                "Another call is beginning this request; retry in a moment.",
                # Before that moment a retry gets the same answer, unless the other call ends.
                retry_after_seconds=max(_RETRY_SECONDS, (earlier.at + self.beginning - intent.at).total_seconds()),
            )
        return earlier

    async def _build_spec(self, request: GenerationRequest, provider: VideoProvider, task: GenerationTask) -> VideoSpec:
        source_image = await self.read_source_image(request, provider, task.principal)
        is_public = self.urls_are_public and request.image_url.startswith("https://")
        return VideoSpec(request.request, task.model, source_image.data, request.image_url if is_public else "")

    async def _find_lost(self, provider: VideoProvider, spec: VideoSpec, earlier: Intent) -> str | None:
        """Return the id of a video that an earlier call paid for but did not record before it ended."""
        if not provider.outlives_process:
            return None
        found = await provider.find(spec, earlier.at - _CLOCKS_DIFFER)
        log.warning("an earlier call ended before it recorded its video", found=found is not None)
        return found

    async def _withdraw_intent(self, request: GenerationRequest, principal: str) -> None:
        if request.request_id:
            await self.records.withdraw_intent(request.request_id, principal)

    async def _begin(
        self,
        task: GenerationTask,
        provider: VideoProvider,
        spec: VideoSpec,
        request: GenerationRequest,
        intent: Intent,
        found: str | None,
    ) -> GenerationRecord:
        """Have the provider begin the video, unless `found` is the id of one, and write its record."""
        prediction_id = found or await self._request_video(task, provider, spec, request)
        task.set_prediction_id(prediction_id)
        record = GenerationRecord(
            prediction_id=prediction_id,
            provider=provider.name,
            model=task.model,
            prompt=request.request.prompt,
            seconds=request.request.length_seconds,
            resolution=request.request.shorter_side,
            destination=request.destination,
            cache_status="miss" if request.use_cache else "bypass",
        )
        await self.records.write(record, task.principal)
        if request.request_id:
            await self.records.bind_intent(request.request_id, task.principal, intent, prediction_id)
        return record

    async def _request_video(
        self, task: GenerationTask, provider: VideoProvider, spec: VideoSpec, request: GenerationRequest
    ) -> str:
        policy = self.policy
        try:
            call_result = await call_with_retries(
                lambda: provider.begin(spec),
                provider.name,
                policy,
                policy.start_wait_budget(),
            )
        except MediaError as error:
            # Where the provider may have been paid, the intent stays: the next call looks for the video first.
            if MAY_BE_CHARGED_KEY not in error.metadata:
                await self._withdraw_intent(request, task.principal)
            raise
        return call_result.answer

    async def _cancel_if_abandoned(self, task: GenerationTask, provider: VideoProvider) -> None:
        """Cancel at the provider if the task was abandoned, not if this process only stops."""
        if task.is_abandoned and task.prediction_id:
            await _run_to_end(_cancel_at_provider(provider, task.prediction_id))

    async def _probe_result(self, path: Path, record: GenerationRecord) -> MediaFile:
        """Return what a generated file contains; a file that is not a video is the provider's failure."""
        broken = MediaError(
            Reason.GENERATION_FAILED,
            "The provider delivered a file that is not a video; retry, or use another model.",
            metadata={"provider": record.provider},
        )
        with path.open("rb") as file:
            if sniff_media_type(file.read(HEAD_BYTES)) != MP4:
                raise broken
        try:
            media = await self.inputs.probe(path, MP4, "video")
        except MediaError as error:
            if error.reason is not Reason.MEDIA_INVALID:
                raise
            raise broken from None
        if media.video is None:
            raise broken
        return media

    async def _store_video(self, path: Path, media: MediaFile, record: GenerationRecord, principal: str) -> StoredVideo:
        """Store a video at the destination of its request."""
        sha256 = await compute_sha256(path)
        return await self.video_store.put(path, sha256, media, record.destination, principal, record.origin)


async def _cancel_at_provider(provider: VideoProvider, prediction_id: str) -> None:
    with suppress(MediaError):
        await provider.cancel(prediction_id)


async def _run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`; a cancellation is raised only after `work` has ended."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise
