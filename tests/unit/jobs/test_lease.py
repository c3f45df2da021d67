"""Tests of the lease: steps run once, paid steps store an intent, a superseded lease stops."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime

import pytest

from services.jobs.lease import LeaseLostError, Result
from services.jobs.record import Status, format_now
from tests.fakes.cancelling import lose_cancellation
from tests.unit.jobs.memory_buckets import Bucket, Buckets, make_record


class Step:
    """A step that counts its runs and can fail."""

    def __init__(self, buckets: Buckets, *, fails: bool = False) -> None:
        self._buckets = buckets
        self._fails = fails
        self.intents: list[tuple[str, ...]] = []
        """Intents in the record at each run."""

    async def __call__(self) -> Result:
        """Run the step."""
        self.intents.append(self._buckets.records[-1].intents)
        if self._fails:
            raise RuntimeError
        return {"key": "videos/1.mp4"}


class LosingBucket(Bucket):
    """A bucket that replies together with a cancellation, which asyncio.wait_for of Python 3.11 then loses."""

    async def update(self, key: str, value: bytes, last: int) -> int:
        """Write, and lose a cancellation."""
        revision = await super().update(key, value, last)
        await lose_cancellation()
        return revision


async def test_a_write_updates_the_record_and_its_time() -> None:
    buckets = Buckets()
    lease = await buckets.lease(make_record())
    await lease.write(replace(lease.record, stage="video"))
    assert buckets.records[-1] == lease.record
    assert (lease.record.stage, lease.revision) == ("video", 2)
    assert datetime.fromisoformat(lease.record.updated_at) > datetime.fromisoformat(lease.record.created_at)


async def test_a_superseded_lease_cannot_write_and_keeps_its_record() -> None:
    buckets = Buckets()
    stale = await buckets.lease(make_record())
    await buckets.state.put(stale.key, make_record().start_attempt("w-2", 2).encode())
    before = (stale.record, stale.revision)
    with pytest.raises(LeaseLostError):
        await stale.write(stale.record.end_attempt(Status.SUCCEEDED))
    assert (stale.record, stale.revision) == before
    assert buckets.records[-1].worker == "w-2"


async def test_a_cancellation_during_a_write_is_not_lost() -> None:
    buckets = Buckets()
    buckets.state = LosingBucket()
    lease = await asyncio.create_task(buckets.lease(make_record()))
    writing = asyncio.create_task(lease.report_progress("video", 10))
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert (lease.record.percent, lease.revision) == (10.0, 2)
    assert buckets.records[-1] == lease.record


async def test_a_percentage_never_goes_back_and_leaves_100_to_success() -> None:
    buckets = Buckets()
    lease = await buckets.lease(make_record())
    for percent in (10.0, 5.0, 30.0, 29.5, 100.0, 250.0, 0.0):
        await lease.report_progress("video", percent)
    assert [record.percent for record in buckets.records] == [0.0, 10.0, 30.0, 99.0]


async def test_small_changes_are_not_written_but_stages_are() -> None:
    buckets = Buckets()
    lease = await buckets.lease(make_record())
    for percent in (10.0, 10.5, 10.9, 11.0):
        await lease.report_progress("video", percent)
    await lease.report_progress("mux", 11.2)
    await lease.report_progress("storage", 3.0)
    reported = [(record.stage, record.percent) for record in buckets.records[1:]]
    assert reported == [("video", 10.0), ("video", 11.0), ("mux", 11.2), ("storage", 11.2)]


async def test_a_step_runs_once_and_its_result_is_reused() -> None:
    buckets = Buckets()
    lease, step = await buckets.lease(make_record()), Step(buckets)
    assert await lease.run_step("video", step) == {"key": "videos/1.mp4"}
    assert await lease.run_step("video", step) == {"key": "videos/1.mp4"}
    assert len(step.intents) == 1
    assert buckets.records[-1].steps == {"video": {"key": "videos/1.mp4"}}


async def test_steps_of_another_worker_do_not_run_again() -> None:
    buckets = Buckets()
    lease, step = await buckets.lease(make_record(steps={"audio": {"key": "audio/1.mp3"}})), Step(buckets)
    assert await lease.run_step("audio", step) == {"key": "audio/1.mp3"}
    await lease.run_step("video", step)
    assert len(step.intents) == 1
    assert list(buckets.records[-1].steps) == ["audio", "video"]


async def test_a_finished_step_resets_failing_since() -> None:
    buckets = Buckets()
    lease, step = await buckets.lease(make_record(failing_since=format_now(), failed_attempts=3)), Step(buckets)
    await lease.report_progress("video", 30)
    assert lease.record.failing_since
    await lease.run_step("video", step)
    assert (lease.record.failing_since, lease.record.failed_attempts) == ("", 3)


async def test_an_intent_is_stored_before_a_paid_step() -> None:
    buckets = Buckets()
    lease, step = await buckets.lease(make_record()), Step(buckets)
    await lease.run_step("video", step, paid=True)
    assert step.intents == [("video",)]


async def test_a_free_step_stores_no_intent() -> None:
    buckets = Buckets()
    lease, step = await buckets.lease(make_record()), Step(buckets)
    await lease.run_step("final", step)
    assert step.intents == [()]


async def test_a_failed_paid_step_runs_again_with_one_intent() -> None:
    buckets = Buckets()
    lease, failing, step = await buckets.lease(make_record()), Step(buckets, fails=True), Step(buckets)
    with pytest.raises(RuntimeError):
        await lease.run_step("video", failing, paid=True)
    assert "video" not in lease.record.steps
    await lease.run_step("video", step, paid=True)
    assert step.intents == [("video",)]


async def test_a_superseded_lease_does_not_run_a_paid_step() -> None:
    buckets = Buckets()
    stale, step = await buckets.lease(make_record()), Step(buckets)
    await buckets.state.put(stale.key, make_record().start_attempt("w-2", 2).encode())
    with pytest.raises(LeaseLostError):
        await stale.run_step("video", step, paid=True)
    assert step.intents == []


async def test_a_saved_result_replaces_an_earlier_one() -> None:
    buckets = Buckets()
    lease = await buckets.lease(make_record(steps={"audio": {"key": "audio/1.mp3"}}))
    await lease.save_result("deliveries", {"sent": [1]})
    await lease.save_result("deliveries", {"sent": [1, 2]})
    assert lease.record.steps == {"audio": {"key": "audio/1.mp3"}, "deliveries": {"sent": [1, 2]}}


async def test_the_bucket_in_memory_compares_and_sets() -> None:
    bucket = Bucket()
    assert await bucket.create("a", b"1") == 1
    with pytest.raises(Exception, match="wrong last sequence"):
        await bucket.create("a", b"2")
    assert await bucket.update("a", b"2", last=1) == 2
    assert (await bucket.get("a")).value == b"2"
