"""Start the image service as its process does, with providers that the test controls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from media.image.v1 import image_pb2, image_pb2_grpc
from pebble import ProcessPool
from prometheus_client import CollectorRegistry

from services.common.cache import TieredCache, TieredOptions, open_result_store
from services.common.errors import MediaError
from services.common.fetch import FetchOptions, open_fetcher
from services.common.fetch.addresses import AddressPolicy
from services.common.records import RecordStore
from services.common.rpc.channel import call_metadata
from services.common.rpc.status import from_rpc_error
from services.common.storage import ObjectStore
from services.common.usage import UsageRecord, UsageRecorder
from services.common.worker_pool import WorkerPool, end_pool, new_pool
from services.image.accounting import Accounting
from services.image.cache import COLLECTION, ImageCodec
from services.image.metrics import ImageMetrics
from services.image.providers.interface import ImageProvider
from services.image.server import Dependencies, build_service
from services.image.service import SERVICE_NAME
from services.image.settings import ImageSettings
from tests.fakes.grpc_server import run_test_server
from tests.fakes.image_provider import FakeImageProvider
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.records import build_records
from tests.fakes.usage import FakeUsageStore


class ImageSuite:
    """The running service and its clients."""

    def __init__(self, channel: grpc.aio.Channel, usage: FakeUsageStore, recorder: UsageRecorder) -> None:
        self.stub: image_pb2_grpc.ImageServiceAsyncStub = image_pb2_grpc.ImageServiceStub(channel)
        self._usage = usage
        self._recorder = recorder

    async def generate(self, principal: str = "alice", **fields: Any) -> image_pb2.Image:
        """Generate an image."""
        request = image_pb2.GenerateImageRequest(**{"prompt": "a cat", "image_size": "card", **fields})
        return (await self.stub.GenerateImage(request, metadata=call_metadata(principal))).image

    async def transform(self, principal: str = "alice", **fields: Any) -> image_pb2.Image:
        """Transform an image."""
        request = image_pb2.TransformImageRequest(**{"prompt": "in fog", **fields})
        return (await self.stub.TransformImage(request, metadata=call_metadata(principal))).image

    async def upload(self, *chunks: bytes, principal: str = "alice", **spec: Any) -> image_pb2.Image:
        """Upload a file in chunks."""
        messages = [
            image_pb2.UploadImageRequest(spec=image_pb2.UploadSpec(**spec)),
            *(image_pb2.UploadImageRequest(chunk=chunk) for chunk in chunks),
        ]
        return (await self.stub.UploadImage(iter(messages), metadata=call_metadata(principal))).image

    async def delete(self, key: str, principal: str = "alice") -> list[str]:
        """Delete an image."""
        request = image_pb2.DeleteImageRequest(key=key)
        return list((await self.stub.DeleteImage(request, metadata=call_metadata(principal))).deleted_keys)

    async def wait_for_records(self, count: int) -> list[UsageRecord]:
        """Wait for `count` usage records and return them in the order in which the calls ended."""
        await self._recorder.flush()
        await self._usage.wait_for_records(count)
        return sorted(self._usage.stored.values(), key=lambda record: record.at)


async def catch_error(call: Any) -> MediaError:
    """Return the error of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value)


@pytest.fixture(scope="session")
def pool() -> Iterator[ProcessPool]:
    """Worker processes for all tests: they start slowly and have no state."""
    opened = new_pool(2)
    yield opened
    end_pool(opened)


@pytest.fixture
async def workers(pool: ProcessPool) -> WorkerPool:
    """A worker pool over the shared processes, for one test."""
    return WorkerPool(pool, 2, 200, 20)


@pytest.fixture
def provider() -> FakeImageProvider:
    """The default provider."""
    return FakeImageProvider()


@pytest.fixture
def store() -> FakeObjectStore:
    """The object store."""
    return FakeObjectStore()


@pytest.fixture
async def suite(
    provider: FakeImageProvider, store: FakeObjectStore, workers: WorkerPool, tmp_path: Path
) -> AsyncIterator[ImageSuite]:
    """The service with one provider and a cache in a file."""
    async with run_image_service({"fal": provider}, store, workers, tmp_path) as opened:
        yield opened


@asynccontextmanager
async def run_image_service(
    providers: Mapping[str, ImageProvider],
    store: ObjectStore,
    workers: WorkerPool,
    folder: Path,
    fetch_allow: str = "",
    records: RecordStore | None = None,
    **changes: Any,
) -> AsyncIterator[ImageSuite]:
    """Run the service; the first provider is the default."""
    settings = ImageSettings(
        _env_file=None,
        **{
            "default_provider": next(iter(providers)),
            "caching_enabled": True,
            "state_dir": folder,
            **changes,
        },
    )
    usage = FakeUsageStore()
    async with AsyncExitStack() as stack:
        recorder = await stack.enter_async_context(UsageRecorder(usage))
        accounting = Accounting(recorder, ImageMetrics(CollectorRegistry()))
        cache = None
        if settings.caching_enabled:
            entries = await stack.enter_async_context(open_result_store("", folder / "media.sqlite3", COLLECTION))
            options = TieredOptions(ttl_seconds=3600, read_timeout_seconds=5)
            cache = await stack.enter_async_context(TieredCache(entries, ImageCodec(), options))
        allowed = AddressPolicy.parse(entry for entry in fetch_allow.split(",") if entry)
        fetcher = await stack.enter_async_context(open_fetcher(FetchOptions(allowed, 5)))
        servicer = await stack.enter_async_context(
            build_service(
                settings, providers, Dependencies(store, build_records(records), fetcher, workers), cache, accounting
            )
        )

        def register(server: grpc.aio.Server) -> list[str]:
            image_pb2_grpc.add_ImageServiceServicer_to_server(servicer, server)
            return [SERVICE_NAME]

        service = await stack.enter_async_context(run_test_server(register))
        yield ImageSuite(service.channel, usage, recorder)
