"""A fleet for each test, before a provider that counts what it is paid for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import MediaError
from services.common.images import Size
from services.common.storage import ObjectSpec, StorageSettings, open_object_store
from services.jobs.jetstream import StreamOptions, open_streams
from services.jobs.job_store import JobStore
from services.jobs.record import Record
from services.jobs.request import JobRequest, StoredJob
from tests.fakes.image_provider import make_image
from tests.fakes.media import video
from tests.fakes.replicate import API_TOKEN, FakeReplicate, Run, running_replicate
from tests.fakes.waiting import eventually
from tests.faults.fleet import Fleet
from tests.faults.process_group import Nursery, open_nursery

ALICE = "alice"
IMAGE = "images/cat.png"


class Jobs:
    """The board, and words for what tests do with it."""

    def __init__(self, job_store: JobStore) -> None:
        self.job_store = job_store

    async def talking(self, captions: str = "JOB_CAPTIONS_UNSPECIFIED", **fields: Any) -> str:
        """Ask for a video that speaks."""
        video_spec = {"imageKey": IMAGE, "prompt": "zoom in", "resolution": "512p", "provider": "replicate"}
        narration = {"text": "Hello from a cat.", "provider": "espeak"}
        spec = {"video": video_spec, "narration": narration, "captions": captions}
        return (await self.job_store.submit(JobRequest("talking_video", spec, **fields), ALICE)).record.job_id

    async def animate(self, **fields: Any) -> str:
        """Ask for a video."""
        video_spec = {"imageKey": IMAGE, "prompt": "zoom in", "resolution": "512p", "provider": "replicate"}
        return (
            await self.job_store.submit(JobRequest("animate", {"video": video_spec}, **fields), ALICE)
        ).record.job_id

    async def headline(self, **fields: Any) -> str:
        """Ask for an image and narration."""
        spec = {"headline": "Cats rule", "imageProvider": "embedded", "narration": {"provider": "espeak"}}
        return (await self.job_store.submit(JobRequest("headline", spec, **fields), ALICE)).record.job_id

    async def known(self, job_id: str) -> Record:
        """Return what is known of a job, however long the server of jobs takes to answer."""

        async def answer() -> Record | None:
            with suppress(MediaError):
                return (await self.job_store.get(job_id, ALICE)).record
            return None

        return await eventually(answer)

    async def until(self, job_id: str, condition: Callable[[Record], bool], within_seconds: float = 120) -> Record:
        """Wait until `condition` holds for a job."""

        async def answer() -> Record | None:
            record = await self.known(job_id)
            return record if condition(record) else None

        return await eventually(answer, within_seconds)

    async def ended(self, job_id: str) -> Record:
        """Wait until a job has ended."""
        return await self.until(job_id, lambda record: record.status.is_final)

    async def changes(self, job_id: str) -> list[StoredJob]:
        """Return every change of a job that a watcher is told."""
        return [known async for known in self.job_store.watch(job_id, ALICE)]


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Start the processes of all fleets."""
    with open_nursery() as opened:
        yield opened


@pytest.fixture
async def replicate(tmp_path: Path) -> AsyncIterator[FakeReplicate]:
    async with running_replicate() as fake:
        fake.video = video(tmp_path, 1.0, size="160x120").read_bytes()
        yield fake


@asynccontextmanager
async def fleet_of(
    folder: Path, replicate: FakeReplicate, variables: Mapping[str, str], nursery: Nursery
) -> AsyncIterator[Fleet]:
    """Yield processes of which none runs yet, with an image of Alice's in the store."""
    storage = StorageSettings(storage="local", storage_dir=folder / "objects")
    async with open_object_store(storage) as store:
        await store.put(IMAGE, make_image(Size(160, 120)), ObjectSpec("image/png", {"owner": ALICE}))
    made = Fleet(
        folder,
        {
            "REPLICATE_API_TOKEN": API_TOKEN,
            "REPLICATE_BASE_URL": replicate.base_url,
            "REPLICATE_TIMEOUT_SECONDS": "20",
            "MEDIA_FETCH_ALLOW": "127.0.0.1",
            **variables,
        },
        nursery,
    )
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
async def fleet(tmp_path: Path, replicate: FakeReplicate, nursery: Nursery) -> AsyncIterator[Fleet]:
    """The services that videos need, and one worker."""
    async with fleet_of(tmp_path, replicate, {}, nursery) as made:
        await made.start("nats")
        await made.start("tts", "video", "worker")
        yield made


@pytest.fixture
async def jobs(fleet: Fleet) -> AsyncIterator[Jobs]:
    """The jobs of the fleet."""
    async with open_streams(StreamOptions((fleet.nats_url,)), "test") as streams:
        yield Jobs(JobStore(streams))


def working() -> Run:
    """Return how a video goes that is not done until the test says so."""
    return Run(statuses=("processing",))
