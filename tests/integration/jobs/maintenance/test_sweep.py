"""Tests of sweeps on a real server: old jobs are deleted, orphans removed, lost jobs requeued."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from nats.js.errors import NotFoundError
from prometheus_client import CollectorRegistry

from services.common.errors import MediaError, Reason
from services.common.rpc.call_limits import DEFAULT_CALL_LIMITS
from services.common.storage import ObjectStore
from services.jobs.clients import ServiceClients
from services.jobs.jetstream import CANCELS, QUEUE, REQUESTS, RUN, STATE, StreamOptions, Streams, open_streams
from services.jobs.job_store import JobStore
from services.jobs.maintenance.sweep import SETTLED_SECONDS, SILENT_SECONDS, Cleanup, Sweep, SweepOptions
from services.jobs.metrics import JobMetrics
from services.jobs.record import JobFilter, JobRecord, JobRequest, Status
from tests.fakes.media_services import FakeMediaServices, run_media_services
from tests.fakes.nats import run_nats
from tests.fakes.object_store import FakeObjectStore

RETENTION_SECONDS = 30 * 86_400.0
REQUEST = JobRequest("story", {"headline": {"headline": "Cats rule"}}, request_id="mine")
STORED_AUDIO_ID = "0b9d3a5e-52a7-4d0c-9a36-3f0e6a9b8c11"
MADE = {
    "image": {"key": "users/alice/jobs/1/image.webp"},
    "audio": {"key": "audio/1.mp3", "storedAudioId": STORED_AUDIO_ID},
    "video": {"key": "videos/1.mp4"},
    "final": {"key": "users/alice/jobs/1/final.mp4"},
}


@dataclass
class MaintenanceRig:
    """Jobs and their sweep, with a clock that the test sets."""

    streams: Streams
    job_store: JobStore
    shelves: FakeMediaServices
    services: ServiceClients
    store: ObjectStore
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.metrics = JobMetrics(self.registry)

    async def store_job(self, status: Status = Status.QUEUED, request: JobRequest = REQUEST, **fields: object) -> str:
        """Store a job with this status, changed just now, and return its id."""
        stored = await self.job_store.submit(request, "alice")
        lease = await self.job_store.open_lease(stored.record)
        await lease.write(replace(lease.record, status=status, **fields))  # type: ignore[arg-type] # fields of a record
        return stored.record.job_id

    async def run_sweep(self, after_seconds: float, **options: bool) -> None:
        """Run a sweep at a time in the future."""
        chosen = SweepOptions(RETENTION_SECONDS, **options)
        cleanup = Cleanup(self.services, DEFAULT_CALL_LIMITS)
        clock = time.time() + after_seconds
        await Sweep(self.streams, self.job_store, cleanup, self.store, chosen, self.metrics, lambda: clock).run()

    async def read_record(self, job_id: str) -> JobRecord | None:
        """Return the record of a job of Alice."""
        stored = await self.job_store.read(JobStore.build_key("alice", job_id))
        return None if stored is None else stored.record

    async def read_subjects(self, stream: str) -> set[str]:
        """Return the subjects that have messages."""
        info = await self.streams.jetstream.stream_info(stream, subjects_filter=">")
        return set(info.state.subjects or {})


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[MaintenanceRig]:
    async with (
        run_nats(tmp_path) as url,
        open_streams(StreamOptions((url,)), "test") as streams,
        run_media_services() as (shelves, services),
    ):
        yield MaintenanceRig(streams, JobStore(streams), shelves, services, FakeObjectStore())


async def test_a_job_past_its_retention_is_deleted_from_all_buckets(rig: MaintenanceRig) -> None:
    job_id = await rig.store_job(Status.SUCCEEDED, steps=MADE)
    await rig.streams.cancels.put(JobStore.build_key("alice", job_id), b"1")
    await rig.run_sweep(RETENTION_SECONDS + 60)
    assert await rig.read_record(job_id) is None
    for bucket in (STATE, REQUESTS, CANCELS):
        assert await rig.read_subjects(f"KV_{bucket}") == set()
    assert await rig.job_store.list_page("alice", JobFilter(), 10, "") == ([], "")
    with pytest.raises(MediaError) as refused:
        await rig.job_store.get(job_id, "alice")
    assert refused.value.reason is Reason.JOB_NOT_FOUND
    assert rig.shelves.deleted == []
    assert rig.registry.get_sample_value("media_jobs_upkeep_total", {"action": "forgotten"}) == 1


async def test_its_results_are_deleted_for_the_owner_if_configured(rig: MaintenanceRig) -> None:
    await rig.store_job(Status.SUCCEEDED, steps=MADE)
    rig.shelves.reasons["videos/1.mp4"] = Reason.NOT_FOUND
    await rig.run_sweep(RETENTION_SECONDS + 60, delete_results=True)
    assert sorted(rig.shelves.deleted) == sorted(
        ("alice", name) for name in (MADE["image"]["key"], MADE["final"]["key"], STORED_AUDIO_ID)
    )


async def test_the_results_of_a_repeated_job_belong_to_its_repetition(rig: MaintenanceRig) -> None:
    job_id = await rig.store_job(Status.FAILED, steps=MADE, retried_by="1" * 32)
    await rig.run_sweep(RETENTION_SECONDS + 60, delete_results=True)
    assert await rig.read_record(job_id) is None
    assert rig.shelves.deleted == []


async def test_a_job_stays_until_its_results_are_deleted(rig: MaintenanceRig) -> None:
    job_id = await rig.store_job(Status.SUCCEEDED, steps=MADE)
    other_id = await rig.store_job(Status.SUCCEEDED, replace(REQUEST, request_id="other"))
    rig.shelves.reasons[STORED_AUDIO_ID] = Reason.STORAGE_FAILED
    await rig.run_sweep(RETENTION_SECONDS + 60, delete_results=True)
    assert await rig.read_record(job_id) is not None
    assert await rig.read_record(other_id) is None
    rig.shelves.reasons.clear()
    await rig.run_sweep(RETENTION_SECONDS + 60, delete_results=True)
    assert await rig.read_record(job_id) is None


@pytest.mark.parametrize("status", list(Status))
async def test_a_job_is_not_deleted_before_its_retention_nor_before_its_end(
    rig: MaintenanceRig, status: Status
) -> None:
    job_id = await rig.store_job(status)
    await rig.run_sweep(RETENTION_SECONDS - 60, delete_results=True)
    if not status.is_final:
        await rig.run_sweep(RETENTION_SECONDS + 60, delete_results=True)
    found = await rig.read_record(job_id)
    assert found is not None
    assert found.status is status


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED])
async def test_orphaned_objects_are_deleted_once(rig: MaintenanceRig, status: Status) -> None:
    job_id = await rig.store_job(status, steps={"image": MADE["image"]})
    await rig.run_sweep(SETTLED_SECONDS - 60)
    assert rig.shelves.deleted == []
    before = await rig.read_record(job_id)
    await rig.run_sweep(SETTLED_SECONDS + 60)
    await rig.run_sweep(SETTLED_SECONDS + 60)
    assert rig.shelves.deleted == [("alice", f"users/alice/jobs/{job_id}/final.mp4")]
    after = await rig.read_record(job_id)
    assert before is not None
    assert after == replace(before, tidied=True)


async def test_nothing_of_a_job_that_succeeded_is_deleted(rig: MaintenanceRig) -> None:
    await rig.store_job(Status.SUCCEEDED, steps={"image": MADE["image"]})
    await rig.run_sweep(SETTLED_SECONDS + 60)
    assert rig.shelves.deleted == []


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING])
async def test_a_job_that_the_queue_has_lost_is_requeued_once(rig: MaintenanceRig, status: Status) -> None:
    job_id = await rig.store_job(status)
    subject = f"{RUN}.story.alice"
    await rig.streams.jetstream.purge_stream(QUEUE, subject=subject)
    await rig.run_sweep(SILENT_SECONDS - 60)
    assert await rig.read_subjects(QUEUE) == set()
    await rig.run_sweep(SILENT_SECONDS + 60)
    await rig.run_sweep(SILENT_SECONDS + 60)
    info = await rig.streams.jetstream.stream_info(QUEUE)
    message = await rig.streams.jetstream.get_last_msg(QUEUE, subject)
    assert (info.state.messages, JobRecord.decode(message.data or b"").job_id) == (1, job_id)


async def test_a_queued_job_is_not_requeued(rig: MaintenanceRig) -> None:
    for number in range(3):
        await rig.store_job(Status.QUEUED, replace(REQUEST, request_id=f"job-{number}"))
    # An unreadable message must not stop the sweep.
    await rig.streams.jetstream.publish(f"{RUN}.story.alice", b"from a newer version")
    await rig.run_sweep(SILENT_SECONDS + 60)
    assert (await rig.streams.jetstream.stream_info(QUEUE)).state.messages == 4


async def test_a_job_that_ends_during_the_sweep_is_not_requeued(rig: MaintenanceRig) -> None:
    job_id = await rig.store_job(Status.RUNNING)
    await rig.streams.jetstream.purge_stream(QUEUE)
    stored = await rig.job_store.read(JobStore.build_key("alice", job_id))
    assert stored is not None
    lease = await rig.job_store.open_lease(stored.record)
    read = rig.job_store.read

    async def read_then_end(key: str) -> object:
        found = await read(key)
        if lease.revision == stored.revision:
            await lease.write(lease.record.end_attempt(Status.SUCCEEDED))
        return found

    rig.job_store.read = read_then_end  # type: ignore[method-assign, assignment] # in between, as another process would
    await rig.run_sweep(SILENT_SECONDS + 60)
    with pytest.raises(NotFoundError):
        await rig.streams.jetstream.get_last_msg(QUEUE, f"{RUN}.story.alice")


async def test_each_sweep_deletes_unfinished_uploads(rig: MaintenanceRig) -> None:
    tidied: list[float] = []

    class Store(FakeObjectStore):
        async def remove_stale_drafts(self, older_than_seconds: float) -> int:
            tidied.append(older_than_seconds)
            return 1

    rig.store = Store()
    await rig.run_sweep(0)
    assert tidied == [SETTLED_SECONDS]


async def test_an_unreadable_record_stops_neither_a_sweep_nor_a_list(rig: MaintenanceRig) -> None:
    job_id = await rig.store_job(Status.SUCCEEDED)
    await rig.streams.state.put(JobStore.build_key("alice", "f" * 32), b'{"status": "paused"}')
    found, _ = await rig.job_store.list_page("alice", JobFilter(), 10, "")
    assert [stored.record.job_id for stored in found] == [job_id]
    await rig.run_sweep(RETENTION_SECONDS + 60)
    assert await rig.read_record(job_id) is None
    assert rig.registry.get_sample_value("media_jobs_upkeep_total", {"action": "failed"}) == 1
