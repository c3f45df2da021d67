"""The cache over a store that works, hangs, fails, is full or lies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from services.common.cache.circuit import CircuitOptions
from services.common.cache.interface import Entry, StoreError
from services.common.cache.stats import CacheStats
from services.common.cache.tiered import TieredCache, TieredOptions
from tests.conftest import LogLines
from tests.fakes.clocks import Clocks
from tests.fakes.result_store import FakeStore, Shelf
from tests.unit.common.cache.conftest import entry_of

DEADLINE_SECONDS = 5.0
PATIENT = TieredOptions(read_timeout_seconds=DEADLINE_SECONDS, drain_seconds=DEADLINE_SECONDS)
HASTY = TieredOptions(
    read_timeout_seconds=0.02,
    write_timeout_seconds=0.02,
    drain_seconds=0.02,
    circuit=CircuitOptions(failures=3, first_pause_seconds=10, longest_pause_seconds=40),
)


class TextCodec:
    """Keeps texts as UTF-8."""

    def encode(self, key: str, value: str, created_at: datetime, expires_at: datetime) -> Entry:
        return Entry(key, {"contentType": "text/plain"}, value.encode(), created_at, expires_at)

    def decode(self, entry: Entry) -> str:
        return entry.data.decode()

    def size_bytes(self, value: str) -> int:
        return len(value)


@dataclass
class Rig:
    """A cache, its clocks, and what its store is made of."""

    clocks: Clocks
    shelf: Shelf = field(default_factory=Shelf)

    def store(self) -> FakeStore:
        return FakeStore(self.shelf, now=self.clocks.steady().now)

    def cache(self, store: FakeStore | None, options: TieredOptions = PATIENT) -> TieredCache[str]:
        return TieredCache(store, TextCodec(), options, self.clocks.steady())

    @asynccontextmanager
    async def opened(self, options: TieredOptions = PATIENT) -> AsyncIterator[tuple[TieredCache[str], FakeStore]]:
        """Yields a cache of a new process, with its store, after the first purge."""
        store = self.store()
        async with self.cache(store, options) as cache:
            await until(store.purged)
            store.asked.clear()
            yield cache, store

    async def remembers(self, key: str, value: str, ttl_seconds: float = 60) -> None:
        """Has another process put something."""
        async with self.opened() as (cache, _):
            cache.put(key, value, ttl_seconds)


@pytest.fixture
def rig(clocks: Clocks) -> Rig:
    return Rig(clocks)


async def until(event: asyncio.Event) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        await event.wait()


async def settled(condition: Callable[[], bool]) -> None:
    """Lets others run until `condition` holds."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in code that has no event to offer
            await asyncio.sleep(0)


def failures(log_lines: LogLines) -> list[tuple[str, str, int]]:
    lines = [line for line in log_lines() if line["event"].startswith("the result store fails")]
    return [(line["doing"], line["cause"], line["held_back"]) for line in lines]


async def test_what_was_put_is_there_at_once(rig: Rig) -> None:
    async with rig.opened() as (cache, store):
        cache.put("k", "value")
        assert await cache.get("k") == "value"
        assert cache.peek("k") == "value"
        assert store.asked == []
        assert cache.stats == CacheStats(hits_memory=1)


async def test_what_one_process_put_another_finds(rig: Rig) -> None:
    await rig.remembers("k", "value")
    async with rig.opened() as (cache, store):
        assert cache.peek("k") is None
        assert [await cache.get("k") for _ in range(3)] == ["value"] * 3
        assert store.asked == ["get k"]
        assert cache.stats == CacheStats(hits_memory=2, hits_store=1)


async def test_what_nobody_put_is_a_miss(rig: Rig) -> None:
    async with rig.opened() as (cache, _):
        assert await cache.get("k") is None
        assert cache.stats == CacheStats(misses=1)


async def test_without_a_store_memory_alone_serves(rig: Rig) -> None:
    async with rig.cache(None) as cache:
        assert await cache.get("k") is None
        cache.put("k", "value")
        assert await cache.get("k") == "value"
        cache.discard("k")
        assert await cache.get("k") is None
        assert cache.stats == CacheStats(hits_memory=1, misses=2)


