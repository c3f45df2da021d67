"""One NATS server for all tests; an empty queue and a new owner for each test."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import nats
import pytest
import pytest_asyncio
from nats.js.errors import NotFoundError

from services.common.errors import MediaError, Reason
from services.jobs.jetstream import QUEUE, RUN, StreamOptions, Streams, open_streams
from services.jobs.job_store import JobStore
from services.jobs.job_type import JobType
from services.jobs.record import WEBHOOK, JobFilter, JobRecord, JobRequest, Status, StoredJob, to_owner_token
from services.jobs.worker.worker import Worker, WorkerOptions
from tests.fakes.nats import run_nats
from tests.fakes.waiting import eventually

QUOTA = 3
SHORT_LEASE_SECONDS = 1.5
"""Lease for tests of expiry: longer than a busy machine may delay an extension."""
_LEASE_SECONDS = 30.0
_owners = itertools.count(1)


class Jobs:
    """The job store of a test with an owner of its own, and helpers to submit, run and wait."""

    def __init__(self, streams: Streams, url: str) -> None:
        self.streams = streams
        self.url = url
        self.job_store = JobStore(streams)
        self.owner = f"owner-{next(_owners)}"

    def make_owner(self) -> str:
        """Return the name of an owner without jobs."""
        return f"owner-{next(_owners)}"

    async def submit(self, kind: str = "animate", owner: str = "", **fields: Any) -> str:
        """Submit a job and return its id."""
        request = JobRequest(kind, fields.pop("spec", {"video": {"prompt": "zoom in"}}), **fields)
        return (await self.job_store.submit(request, owner or self.owner)).record.job_id

    async def enqueue(self, record: JobRecord) -> str:
        """Publish a record to the queue and return the id of its job."""
        await self.streams.jetstream.publish(self.job_store.build_subject(record), record.encode())
        return record.job_id

    async def get_record(self, job_id: str) -> JobRecord:
        """Return the record of a job."""
        return (await self.job_store.get(job_id, self.owner)).record

    async def wait_until(self, job_id: str, condition: Callable[[JobRecord], bool]) -> JobRecord:
        """Wait until `condition` holds for a job."""
        async with asyncio.timeout(15):
            async for stored in self.job_store.watch(job_id, self.owner):
                if condition(stored.record):
                    return stored.record
        raise AssertionError("the job ended otherwise")

    async def wait_until_ended(self, job_id: str) -> JobRecord:
        """Wait until a job has ended."""
        return await self.wait_until(job_id, lambda record: record.status.is_final)

    async def wait_until_running(self, job_id: str) -> JobRecord:
        """Wait until a job runs."""
        return await self.wait_until(job_id, lambda record: record.status is Status.RUNNING)

    async def collect_changes(self, job_id: str, after_revision: int = 0) -> list[StoredJob]:
        """Return the versions of a job that a watch yields until its end."""
        async with asyncio.timeout(15):
            return [stored async for stored in self.job_store.watch(job_id, self.owner, after_revision)]

    async def list_page(
        self, page_size: int = 100, token: str = "", *, owner: str = "", job_filter: JobFilter | None = None
    ) -> tuple[list[str], str]:
        """Return the ids on a page, and the token of the next page."""
        found, following = await self.job_store.list_page(
            owner or self.owner, job_filter or JobFilter(), page_size, token
        )
        return [stored.record.job_id for stored in found], following

    async def list_pages(self, page_size: int) -> list[list[str]]:
        """Return the ids on all pages."""
        ids, token = await self.list_page(page_size)
        pages = [ids]
        while token:
            ids, token = await self.list_page(page_size, token)
            pages.append(ids)
        return pages

    async def count_queued(self, kind: str = "") -> int:
        """Return the number of queued messages: all, or those of this owner and a kind."""
        subject = self.build_subject(kind) if kind else ">"
        info = await self.streams.jetstream.stream_info(QUEUE, subjects_filter=subject)
        return sum((info.state.subjects or {}).values())

    async def wait_for_queued(self, count: int, kind: str = "") -> None:
        """Wait for a number of queued messages: a job ends shortly before its message is acknowledged."""

        async def answer() -> bool:
            return await self.count_queued(kind) == count

        await eventually(answer)

    def build_subject(self, kind: str, owner: str = "") -> str:
        """Return the subject of an owner and a kind; webhook jobs have one subject each."""
        return f"{RUN}.{kind}.{'*' if kind == WEBHOOK else to_owner_token(owner or self.owner)}"

    @asynccontextmanager
    async def run_worker(
        self,
        job_types: Mapping[str, JobType],
        name: str = "w-1",
        max_jobs: int = 8,
        lease_seconds: float = _LEASE_SECONDS,
    ) -> AsyncIterator[Worker]:
        """Run a worker on a connection of its own, and stop it as its process does."""
        async with open_streams(StreamOptions((self.url,), quota=QUOTA), name) as streams:
            worker = Worker(streams, JobStore(streams), job_types, WorkerOptions(name, max_jobs, lease_seconds))
            running = asyncio.create_task(worker.run())
            try:
                yield worker
            finally:
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running


async def catch_reason(call: Any) -> Reason:
    """Return the reason with which a call is refused."""
    with pytest.raises(MediaError) as caught:
        await call
    return caught.value.reason


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def nats_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """URL of the server, shared by all tests because it starts slowly."""
    async with run_nats(tmp_path_factory.mktemp("nats")) as url:
        yield url


@pytest.fixture
async def streams(nats_url: str) -> AsyncIterator[Streams]:
    """A connection to the server, with an empty queue without consumers."""
    client = await nats.connect(nats_url)
    with suppress(NotFoundError):
        await client.jetstream().delete_stream(QUEUE)
    await client.close()
    async with open_streams(StreamOptions((nats_url,), quota=QUOTA), "test") as opened:
        yield opened


@pytest.fixture
def jobs(streams: Streams, nats_url: str) -> Jobs:
    """Jobs of a new owner."""
    return Jobs(streams, nats_url)
