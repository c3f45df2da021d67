"""The process of the video service: opens its dependencies, builds the service, and serves until it must stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import grpc
from media.video.v1 import video_pb2_grpc
from prometheus_client import CollectorRegistry

from services.common.cache import TieredCache, open_cache
from services.common.cache.blobs import CacheBlobs
from services.common.diagnostics import log_diagnostics
from services.common.fetch import Fetcher, open_fetcher
from services.common.input_files import InputFiles
from services.common.metrics import serve_metrics
from services.common.records import BufferedRecords, open_records
from services.common.records.indexing import ObjectIndex
from services.common.resilience.concurrency_limiter import ConcurrencyLimiter
from services.common.resilience.retry import ProviderPolicy, Retrier, RetryPolicy
from services.common.rpc.server import serve
from services.common.storage import ObjectStore, open_object_store
from services.common.storage.keys import USERS
from services.common.usage import UsageRecorder, open_usage
from services.common.worker_pool import WorkerPool, open_workers
from services.video.accounting import Accounting
from services.video.diagnostics import diagnose_video
from services.video.ffmpeg import FfmpegLimiter, FfmpegLimits, FfmpegRunner, find_ffmpeg
from services.video.generation import VideoGenerator
from services.video.generation_manager import GenerationManager
from services.video.inputs import Inputs
from services.video.metrics import VideoMetrics
from services.video.mux import Muxer
from services.video.providers.embedded import EmbeddedProvider
from services.video.providers.interface import VideoProvider
from services.video.providers.replicate import ReplicateProvider, ReplicateSettings, open_replicate
from services.video.records import OLD_FOLDERS, GenerationRecords
from services.video.service import SERVICE_NAME, VideoServicer
from services.video.settings import VideoSettings
from services.video.sharing import BLOB_PREFIX, COLLECTION, CachedVideo, SharedVideos, VideoCodec
from services.video.video_store import FOLDER, KIND, VideoStore
from services.video.workspace import Workspaces

_MAX_QUEUE = 200
_VIDEO_TIMEOUT_SECONDS = 300.0
"""Timeout for the download of a generated video: longer than for inputs, because the video is large and paid for."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Opened dependencies of the service."""

    store: ObjectStore
    records: BufferedRecords
    fetcher: Fetcher
    workers: WorkerPool
    replicate: ReplicateProvider
    metrics: VideoMetrics
    usage: UsageRecorder | None
    cache: TieredCache[CachedVideo] | None = None


async def main(settings: VideoSettings) -> None:
    """Serve until asked to stop."""
    log_diagnostics(diagnose_video(settings))
    registry = CollectorRegistry()
    metrics = VideoMetrics(registry)
    async with AsyncExitStack() as stack:
        stack.enter_context(serve_metrics(registry, settings.host, settings.metrics_port, "VIDEO_METRICS_PORT"))
        store = await stack.enter_async_context(open_object_store(settings))
        records = await stack.enter_async_context(open_records(settings, store, OLD_FOLDERS, registry))
        workers = await stack.enter_async_context(
            open_workers(settings.workers, max_queue=_MAX_QUEUE, timeout_seconds=settings.worker_timeout_seconds)
        )
        fetcher = await stack.enter_async_context(open_fetcher(settings.fetch_options))
        videos = await stack.enter_async_context(
            open_fetcher(replace(settings.fetch_options, timeout_seconds=_VIDEO_TIMEOUT_SECONDS))
        )
        replicate = await stack.enter_async_context(open_replicate(build_replicate_settings(settings), videos))
        usage = await stack.enter_async_context(
            open_usage(settings.mongodb_uri.get_secret_value(), settings.database_file)
        )
        cache = await stack.enter_async_context(open_cache(settings, COLLECTION, VideoCodec()))
        dependencies = Dependencies(store, records, fetcher, workers, replicate, metrics, usage, cache)
        servicer = await stack.enter_async_context(build_service(settings, dependencies))

        def register(server: grpc.aio.Server) -> list[str]:
            video_pb2_grpc.add_VideoServiceServicer_to_server(servicer, server)
            return [SERVICE_NAME]

        await serve(register, settings.server_options())


