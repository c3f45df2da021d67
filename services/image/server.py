"""Open everything that the image service needs, build the service, and serve it until a stop signal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import grpc
from media.image.v1 import image_pb2_grpc
from prometheus_client import CollectorRegistry

from services.common.cache import TieredCache, open_cache
from services.common.cache.blobs import CacheBlobs
from services.common.diagnostics import log_diagnostics
from services.common.fetch import Fetcher, open_fetcher
from services.common.input_files import InputFiles
from services.common.log import logger
from services.common.metrics import serve_metrics
from services.common.records import BufferedRecords, open_records
from services.common.records.indexing import ObjectIndex
from services.common.resilience.concurrency_limiter import ConcurrencyLimiter
from services.common.resilience.retry import ProviderPolicy, Retrier, RetryPolicy
from services.common.rpc.server import serve
from services.common.storage import ObjectStore, open_object_store
from services.common.storage.keys import USERS
from services.common.usage import open_usage
from services.common.worker_pool import WorkerPool, open_workers
from services.image.accounting import Accounting
from services.image.cache import BLOB_PREFIX, COLLECTION, CachedImage, ImageCodec
from services.image.diagnostics import diagnose_image
from services.image.generation import ImageGenerator
from services.image.image_record import KIND
from services.image.image_store import FOLDER, ImageStore
from services.image.inputs import SourceImages
from services.image.metrics import ImageMetrics
from services.image.pipeline import ImagePipeline
from services.image.planning import Planner, PlanningOptions
from services.image.prompt import Brand
from services.image.providers.embedded import EmbeddedProvider
from services.image.providers.fal import FalSettings, open_fal
from services.image.providers.gemini import GeminiSettings, open_gemini
from services.image.providers.interface import ImageProvider
from services.image.service import SERVICE_NAME, ImageServicer
from services.image.settings import ImageSettings

_MAX_QUEUE = 200

log = logger(__name__)


async def main(settings: ImageSettings) -> None:
    """Serve until a stop signal arrives."""
    log_diagnostics(diagnose_image(settings))
    registry = CollectorRegistry()
    metrics = ImageMetrics(registry)
    async with AsyncExitStack() as stack:
        stack.enter_context(serve_metrics(registry, settings.host, settings.metrics_port, "IMAGE_METRICS_PORT"))
        store = await stack.enter_async_context(open_object_store(settings))
        records = await stack.enter_async_context(open_records(settings, store, {}, registry))
        workers = await stack.enter_async_context(
            open_workers(settings.workers, max_queue=_MAX_QUEUE, timeout_seconds=settings.worker_timeout_seconds)
        )
        metrics.watch_workers(lambda: workers.queued_calls)
        fetcher = await stack.enter_async_context(open_fetcher(settings.fetch_options))
        providers = await stack.enter_async_context(open_providers(settings, fetcher, workers))
        usage = await stack.enter_async_context(
            open_usage(settings.mongodb_uri.get_secret_value(), settings.database_file)
        )
        cache = (
            await stack.enter_async_context(open_cache(settings, COLLECTION, ImageCodec()))
            if settings.caching_enabled
            else None
        )
        if cache is not None:
            metrics.watch_cache(lambda: cache.stats)
        dependencies = Dependencies(store, records, fetcher, workers)
        servicer = await stack.enter_async_context(
            build_service(settings, providers, dependencies, cache, Accounting(usage, metrics))
        )

        def register(server: grpc.aio.Server) -> list[str]:
            image_pb2_grpc.add_ImageServiceServicer_to_server(servicer, server)
            return [SERVICE_NAME]

        await serve(register, settings.server_options())


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Opened dependencies of the service."""

    store: ObjectStore
    records: BufferedRecords
    fetcher: Fetcher
    workers: WorkerPool


@asynccontextmanager
async def build_service(
    settings: ImageSettings,
    providers: Mapping[str, ImageProvider],
    dependencies: Dependencies,
    cache: TieredCache[CachedImage] | None,
    accounting: Accounting,
) -> AsyncIterator[ImageServicer]:
    """Yield the servicer; delete expired cache blobs in the background until the context ends."""
    store, workers = dependencies.store, dependencies.workers
    limits = {"fal": settings.fal_max_concurrent_calls, "gemini": settings.gemini_max_concurrent_calls}
    policy = ProviderPolicy(
        limiters={name: ConcurrencyLimiter(name, limits.get(name), _MAX_QUEUE) for name in providers},
        retrier=Retrier(RetryPolicy(max_attempts=settings.max_attempts)),
        wait_seconds=settings.wait_seconds,
    )
    blobs = CacheBlobs(store, BLOB_PREFIX, settings.cache_ttl_seconds)
    generator = ImageGenerator(policy, workers, cache, blobs, store_binary=settings.store_binary)
    planner = Planner(
        providers,
        PlanningOptions(
            settings.provider_by_default,
            settings.fallback_order,
            Brand(settings.brand_colors, settings.brand_style),
        ),
    )
    image_store = ImageStore(store, dependencies.records)
    pipeline = ImagePipeline(
        planner, generator, SourceImages(InputFiles(dependencies.fetcher, store), workers), workers, image_store
    )
    index = ObjectIndex(dependencies.records, store, KIND, (f"{FOLDER}/", f"{USERS}/"), image_store.describe)
    background = [
        asyncio.create_task(blobs.sweep_regularly(), name="sweep of cached images"),
        asyncio.create_task(index.run(), name="index of images"),
    ]
    try:
        async with generator.flights, pipeline.flights:
            yield ImageServicer(providers.values(), pipeline, image_store, accounting, max_uploads=settings.max_uploads)
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)


@asynccontextmanager
async def open_providers(
    settings: ImageSettings, fetcher: Fetcher, workers: WorkerPool
) -> AsyncIterator[Mapping[str, ImageProvider]]:
    """Yield all providers by name; a provider without a key is open too, and its calls fail with API_KEY_MISSING."""
    fal_settings = FalSettings(
        api_key=settings.fal_key.get_secret_value(),
        queue_base_url=settings.fal_queue_base_url,
        sync_base_url=settings.fal_sync_base_url,
        timeout_seconds=settings.provider_timeout_seconds,
    )
    gemini_settings = GeminiSettings(
        api_key=settings.gemini_api_key.get_secret_value(),
        base_url=settings.gemini_base_url,
        model_id=settings.gemini_model_id,
        api_version=settings.gemini_api_version,
        timeout_seconds=settings.provider_timeout_seconds,
    )
    async with open_fal(fal_settings, fetcher) as fal, open_gemini(gemini_settings) as gemini:
        embedded = EmbeddedProvider(workers)
        yield {provider.name: provider for provider in (fal, gemini, embedded)}
