"""The tiered cache over a store that hangs, fails, is full or corrupt."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.common.cache.circuit_breaker import CircuitOptions
from services.common.cache.interface import CacheStats, StoreError
from tests.conftest import LogLines
from tests.unit.common.cache.conftest import make_entry
from tests.unit.common.cache.rig import LONG_TIMEOUTS, SHORT_TIMEOUTS, Rig, wait_until


def list_failures(log_lines: LogLines) -> list[tuple[str, str, int]]:
    lines = [line for line in log_lines() if line["event"].startswith("the result store failed")]
    return [(line["operation"], line["cause"], line["suppressed"]) for line in lines]


async def test_a_store_that_never_answers_costs_a_bounded_wait(rig: Rig, log_lines: LogLines) -> None:
    async with rig.open(replace(SHORT_TIMEOUTS, read_timeout_seconds=0.05)) as (cache, store):
        store.proceed.clear()
        assert await cache.get("k") is None
        assert cache.stats == CacheStats(misses=1, errors=1)
    assert list_failures(log_lines) == [("read", "slow", 0)]


async def test_a_slow_store_is_skipped_for_a_pause(rig: Rig) -> None:
    async with rig.open(SHORT_TIMEOUTS) as (cache, store):
        store.proceed.clear()
        for number in range(3):
            assert await cache.get(f"k{number}") is None
        calls = len(store.calls)
        for number in range(100):
            assert await cache.get(f"other{number}") is None
        assert len(store.calls) == calls
        assert cache.stats.skipped_open_circuit == 100
        store.proceed.set()
        rig.clocks.pass_seconds(10)
        for _ in range(2):
            assert await cache.get("again") is None
        assert len(store.calls) == calls + 2


async def test_a_timeout_of_a_shared_read_counts_as_one_failure(rig: Rig) -> None:
    async with rig.open(SHORT_TIMEOUTS) as (cache, store):
        store.proceed.clear()
        assert await asyncio.gather(*(cache.get("k") for _ in range(20))) == [None] * 20
        assert store.calls == ["get k"]
        assert cache.stats == CacheStats(misses=20, errors=1)


async def test_concurrent_callers_of_one_key_share_one_read(rig: Rig) -> None:
    await rig.put_from_other_process("k", "value")
    async with rig.open() as (cache, store):
        assert await asyncio.gather(*(cache.get("k") for _ in range(20))) == ["value"] * 20
        assert store.calls == ["get k"]


async def test_a_cancelled_caller_does_not_cancel_the_shared_read(rig: Rig) -> None:
    await rig.put_from_other_process("k", "value")
    async with rig.open() as (cache, store):
        store.proceed.clear()
        impatient, patient = (asyncio.create_task(cache.get("k")) for _ in range(2))
        await wait_until(lambda: store.calls == ["get k"])
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        store.proceed.set()
        assert await patient == "value"


async def test_a_late_answer_serves_the_next_caller(rig: Rig) -> None:
    await rig.put_from_other_process("k", "value")
    async with rig.open(SHORT_TIMEOUTS) as (cache, store):
        store.proceed.clear()
        assert await cache.get("k") is None
        store.proceed.set()
        await wait_until(lambda: cache.peek("k") == "value")
        assert await cache.get("k") == "value"


async def test_a_late_answer_does_not_replace_a_newer_value(rig: Rig) -> None:
    await rig.put_from_other_process("k", "old")
    async with rig.open() as (cache, store):
        store.proceed.clear()
        reading = asyncio.create_task(cache.get("k"))
        await wait_until(lambda: store.calls == ["get k"])
        cache.put("k", "new")
        store.proceed.set()
        assert await reading == "new"
        assert cache.peek("k") == "new"
    assert rig.storage.entries["k"][0].data == b"new"


async def test_reads_that_hang_are_bounded_in_number(rig: Rig) -> None:
    async with rig.open(replace(SHORT_TIMEOUTS, max_running_reads=2, circuit=CircuitOptions(failures=99))) as (
        cache,
        store,
    ):
        store.proceed.clear()
        assert await asyncio.gather(*(cache.get(f"k{number}") for number in range(5))) == [None] * 5
        assert store.calls == ["get k0", "get k1"]
        assert cache.stats.skipped_busy == 3


@pytest.mark.parametrize("failure", [StoreError("down"), RuntimeError("a driver's bug"), TimeoutError()])
async def test_a_store_that_fails_is_a_miss(rig: Rig, log_lines: LogLines, failure: Exception) -> None:
    async with rig.open() as (cache, store):
        store.failure = failure
        assert await cache.get("k") is None
        cache.put("k", "value")
        assert await cache.get("k") == "value"
        assert cache.stats.errors == 1
    ((operation, cause, suppressed),) = list_failures(log_lines)
    assert (operation, suppressed) == ("read", 0)
    assert "bug" not in cause


async def test_a_store_that_cannot_be_written_is_still_read(rig: Rig) -> None:
    await rig.put_from_other_process("there", "value")
    async with rig.open(replace(LONG_TIMEOUTS, circuit=SHORT_TIMEOUTS.circuit)) as (cache, store):
        store.read_only = True
        for number in range(10):
            cache.put(f"k{number}", "new")
        await wait_until(lambda: cache.stats.skipped_open_circuit == 7)
        assert await cache.get("there") == "value"
        assert cache.stats.errors == 3
        assert [await cache.get(f"k{number}") for number in range(10)] == ["new"] * 10


async def test_a_store_that_is_down_is_logged_once_a_minute(rig: Rig, log_lines: LogLines) -> None:
    async with rig.open(replace(LONG_TIMEOUTS, circuit=CircuitOptions(failures=99))) as (cache, store):
        store.failure = StoreError("down")
        for _ in range(2):
            for number in range(20):
                assert await cache.get(f"k{number}") is None
            rig.clocks.pass_seconds(60)
        assert await cache.get("k") is None
        assert list_failures(log_lines) == [("read", "down", 0), ("read", "down", 19), ("read", "down", 19)]


async def test_a_write_that_hangs_times_out(rig: Rig, log_lines: LogLines) -> None:
    async with rig.open(SHORT_TIMEOUTS) as (cache, store):
        store.proceed.clear()
        cache.put("k", "value")
        await wait_until(lambda: cache.stats.errors == 1)
    assert list_failures(log_lines) == [("write", "slow", 0)]


async def test_waiting_writes_are_bounded_in_bytes(rig: Rig, log_lines: LogLines) -> None:
    async with rig.open(replace(LONG_TIMEOUTS, queue_bytes=100)) as (cache, store):
        store.proceed.clear()
        for number in range(10):
            cache.put(f"k{number}", "x" * 30)
        assert cache.stats.dropped_writes == 7
        assert list_failures(log_lines) == [("write", "queue full", 0)]
        store.proceed.set()
    assert sorted(rig.storage.entries) == ["k0", "k1", "k2"]


async def test_closing_waits_for_queued_writes(rig: Rig) -> None:
    async with rig.open() as (cache, store):
        store.proceed.clear()
        for number in range(20):
            cache.put(f"k{number}", "value")
        asyncio.get_running_loop().call_soon(store.proceed.set)
    assert len(rig.storage.entries) == 20


async def test_closing_waits_a_bounded_time(rig: Rig, log_lines: LogLines) -> None:
    async with rig.open(replace(SHORT_TIMEOUTS, write_timeout_seconds=60)) as (cache, store):
        store.proceed.clear()
        for number in range(5):
            cache.put(f"k{number}", "value")
        waiting = asyncio.create_task(cache.get("other"))
        await wait_until(lambda: "get other" in store.calls)
    assert await waiting is None
    assert cache.stats.dropped_writes == 5
    assert "results were not stored: closing timed out" in [line["event"] for line in log_lines()]


async def test_an_error_inside_the_context_is_raised_unchanged(rig: Rig) -> None:
    async def use() -> None:
        async with rig.open() as (cache, _):
            cache.put("k", "value")
            raise KeyError("own")

    with pytest.raises(KeyError, match="own"):
        await use()
    assert list(rig.storage.entries) == ["k"]


async def test_expired_entries_are_purged_regularly(rig: Rig) -> None:
    await rig.put_from_other_process("short", "value", 10)
    await rig.put_from_other_process("long", "value", 1000)
    rig.clocks.pass_seconds(10)
    async with rig.open(replace(LONG_TIMEOUTS, purge_interval_seconds=0)) as (_, store):
        await wait_until(lambda: store.calls.count("purge") >= 3)
        assert list(rig.storage.entries) == ["long"]


async def test_a_value_that_cannot_be_decoded_is_deleted(rig: Rig, log_lines: LogLines) -> None:
    async with rig.open() as (cache, store):
        await store.put(replace(make_entry("k", b"\xff\xfe"), created_at=rig.clocks.steady().now()))
        assert await cache.get("k") is None
        assert cache.stats.corrupt == 1
    assert rig.storage.entries == {}
    assert [line["defect"] for line in log_lines() if line["level"] == "warning"] == ["UnicodeDecodeError"]


async def test_corrupt_entries_of_the_store_are_counted(rig: Rig) -> None:
    await rig.put_from_other_process("k", "value")
    rig.storage.entries["k"] = (rig.storage.entries["k"][0], "0" * 64)
    async with rig.open() as (cache, _):
        assert await cache.get("k") is None
        assert cache.stats == CacheStats(misses=1, corrupt=1)


async def test_a_value_that_cannot_be_encoded_is_cached_in_memory(rig: Rig, log_lines: LogLines) -> None:
    async with rig.open() as (cache, _):
        cache.put("k", "\ud800")
        await wait_until(lambda: cache.stats.errors == 1)
        assert await cache.get("k") == "\ud800"
    assert list_failures(log_lines) == [("write", "UnicodeEncodeError", 0)]
