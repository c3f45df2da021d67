"""Tests of watches: every change until the end, resumed at any revision."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from nats.errors import BadSubscriptionError

from services.jobs.jetstream import StreamOptions, open_streams
from services.jobs.job_store import JobStore
from services.jobs.lease import Lease
from services.jobs.record import JobFailure, Status
from tests.integration.jobs.conftest import QUOTA, Jobs
from tests.integration.jobs.scripted_pipelines import SubscriptionSpy

FAILURE = JobFailure("CONTENT_BLOCKED", "The provider's safety rules refuse this content.", "video")


async def submit_and_open(jobs: Jobs) -> Lease:
    """Submit a job and open its lease."""
    change = await jobs.get_record(await jobs.submit())
    return await jobs.job_store.open_lease(change)


async def test_a_watch_yields_every_change_until_the_end(jobs: Jobs) -> None:
    lease = await submit_and_open(jobs)
    changes = jobs.job_store.watch(lease.record.job_id, jobs.owner)
    yielded = [await anext(changes)]
    for record in (
        lease.record.start_attempt("w-1", 1),
        replace(lease.record.start_attempt("w-1", 1), stage="video", percent=50.0),
        replace(lease.record.start_attempt("w-1", 1), stage="video", percent=50.0).end_attempt(Status.SUCCEEDED),
    ):
        await lease.write(record)
        yielded.append(await anext(changes))
        assert (yielded[-1].record, yielded[-1].revision) == (lease.record, lease.revision)
    assert [change.record.status for change in yielded] == [
        Status.QUEUED,
        Status.RUNNING,
        Status.RUNNING,
        Status.SUCCEEDED,
    ]
    assert [change.revision for change in yielded] == sorted({change.revision for change in yielded})
    assert [change async for change in changes] == []


async def test_all_watches_yield_the_end(jobs: Jobs, nats_url: str) -> None:
    lease = await submit_and_open(jobs)
    async with open_streams(StreamOptions((nats_url,), quota=QUOTA), "another replica") as streams:
        boards = [jobs.job_store, JobStore(streams)]
        watchers = [job_store.watch(lease.record.job_id, jobs.owner) for job_store in boards for _ in range(5)]
        for watcher in watchers:
            assert (await anext(watcher)).record.status is Status.QUEUED
        await lease.write(lease.record.start_attempt("w-1", 1).end_attempt(Status.FAILED, FAILURE))
        for watcher in watchers:
            assert (await anext(watcher)).record.failure == FAILURE
            assert [change async for change in watcher] == []


async def test_a_resumed_watch_yields_later_changes(jobs: Jobs) -> None:
    lease = await submit_and_open(jobs)
    await lease.write(lease.record.start_attempt("w-1", 1))
    change = lease.revision
    await lease.write(replace(lease.record, percent=50.0))
    await lease.write(lease.record.end_attempt(Status.SUCCEEDED))
    changes = await jobs.collect_changes(lease.record.job_id, change)
    assert [change.revision for change in changes] == [lease.revision]
    assert changes[-1].record.status is Status.SUCCEEDED


async def test_a_watch_resumed_before_a_change_waits_for_it(jobs: Jobs) -> None:
    lease = await submit_and_open(jobs)
    changes = jobs.job_store.watch(lease.record.job_id, jobs.owner, lease.revision)
    following = asyncio.ensure_future(anext(changes))
    await lease.write(lease.record.start_attempt("w-1", 1))
    assert (await following).revision == lease.revision
    await changes.aclose()  # type: ignore[attr-defined] # it is a generator, which its published type does not tell


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED, Status.CANCELLED])
async def test_an_ended_job_is_yielded_once(jobs: Jobs, status: Status) -> None:
    lease = await submit_and_open(jobs)
    await lease.write(lease.record.end_attempt(status))
    assert [change.record.status for change in await jobs.collect_changes(lease.record.job_id)] == [status]


async def test_a_watch_after_the_final_revision_ends_at_once(jobs: Jobs) -> None:
    lease = await submit_and_open(jobs)
    await lease.write(lease.record.end_attempt(Status.SUCCEEDED))
    assert await jobs.collect_changes(lease.record.job_id, lease.revision) == []


async def test_a_watch_with_a_revision_of_another_store_yields_the_end(jobs: Jobs) -> None:
    lease = await submit_and_open(jobs)
    await lease.write(lease.record.end_attempt(Status.SUCCEEDED))
    (changes,) = await jobs.collect_changes(lease.record.job_id, lease.revision + 1000)
    assert changes.record.status is Status.SUCCEEDED


async def test_an_unchanged_job_is_repeated(jobs: Jobs) -> None:
    lease = await submit_and_open(jobs)
    changes = jobs.job_store.watch(lease.record.job_id, jobs.owner, lease.revision, repeat_seconds=0)
    async with asyncio.timeout(10):
        assert [(await anext(changes)).revision for _ in range(2)] == [lease.revision] * 2
    await changes.aclose()  # type: ignore[attr-defined] # it is a generator, which its published type does not tell


async def test_a_lost_notification_only_delays(jobs: Jobs) -> None:
    lease = await submit_and_open(jobs)
    changes = JobStore(SubscriptionSpy(jobs.streams, lossy=True).streams).watch(lease.record.job_id, jobs.owner)
    assert (await anext(changes)).revision == lease.revision
    await lease.write(lease.record.end_attempt(Status.SUCCEEDED))
    async with asyncio.timeout(10):
        assert (await anext(changes)).record.status is Status.SUCCEEDED


async def test_a_closed_watch_unsubscribes(jobs: Jobs) -> None:
    lease, spy = await submit_and_open(jobs), SubscriptionSpy(jobs.streams)
    changes = JobStore(spy.streams).watch(lease.record.job_id, jobs.owner)
    await anext(changes)
    await changes.aclose()  # type: ignore[attr-defined] # it is a generator, which its published type does not tell
    (subscription,) = spy.subscriptions
    with pytest.raises(BadSubscriptionError):
        await subscription.unsubscribe()


async def test_a_cancel_is_stored_for_the_worker(jobs: Jobs) -> None:
    lease = await submit_and_open(jobs)
    assert not await jobs.job_store.is_cancelled(lease.key)
    change = await jobs.job_store.cancel(lease.record.job_id, jobs.owner)
    assert change.record.status is Status.QUEUED
    assert await jobs.job_store.is_cancelled(lease.key)
    assert (await jobs.job_store.cancel(lease.record.job_id, jobs.owner)).record == change.record


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED, Status.CANCELLED])
async def test_an_ended_job_is_not_changed_by_a_cancel(jobs: Jobs, status: Status) -> None:
    lease = await submit_and_open(jobs)
    await lease.write(lease.record.end_attempt(status))
    change = await jobs.job_store.cancel(lease.record.job_id, jobs.owner)
    assert (change.record, change.revision) == (lease.record, lease.revision)
    assert not await jobs.job_store.is_cancelled(lease.key)
    assert (await jobs.get_record(lease.record.job_id)).status is status