@asynccontextmanager
async def build_service(settings: VideoSettings, dependencies: Dependencies) -> AsyncIterator[VideoServicer]:
    """Build the service; at the end cancel its tasks. Providers continue their generations."""
    limiter = FfmpegLimiter(settings.ffmpeg_slots, _MAX_QUEUE)
    runner = FfmpegRunner(find_ffmpeg(settings.ffmpeg_binary), limiter, build_ffmpeg_limits(settings))
    files = InputFiles(dependencies.fetcher, dependencies.store)
    inputs = Inputs(files, dependencies.workers, settings.max_input_bytes, settings.max_seconds)
    video_store = VideoStore(files, dependencies.records)
    providers: Mapping[str, VideoProvider] = {
        provider.name: provider for provider in (dependencies.replicate, EmbeddedProvider(dependencies.workers, runner))
    }
    limits = {"replicate": settings.replicate_max_concurrent_calls}
    policy = ProviderPolicy(
        limiters={name: ConcurrencyLimiter(name, limits.get(name), _MAX_QUEUE) for name in providers},
        retrier=Retrier(RetryPolicy(max_attempts=settings.max_attempts)),
        wait_seconds=settings.wait_seconds,
    )
    generations = GenerationRecords(dependencies.records)
    blobs = CacheBlobs(dependencies.store, BLOB_PREFIX, settings.cache_ttl_seconds)
    index = ObjectIndex(
        dependencies.records, dependencies.store, KIND, (f"{FOLDER}/", f"{USERS}/"), video_store.describe
    )
    background = [
        asyncio.create_task(blobs.sweep_regularly(), name="sweep of cached videos"),
        asyncio.create_task(index.run(), name="index of videos"),
    ]
    with Workspaces(settings.temp_dir).open() as workspaces:
        shared = SharedVideos(dependencies.store, dependencies.cache, blobs, generations, video_store, workspaces)
        generator = VideoGenerator(
            policy,
            files,
            dependencies.workers,
            inputs,
            video_store,
            generations,
            workspaces,
            shared,
            timedelta(seconds=settings.begin_seconds),
            urls_are_public=not settings.fetch_allow,
        )
        manager = GenerationManager(generator, providers, settings.provider_by_default, settings.max_generations)
        dependencies.metrics.add_gauges(lambda: limiter.waiting, lambda: manager.running_count)
        muxer = Muxer(inputs, runner, video_store, workspaces, settings.max_seconds)
        accounting = Accounting(dependencies.usage, dependencies.metrics)
        try:
            yield VideoServicer(manager, muxer, inputs, workspaces, video_store, dependencies.replicate, accounting)
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await manager.close()


def build_replicate_settings(settings: VideoSettings) -> ReplicateSettings:
    """Return the settings of the provider replicate."""
    return ReplicateSettings(
        api_token=settings.replicate_api_token.get_secret_value(),
        base_url=settings.replicate_base_url,
        default_model=settings.replicate_model,
        allowed_models=settings.allowed_models,
        wait_seconds=settings.replicate_wait_seconds,
        answer_seconds=settings.replicate_answer_seconds,
        timeout_seconds=settings.replicate_timeout_seconds,
        max_video_bytes=settings.max_input_bytes,
        webhook_url=settings.webhook_url,
        webhook_secret=settings.replicate_webhook_secret.get_secret_value(),
    )


def build_ffmpeg_limits(settings: VideoSettings) -> FfmpegLimits:
    """Return the limits of one run of ffmpeg."""
    return FfmpegLimits(
        wall_seconds=settings.ffmpeg_timeout_seconds,
        # ffmpeg runs with two threads (services/video/ffmpeg/arguments.py).
        cpu_seconds=int(2 * settings.ffmpeg_timeout_seconds) + 1,
        output_bytes=settings.max_input_bytes,
    )
