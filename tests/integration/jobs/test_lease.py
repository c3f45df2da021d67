"""Tests of leases on a real server: of several leases of a job, one can write."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.jobs.lease import LeaseLostError
from services.jobs.record import JobRecord, Status, format_now
from tests.integration.jobs.conftest import Jobs


async def test_a_superseded_lease_cannot_write(jobs: Jobs) -> None:
    record = await jobs.get_record(await jobs.submit())
    old, new = await jobs.job_store.open_lease(record), await jobs.job_store.open_lease(record)
    await new.write(new.record.start_attempt("w-2", 2))
    for attempt in (
        old.write(old.record.start_attempt("w-1", 1)),
        old.report_progress("video", 50),
        old.save_result("video", {}),
    ):
        with pytest.raises(LeaseLostError):
            await attempt
    assert await jobs.get_record(record.job_id) == new.record


async def test_open_lease_returns_the_latest_record(jobs: Jobs) -> None:
    record = await jobs.get_record(await jobs.submit())
    first = await jobs.job_store.open_lease(record)
    await first.write(replace(first.record, steps={"audio": {"key": "audio/1.mp3"}}))
    second = await jobs.job_store.open_lease(record)
    assert (second.record, second.revision) == (first.record, first.revision)
    await second.write(second.record.start_attempt("w-2", 2))
    assert second.record.steps == {"audio": {"key": "audio/1.mp3"}}


async def test_one_of_many_concurrent_writes_succeeds(jobs: Jobs) -> None:
    record = await jobs.get_record(await jobs.submit())
    leases = [await jobs.job_store.open_lease(record) for _ in range(8)]
    writes = (lease.write(lease.record.start_attempt(f"w-{number}", 1)) for number, lease in enumerate(leases))
    ends = await asyncio.gather(*writes, return_exceptions=True)
    winners = [f"w-{number}" for number, end in enumerate(ends) if end is None]
    assert [type(end) for end in ends if end is not None] == [LeaseLostError] * 7
    assert [(await jobs.get_record(record.job_id)).worker] == winners


async def test_open_lease_creates_the_record_of_a_queued_job(jobs: Jobs) -> None:
    record = JobRecord("ab" * 16, jobs.owner, "animate", {"video": {}}, format_now())
    lease = await jobs.job_store.open_lease(record)
    assert lease.record == record
    assert await jobs.get_record(record.job_id) == record
    await lease.write(lease.record.start_attempt("w-1", 1))
    assert (await jobs.job_store.open_lease(record)).record.attempt == 1


async def test_a_percentage_never_decreases_across_leases(jobs: Jobs) -> None:
    record = await jobs.get_record(await jobs.submit())
    first = await jobs.job_store.open_lease(record)
    for percent in (10.0, 40.0, 20.0):
        await first.report_progress("video", percent)
    second = await jobs.job_store.open_lease(record)
    await second.write(second.record.start_attempt("w-2", 2))
    for percent in (1.0, 39.0, 41.0, 100.0):
        await second.report_progress("video", percent)
    assert (await jobs.get_record(record.job_id)).percent == 99.0
    await second.write(second.record.end_attempt(Status.SUCCEEDED))
    assert (await jobs.get_record(record.job_id)).percent == 100.0


async def test_a_job_resumes_after_its_last_finished_step(jobs: Jobs) -> None:
    record = await jobs.get_record(await jobs.submit())
    done: list[str] = []

    async def make_result(name: str) -> dict[str, str]:
        done.append(name)
        return {"by": name}

    first = await jobs.job_store.open_lease(record)
    await first.run_step("audio", lambda: make_result("first"), paid=True)
    second = await jobs.job_store.open_lease(record)
    assert await second.run_step("audio", lambda: make_result("second"), paid=True) == {"by": "first"}
    assert await second.run_step("video", lambda: make_result("second"), paid=True) == {"by": "second"}
    with pytest.raises(LeaseLostError):
        await first.run_step("video", lambda: make_result("first"), paid=True)
    assert done == ["first", "second"]
    assert (await jobs.get_record(record.job_id)).intents == ("audio", "video")
