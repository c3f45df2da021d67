"""Fixtures that start the video service as its process does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from media.video.v1 import video_pb2, video_pb2_grpc
from pebble import ProcessPool
from prometheus_client import CollectorRegistry

from services.common.cache import open_cache
from services.common.errors import MediaError
from services.common.fetch import FetchOptions, open_fetcher
from services.common.fetch.addresses import AddressPolicy
from services.common.records import RecordStore
from services.common.rpc.channel import call_metadata, open_stream
from services.common.rpc.status import from_rpc_error
from services.common.usage import UsageRecorder
from services.common.worker_pool import WorkerPool, end_pool, new_pool
from services.video.metrics import VideoMetrics
from services.video.providers.replicate import open_replicate
from services.video.server import Dependencies, build_replicate_settings, build_service
from services.video.service import SERVICE_NAME
from services.video.settings import VideoSettings
from services.video.sharing import COLLECTION, VideoCodec
from tests.fakes.grpc_server import run_test_server
from tests.fakes.media import make_video
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.records import build_records
from tests.fakes.usage import FakeUsageStore

Progress = video_pb2.VideoProgress


class VideoSuite:
    """A running service with its client."""

    def __init__(self, channel: grpc.aio.Channel, store: FakeObjectStore, work: Path) -> None:
        self.stub: video_pb2_grpc.VideoServiceAsyncStub = video_pb2_grpc.VideoServiceStub(channel)
        self.channel = channel
        self.store = store
        self.work = work
        """Folder of temporary files."""
        self.progress: list[Progress] = []
        """Progress of the last call."""
        self.chunks: list[bytes] = []
        """Media chunks of the last call."""

    @property
    def leftovers(self) -> list[Path]:
        """Temporary files that are left."""
        return [path for path in self.work.rglob("*") if path.is_file()]

    async def mux(
        self, video: bytes | video_pb2.MediaSource, audio: bytes, principal: str = "alice", **fields: Any
    ) -> video_pb2.MuxedVideo:
        """Call MuxVideo and return its result."""
        source = video_pb2.MediaSource(data=video) if isinstance(video, bytes) else video
        request = video_pb2.MuxVideoRequest(video=source, audio=video_pb2.MediaSource(data=audio), **fields)
        found: video_pb2.MuxedVideo = await self._read_result(
            self.stub.MuxVideo(request, metadata=call_metadata(principal))
        )
        return found

    async def generate(self, principal: str = "alice", **fields: Any) -> video_pb2.GeneratedVideo:
        """Call GenerateVideo and return its result."""
        request = video_pb2.GenerateVideoRequest(**{"prompt": "zoom in", **fields})
        call = self.stub.GenerateVideo(request, metadata=call_metadata(principal))
        found: video_pb2.GeneratedVideo = await self._read_result(call)
        return found

    async def resume(self, prediction_id: str, principal: str = "alice") -> video_pb2.GeneratedVideo:
        """Call ResumeVideo and return its result."""
        request = video_pb2.ResumeVideoRequest(prediction_id=prediction_id)
        call = self.stub.ResumeVideo(request, metadata=call_metadata(principal))
        found: video_pb2.GeneratedVideo = await self._read_result(call)
        return found

    async def probe(self, data: bytes) -> video_pb2.MediaInfo:
        """Call ProbeMedia and return its result."""
        request = video_pb2.ProbeMediaRequest(media=video_pb2.MediaSource(data=data))
        return (await self.stub.ProbeMedia(request, metadata=call_metadata("alice"))).info

    def file(self, key: str, folder: Path) -> Path:
        """Return a stored video as a file."""
        path = folder / key.rpartition("/")[2]
        path.write_bytes(self.store.objects[key][1])
        return path

    async def _read_result(self, call: Any) -> Any:
        self.progress.clear()
        self.chunks.clear()
        async with open_stream(call):
            async for event in call:
                which = event.WhichOneof("event")
                if which == "progress":
                    self.progress.append(event.progress)
                elif which == "media_chunk":
                    self.chunks.append(event.media_chunk)
                else:
                    return event.video
        raise AssertionError("a stream ended without a video")


async def get_error(call: Any) -> MediaError:
    """Return the error of a call."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value)


@pytest.fixture(scope="session")
def pool() -> Iterator[ProcessPool]:
    """Worker processes for all tests: they start slowly and have no state."""
    opened = new_pool(1)
    yield opened
    end_pool(opened)


@pytest.fixture
async def workers(pool: ProcessPool) -> WorkerPool:
    """A worker pool over the shared processes."""
    return WorkerPool(pool, 1, 200, 20)


@pytest.fixture(scope="session")
def two_seconds(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A video of 2 s with 24 frames a second."""
    return make_video(tmp_path_factory.mktemp("videos")).read_bytes()


@asynccontextmanager
async def run_video_service(
    workers: WorkerPool, work: Path, store: FakeObjectStore, records: RecordStore | None = None, **changes: Any
) -> AsyncIterator[VideoSuite]:
    """Run the service.

    Args:
        workers: Worker pool that probes files.
        work: Folder for work in progress.
        store: The object store.
        records: The database of records; None for a new one.
        **changes: Settings that differ, by the name of their field.
    """
    settings = VideoSettings(
        _env_file=None, **{"temp_dir": work, "state_dir": work.parent / "state", "fetch_allow": "127.0.0.1", **changes}
    )
    async with AsyncExitStack() as stack:
        allowed = AddressPolicy.parse([settings.fetch_allow] if settings.fetch_allow else [])
        fetcher = await stack.enter_async_context(open_fetcher(FetchOptions(allowed, 5)))
        polling = replace(build_replicate_settings(settings), first_poll_seconds=0.01, longest_poll_seconds=0.02)
        replicate = await stack.enter_async_context(open_replicate(polling, fetcher))
        usage = await stack.enter_async_context(UsageRecorder(FakeUsageStore()))
        metrics = VideoMetrics(CollectorRegistry())
        cache = await stack.enter_async_context(open_cache(settings, COLLECTION, VideoCodec()))
        parts = Dependencies(store, build_records(records), fetcher, workers, replicate, metrics, usage, cache)
        servicer = await stack.enter_async_context(build_service(settings, parts))

        def register(server: grpc.aio.Server) -> list[str]:
            video_pb2_grpc.add_VideoServiceServicer_to_server(servicer, server)
            return [SERVICE_NAME]

        channel = (await stack.enter_async_context(run_test_server(register))).channel
        yield VideoSuite(channel, store, work)


@pytest.fixture
async def suite(workers: WorkerPool, tmp_path: Path) -> AsyncIterator[VideoSuite]:
    """The service with the embedded engine alone."""
    async with run_video_service(workers, tmp_path / "work", FakeObjectStore()) as started:
        yield started
