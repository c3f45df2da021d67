"""Fixtures of the fault tests: a suite for each test, with a fake provider that counts paid requests."""

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
from services.jobs.record import JobRecord, JobRequest, StoredJob
from tests.fakes.image_provider import make_image
from tests.fakes.media import make_video
from tests.fakes.replicate import API_TOKEN, FakeReplicate, Run, run_replicate
from tests.fakes.waiting import eventually
from tests.faults.process_group import ProcessSpawner, open_spawner
from tests.faults.suite_processes import SuiteProcesses

ALICE = "alice"
IMAGE = "images/cat.png"


# Each job is paid for: the tests count the payments.
VIDEO_SPEC = {
    "imageKey": IMAGE,
    "prompt": "zoom in",
    "resolution": "512p",
    "provider": "replicate",
    "useCache": False,
}


class Jobs:
    """The job store, and helpers to submit and wait."""

    def __init__(self, job_store: JobStore) -> None:
        self.job_store = job_store

    async def submit_talking_video(self, captions: str = "JOB_CAPTIONS_UNSPECIFIED", **fields: Any) -> str:
        """Submit a job for a talking video and return its id."""
        video_spec = VIDEO_SPEC
        narration = {"text": "Hello from a cat.", "provider": "espeak"}
        spec = {"video": video_spec, "narration": narration, "captions": captions}
        return (await self.job_store.submit(JobRequest("talking_video", spec, **fields), ALICE)).record.job_id

    async def submit_animate(self, **fields: Any) -> str:
        """Submit a job for a video and return its id."""
        video_spec = VIDEO_SPEC
        return (
            await self.job_store.submit(JobRequest("animate", {"video": video_spec}, **fields), ALICE)
        ).record.job_id

    async def submit_headline(self, **fields: Any) -> str:
        """Submit a job for a headline and return its id."""
        spec = {"headline": "Cats rule", "imageProvider": "embedded", "narration": {"provider": "espeak"}}
        return (await self.job_store.submit(JobRequest("headline", spec, **fields), ALICE)).record.job_id

    async def get_record(self, job_id: str) -> JobRecord:
        """Return the record of a job; wait while NATS is unavailable."""

        async def read_record() -> JobRecord | None:
            with suppress(MediaError):
                return (await self.job_store.get(job_id, ALICE)).record
            return None

        return await eventually(read_record)

    async def wait_until(
        self, job_id: str, condition: Callable[[JobRecord], bool], within_seconds: float = 120
    ) -> JobRecord:
        """Wait until `condition` holds for a job."""

        async def check_record() -> JobRecord | None:
            record = await self.get_record(job_id)
            return record if condition(record) else None

        return await eventually(check_record, within_seconds)

    async def wait_until_ended(self, job_id: str) -> JobRecord:
        """Wait until a job has ended."""
        return await self.wait_until(job_id, lambda record: record.status.is_final)

    async def collect_changes(self, job_id: str) -> list[StoredJob]:
        """Return every version of a job that a watch yields."""
        return [stored async for stored in self.job_store.watch(job_id, ALICE)]


@pytest.fixture(scope="session")
def spawner() -> Iterator[ProcessSpawner]:
    """Spawner of the processes of all suites."""
    with open_spawner() as spawner:
        yield spawner


@pytest.fixture
async def replicate(tmp_path: Path) -> AsyncIterator[FakeReplicate]:
    async with run_replicate() as fake:
        fake.video = make_video(tmp_path, 1.0, size="160x120").read_bytes()
        yield fake


@asynccontextmanager
async def prepare_suite(
    folder: Path, replicate: FakeReplicate, variables: Mapping[str, str], spawner: ProcessSpawner
) -> AsyncIterator[SuiteProcesses]:
    """Yield a suite without running processes, with an image of Alice in the store."""
    storage = StorageSettings(storage="local", storage_dir=folder / "objects")
    async with open_object_store(storage) as store:
        await store.put(IMAGE, make_image(Size(160, 120)), ObjectSpec("image/png", {"owner": ALICE}))
    suite = SuiteProcesses(
        folder,
        {
            "REPLICATE_API_TOKEN": API_TOKEN,
            "REPLICATE_BASE_URL": replicate.base_url,
            "REPLICATE_TIMEOUT_SECONDS": "20",
            "MEDIA_FETCH_ALLOW": "127.0.0.1",
            **variables,
        },
        spawner,
    )
    try:
        yield suite
    finally:
        suite.close()


@pytest.fixture
async def suite(tmp_path: Path, replicate: FakeReplicate, spawner: ProcessSpawner) -> AsyncIterator[SuiteProcesses]:
    """The services that videos need, and one worker."""
    async with prepare_suite(tmp_path, replicate, {}, spawner) as suite:
        await suite.start("nats")
        await suite.start("tts", "video", "worker")
        yield suite


@pytest.fixture
async def jobs(suite: SuiteProcesses) -> AsyncIterator[Jobs]:
    """The jobs of the suite."""
    async with open_streams(StreamOptions((suite.nats_url,)), "test") as streams:
        yield Jobs(JobStore(streams))


def make_pending_run() -> Run:
    """Return the script of a video that stays in progress until the test changes it."""
    return Run(statuses=("processing",))