async def test_outside_its_context_only_memory_is_used(rig: Rig) -> None:
    store = rig.store()
    cache = rig.cache(store)
    cache.put("k", "before")
    async with cache:
        pass
    assert await cache.get("k") == "before"
    cache.put("k", "after")
    assert await cache.get("other") is None
    assert not [asked for asked in store.asked if asked != "purge"]


async def test_what_is_discarded_is_gone_everywhere(rig: Rig) -> None:
    async with rig.opened() as (cache, _):
        cache.put("k", "value")
        cache.discard("k")
        assert await cache.get("k") is None
    assert rig.shelf.entries == {}


@pytest.mark.parametrize("value", ["", "value"])
async def test_an_empty_value_is_a_value(rig: Rig, value: str) -> None:
    await rig.remembers("k", value)
    async with rig.opened() as (cache, _):
        assert await cache.get("k") == value
        assert await cache.get("k") == value


async def test_a_value_without_a_lifetime_is_not_kept(rig: Rig) -> None:
    async with rig.opened() as (cache, _):
        cache.put("k", "value", 0)
        assert await cache.get("k") is None
    assert rig.shelf.entries == {}


async def test_the_lifetime_is_the_callers_or_that_of_the_options(rig: Rig) -> None:
    async with rig.opened(replace(PATIENT, ttl_seconds=100)) as (cache, _):
        cache.put("theirs", "value", 7)
        cache.put("ours", "value")
    lifetimes = {key: entry.expires_at - entry.created_at for key, (entry, _) in rig.shelf.entries.items()}
    assert lifetimes == {"theirs": timedelta(seconds=7), "ours": timedelta(seconds=100)}


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("jump_seconds", [0, -3600, 3600])
async def test_nothing_outlives_its_time_whatever_the_wall_clock_does(
    rig: Rig, in_memory: bool, jump_seconds: float
) -> None:
    await rig.remembers("k", "value", 60)
    async with rig.opened() as (cache, _):
        rig.clocks.pass_seconds(30)
        if in_memory:
            assert await cache.get("k") == "value"
        rig.clocks.set_wall(jump_seconds)
        assert await cache.get("k") == ("value" if jump_seconds <= 0 else None)
        rig.clocks.pass_seconds(30)
        assert await cache.get("k") is None


async def test_a_value_from_the_store_expires_in_memory_when_it_does_there(rig: Rig) -> None:
    await rig.remembers("k", "value", 60)
    async with rig.opened() as (cache, store):
        rig.clocks.pass_seconds(50)
        assert await cache.get("k") == "value"
        store.failure = StoreError("down")
        rig.clocks.pass_seconds(9)
        assert await cache.get("k") == "value"
        rig.clocks.pass_seconds(1)
        assert await cache.get("k") is None


async def test_a_store_that_never_answers_costs_a_bounded_wait(rig: Rig, log_lines: LogLines) -> None:
    async with rig.opened(replace(HASTY, read_timeout_seconds=0.05)) as (cache, store):
        store.answers.clear()
        started = time.monotonic()
        assert await cache.get("k") is None
        assert 0.04 < time.monotonic() - started < 0.5
        assert cache.stats == CacheStats(misses=1, errors=1)
    assert failures(log_lines) == [("read", "slow", 0)]


async def test_a_store_that_is_slow_is_left_alone_for_a_while(rig: Rig) -> None:
    async with rig.opened(HASTY) as (cache, store):
        store.answers.clear()
        for number in range(3):
            assert await cache.get(f"k{number}") is None
        asked = len(store.asked)
        started = time.monotonic()
        for number in range(100):
            assert await cache.get(f"other{number}") is None
        assert time.monotonic() - started < HASTY.read_timeout_seconds * 50
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
    ((doing, cause, held_back),) = failures(log_lines)
    assert (doing, held_back) == ("read", 0)
    assert "bug" not in cause


async def test_a_store_that_can_not_be_written_still_serves(rig: Rig) -> None:
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


async def test_a_value_that_can_not_be_decoded_is_dropped(rig: Rig, log_lines: LogLines) -> None:
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


async def test_a_value_that_can_not_be_encoded_is_kept_in_memory(rig: Rig, log_lines: LogLines) -> None:
    async with rig.opened() as (cache, _):
        cache.put("k", "\ud800")
        await settled(lambda: cache.stats.errors == 1)
        assert await cache.get("k") == "\ud800"
    assert failures(log_lines) == [("write", "UnicodeEncodeError", 0)]
