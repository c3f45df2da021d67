"""The usage recorder: never blocks or fails a call, and loses no record below its bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.settings import ConfigurationError
from services.common.usage import RecorderOptions, RecorderStats, UsageRecorder, get_utc_today, open_usage
from tests.conftest import LogLines
from tests.fakes.usage import TODAY, FakeUsageStore, make_store_error, make_usage_record

SOON = 0.001
NEVER = 3600.0


@asynccontextmanager
async def open_recorder(store: FakeUsageStore, **options: Any) -> AsyncIterator[UsageRecorder]:
    chosen = RecorderOptions(**({"interval_seconds": SOON, "close_seconds": 5} | options))
    async with UsageRecorder(store, chosen, today=lambda: TODAY) as recorder:
        yield recorder


async def test_a_record_is_written_in_the_background() -> None:
    store, record = FakeUsageStore(), make_usage_record()
    async with open_recorder(store) as recorder:
        recorder.record(record)
        await store.wait_for_records(1)
    assert list(store.stored.values()) == [record]


async def test_records_are_written_in_batches() -> None:
    store = FakeUsageStore()
    async with open_recorder(store, interval_seconds=NEVER, batch_records=3) as recorder:
        for _ in range(6):
            recorder.record(make_usage_record())
        await store.wait_for_records(6)
    assert store.batches == [3, 3]


async def test_waiting_records_are_written_at_close() -> None:
    store = FakeUsageStore()
    async with open_recorder(store, interval_seconds=NEVER, batch_records=2) as recorder:
        recorder.record(make_usage_record())
    assert len(store.stored) == 1
    assert recorder.stats == RecorderStats(written=1, lost=0, waiting=0, failed_writes=0)


async def test_waiting_records_are_written_when_the_process_fails() -> None:
    store = FakeUsageStore()

    async def run_failing_process() -> None:
        async with open_recorder(store, interval_seconds=NEVER) as recorder:
            recorder.record(make_usage_record())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run_failing_process()
    assert len(store.stored) == 1


async def test_a_flush_writes_at_once_and_returns_true() -> None:
    store = FakeUsageStore()
    async with open_recorder(store, interval_seconds=NEVER) as recorder:
        recorder.record(make_usage_record())
        assert await recorder.flush()
        assert len(store.stored) == 1


async def test_a_cancelled_flush_loses_nothing_and_writes_nothing_twice() -> None:
    store = FakeUsageStore()
    store.proceed.clear()
    async with open_recorder(store, interval_seconds=NEVER) as recorder:
        recorder.record(make_usage_record())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await recorder.flush()
        assert recorder.stats.waiting == 1
        store.proceed.set()
        assert await recorder.flush()
    assert recorder.stats == RecorderStats(written=1, lost=0, waiting=0, failed_writes=0)


async def test_a_recovered_store_gets_every_record() -> None:
    store = FakeUsageStore()
    store.failure = make_store_error()
    async with open_recorder(store, longest_pause_seconds=SOON) as recorder:
        for _ in range(5):
            recorder.record(make_usage_record())
        await store.wait_for_writes(3)
        assert recorder.stats.waiting == 5
        store.failure = None
        await store.wait_for_records(5)
    assert (recorder.stats.written, recorder.stats.lost) == (5, 0)
    assert recorder.stats.failed_writes >= 2


async def test_a_write_that_hangs_times_out_and_is_retried() -> None:
    store = FakeUsageStore()
    store.proceed.clear()
    async with open_recorder(store, write_seconds=SOON, longest_pause_seconds=SOON) as recorder:
        recorder.record(make_usage_record())
        await store.wait_for_writes(2)
        store.proceed.set()
        await store.wait_for_records(1)
    assert recorder.stats.written == 1


async def test_a_store_that_is_down_at_close_loses_records_without_an_error(log_lines: LogLines) -> None:
    store = FakeUsageStore()
    store.failure = make_store_error()
    async with open_recorder(store) as recorder:
        for _ in range(3):
            recorder.record(make_usage_record())
    assert (recorder.stats.lost, recorder.stats.waiting) == (3, 0)
    assert {"event": "usage records were lost: closing timed out before they were written", "lost": 3}.items() <= (
        log_lines()[-1].items()
    )


async def test_a_store_that_hangs_does_not_delay_the_shutdown() -> None:
    store = FakeUsageStore()
    store.proceed.clear()
    async with open_recorder(store, close_seconds=SOON) as recorder:
        recorder.record(make_usage_record())
    assert recorder.stats.lost == 1


async def test_a_refused_batch_does_not_block_the_next_ones(log_lines: LogLines) -> None:
    store = FakeUsageStore()
    store.failure = OverflowError("a text that quotes what was said")
    async with open_recorder(store, interval_seconds=NEVER) as recorder:
        recorder.record(make_usage_record())
        assert await recorder.flush()
        store.failure = None
        recorder.record(make_usage_record())
        assert await recorder.flush()
    assert (recorder.stats.written, recorder.stats.lost) == (1, 1)
    (line,) = [line for line in log_lines() if line["event"] == "usage records were refused"]
    assert line["error_type"] == "OverflowError"
    assert "quotes" not in str(line)


async def test_beyond_the_bound_records_are_lost_counted_and_logged_once_a_minute(log_lines: LogLines) -> None:
    seconds = [0.0]
    recorder = UsageRecorder(FakeUsageStore(), RecorderOptions(max_waiting=2), clock=lambda: seconds[0])
    for now in (0.0, 1.0, 2.0, 3.0, 60.0, 61.0):
        seconds[0] = now
        recorder.record(make_usage_record())
    assert recorder.stats == RecorderStats(written=0, lost=4, waiting=2, failed_writes=0)
    assert [line["lost_so_far"] for line in log_lines()] == [1]
    seconds[0] = 62.5
    recorder.record(make_usage_record())
    assert [line["lost_so_far"] for line in log_lines()] == [5]


async def test_a_store_that_is_down_is_logged_once_a_minute(log_lines: LogLines) -> None:
    store = FakeUsageStore()
    store.failure = make_store_error()
    seconds = [0.0]
    recorder = UsageRecorder(store, clock=lambda: seconds[0])
    recorder.record(make_usage_record())
    for now in (0.0, 1.0, 59.0, 60.0):
        seconds[0] = now
        assert not await recorder.flush()
    lines = log_lines()
    assert [line["event"] for line in lines] == ["usage records cannot be written and will be retried"] * 2
    assert lines[0]["cause"] == "ServerSelectionTimeoutError"


@settings(deadline=None)
@given(
    steps=st.lists(st.sampled_from(["record", "flush", "fail", "heal"]), max_size=40),
    max_waiting=st.integers(1, 8),
    batch_records=st.integers(1, 5),
)
async def test_every_record_is_written_waiting_or_lost(steps: list[str], max_waiting: int, batch_records: int) -> None:
    store = FakeUsageStore()
    options = RecorderOptions(max_waiting=max_waiting, batch_records=batch_records)
    recorder = UsageRecorder(store, options)
    taken = 0
    for step in steps:
        before = recorder.stats
        match step:
            case "record":
                recorder.record(make_usage_record())
                room = before.waiting < max_waiting
                taken += room
                assert recorder.stats.lost == before.lost + (not room)
            case "flush":
                whole = await recorder.flush()
                assert whole == (recorder.stats.waiting == 0)
            case "fail":
                store.failure = make_store_error()
            case _:
                store.failure = None
        assert recorder.stats.waiting <= max_waiting
        assert taken == len(store.stored) + recorder.stats.waiting
        assert recorder.stats.written == len(store.stored)
    assert all(size <= batch_records for size in store.batches)


async def test_old_records_are_purged_regularly_even_after_a_failure(log_lines: LogLines) -> None:
    store = FakeUsageStore()
    store.failure = make_store_error()
    async with open_recorder(store, purge_interval_seconds=SOON, retention_days=10):
        await store.wait_for_purges(2)
        store.failure = None
        await store.wait_for_purges(4)
    assert set(store.purged_before) == {TODAY - timedelta(days=10)}
    assert log_lines()[0]["event"] == "old usage records could not be removed"


async def test_records_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "media.sqlite"
    async with open_usage("", path) as recorder:
        recorder.record(make_usage_record(at=datetime.now(UTC)))
    async with open_usage("", path) as recorder:
        (found,) = await recorder.store.sum_days("alice", get_utc_today() - timedelta(days=1), get_utc_today())
    assert found.totals.calls == 1


async def test_an_unwritable_path_does_not_stop_the_process(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    async with open_usage("", tmp_path / "data" / "media.sqlite") as recorder:
        recorder.record(make_usage_record())
        assert not await recorder.flush()
    assert recorder.stats.lost == 1


async def test_an_invalid_connection_string_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="MONGODB_URI"):
        async with open_usage("http://localhost", tmp_path / "unused"):
            pass
