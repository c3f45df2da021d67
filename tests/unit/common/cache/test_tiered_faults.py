"""The cache over a store that hangs, fails, is full or lies: nobody waits, and nobody is told a wrong value."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.common.cache.circuit_breaker import CircuitOptions
from services.common.cache.interface import StoreError
from services.common.cache.stats import CacheStats
from tests.conftest import LogLines
from tests.unit.common.cache.conftest import entry_of
from tests.unit.common.cache.rig import HASTY, PATIENT, Rig, settled


def failures(log_lines: LogLines) -> list[tuple[str, str, int]]:
    lines = [line for line in log_lines() if line["event"].startswith("the result store failed")]
    return [(line["operation"], line["cause"], line["suppressed"]) for line in lines]


async def test_a_store_that_never_answers_costs_a_bounded_wait(rig: Rig, log_lines: LogLines) -> None:
    async with rig.opened(replace(HASTY, read_timeout_seconds=0.05)) as (cache, store):
        store.answers.clear()
        assert await cache.get("k") is None
        assert cache.stats == CacheStats(misses=1, errors=1)
    assert failures(log_lines) == [("read", "slow", 0)]


async def test_a_store_that_is_slow_is_left_alone_for_a_while(rig: Rig) -> None:
    async with rig.opened(HASTY) as (cache, store):
        store.answers.clear()
        for number in range(3):
            assert await cache.get(f"k{number}") is None
        asked = len(store.asked)
        for number in range(100):
            assert await cache.get(f"other{number}") is None
        assert len(store.asked) == asked
        assert cache.stats.skipped_open_circuit == 100
        store.answers.set()
        rig.clocks.pass_seconds(10)
        for _ in range(2):
            assert await cache.get("again") is None
        assert len(store.asked) == asked + 2


async def test_many_who_wait_for_one_key_are_one_failure(rig: Rig) -> None:
    async with rig.opened(HASTY) as (cache, store):
        store.answers.clear()
        assert await asyncio.gather(*(cache.get("k") for _ in range(20))) == [None] * 20
        assert store.asked == ["get k"]
        assert cache.stats == CacheStats(misses=20, errors=1)


async def test_many_who_ask_for_one_key_share_one_read(rig: Rig) -> None:
    await rig.remembers("k", "value")
    async with rig.opened() as (cache, store):
        assert await asyncio.gather(*(cache.get("k") for _ in range(20))) == ["value"] * 20
        assert store.asked == ["get k"]


async def test_one_who_gives_up_takes_the_value_from_nobody(rig: Rig) -> None:
    await rig.remembers("k", "value")
    async with rig.opened() as (cache, store):
        store.answers.clear()
        impatient, patient = (asyncio.create_task(cache.get("k")) for _ in range(2))
        await settled(lambda: store.asked == ["get k"])
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        store.answers.set()
        assert await patient == "value"


async def test_an_answer_that_comes_late_serves_the_next_caller(rig: Rig) -> None:
    await rig.remembers("k", "value")
    async with rig.opened(HASTY) as (cache, store):
        store.answers.clear()
        assert await cache.get("k") is None
        store.answers.set()
        await settled(lambda: cache.peek("k") == "value")
        assert await cache.get("k") == "value"


async def test_a_late_answer_does_not_displace_what_was_put_meanwhile(rig: Rig) -> None:
    await rig.remembers("k", "old")
    async with rig.opened() as (cache, store):
        store.answers.clear()
        reading = asyncio.create_task(cache.get("k"))
        await settled(lambda: store.asked == ["get k"])
        cache.put("k", "new")
        store.answers.set()
        assert await reading == "new"
        assert cache.peek("k") == "new"
    assert rig.shelf.entries["k"][0].data == b"new"


async def test_reads_that_hang_are_bounded_in_number(rig: Rig) -> None:
    async with rig.opened(replace(HASTY, max_running_reads=2, circuit=CircuitOptions(failures=99))) as (cache, store):
        store.answers.clear()
        assert await asyncio.gather(*(cache.get(f"k{number}") for number in range(5))) == [None] * 5
        assert store.asked == ["get k0", "get k1"]
        assert cache.stats.skipped_busy == 3


@pytest.mark.parametrize("failure", [StoreError("down"), RuntimeError("a driver's bug"), TimeoutError()])
async def test_a_store_that_fails_is_a_miss(rig: Rig, log_lines: LogLines, failure: Exception) -> None:
    async with rig.opened() as (cache, store):
        store.failure = failure
        assert await cache.get("k") is None
        cache.put("k", "value")
        assert await cache.get("k") == "value"
        assert cache.stats.errors == 1
    ((operation, cause, suppressed),) = failures(log_lines)
    assert (operation, suppressed) == ("read", 0)
    assert "bug" not in cause


async def test_a_store_that_cannot_be_written_still_serves(rig: Rig) -> None:
    await rig.remembers("there", "value")
    async with rig.opened(replace(PATIENT, circuit=HASTY.circuit)) as (cache, store):
        store.read_only = True
        for number in range(10):
            cache.put(f"k{number}", "new")
        await settled(lambda: cache.stats.skipped_open_circuit == 7)
        assert await cache.get("there") == "value"
        assert cache.stats.errors == 3
        assert [await cache.get(f"k{number}") for number in range(10)] == ["new"] * 10


async def test_a_store_that_is_down_costs_one_log_line_a_minute(rig: Rig, log_lines: LogLines) -> None:
    async with rig.opened(replace(PATIENT, circuit=CircuitOptions(failures=99))) as (cache, store):
        store.failure = StoreError("down")
        for _ in range(2):
            for number in range(20):
                assert await cache.get(f"k{number}") is None
            rig.clocks.pass_seconds(60)
        assert await cache.get("k") is None
        assert failures(log_lines) == [("read", "down", 0), ("read", "down", 19), ("read", "down", 19)]


async def test_a_write_that_hangs_is_given_up(rig: Rig, log_lines: LogLines) -> None:
    async with rig.opened(HASTY) as (cache, store):
        store.answers.clear()
        cache.put("k", "value")
        await settled(lambda: cache.stats.errors == 1)
    assert failures(log_lines) == [("write", "slow", 0)]


async def test_what_waits_for_the_store_is_bounded_in_bytes(rig: Rig, log_lines: LogLines) -> None:
    async with rig.opened(replace(PATIENT, queue_bytes=100)) as (cache, store):
        store.answers.clear()
        for number in range(10):
            cache.put(f"k{number}", "x" * 30)
        assert cache.stats.dropped_writes == 7
        assert failures(log_lines) == [("write", "queue full", 0)]
        store.answers.set()
    assert sorted(rig.shelf.entries) == ["k0", "k1", "k2"]


async def test_closing_waits_for_what_is_on_its_way(rig: Rig) -> None:
    async with rig.opened() as (cache, store):
        store.answers.clear()
        for number in range(20):
            cache.put(f"k{number}", "value")
        asyncio.get_running_loop().call_soon(store.answers.set)
    assert len(rig.shelf.entries) == 20


async def test_closing_waits_only_so_long(rig: Rig, log_lines: LogLines) -> None:
    async with rig.opened(replace(HASTY, write_timeout_seconds=60)) as (cache, store):
        store.answers.clear()
        for number in range(5):
            cache.put(f"k{number}", "value")
        waiting = asyncio.create_task(cache.get("other"))
        await settled(lambda: "get other" in store.asked)
    assert await waiting is None
    assert cache.stats.dropped_writes == 5
    assert "results did not reach the store before the end" in [line["event"] for line in log_lines()]


async def test_an_error_inside_the_context_comes_out_as_it_is(rig: Rig) -> None:
    async def use() -> None:
        async with rig.opened() as (cache, _):
            cache.put("k", "value")
            raise KeyError("own")

    with pytest.raises(KeyError, match="own"):
        await use()
    assert list(rig.shelf.entries) == ["k"]


async def test_expired_entries_are_purged_now_and_again(rig: Rig) -> None:
    await rig.remembers("short", "value", 10)
    await rig.remembers("long", "value", 1000)
    rig.clocks.pass_seconds(10)
    async with rig.opened(replace(PATIENT, purge_interval_seconds=0)) as (_, store):
        await settled(lambda: store.asked.count("purge") >= 3)
        assert list(rig.shelf.entries) == ["long"]


async def test_a_value_that_cannot_be_decoded_is_dropped(rig: Rig, log_lines: LogLines) -> None:
    async with rig.opened() as (cache, store):
        await store.put(replace(entry_of("k", b"\xff\xfe"), created_at=rig.clocks.steady().now()))
        assert await cache.get("k") is None
        assert cache.stats.corrupt == 1
    assert rig.shelf.entries == {}
    assert [line["what"] for line in log_lines() if line["level"] == "warning"] == ["UnicodeDecodeError"]


async def test_a_value_that_the_store_found_corrupt_is_counted(rig: Rig) -> None:
    await rig.remembers("k", "value")
    rig.shelf.entries["k"] = (rig.shelf.entries["k"][0], "0" * 64)
    async with rig.opened() as (cache, _):
        assert await cache.get("k") is None
        assert cache.stats == CacheStats(misses=1, corrupt=1)


async def test_a_value_that_cannot_be_encoded_is_kept_in_memory(rig: Rig, log_lines: LogLines) -> None:
    async with rig.opened() as (cache, _):
        cache.put("k", "\ud800")
        await settled(lambda: cache.stats.errors == 1)
        assert await cache.get("k") == "\ud800"
    assert failures(log_lines) == [("write", "UnicodeEncodeError", 0)]
