"""The tiered cache over a store that works: the choice of the store, hits, misses and lifetimes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.common.cache import Collection, open_cache, open_result_store
from services.common.cache.interface import CacheStats, StoreError
from services.common.cache.mongo import MongoStore
from services.common.cache.settings import CacheSettings
from services.common.cache.sqlite import SqliteStore
from services.common.settings import ConfigurationError
from tests.unit.common.cache.conftest import make_entry
from tests.unit.common.cache.rig import LONG_TIMEOUTS, Rig, TextCodec


async def test_a_value_is_available_at_once(rig: Rig) -> None:
    async with rig.open() as (cache, store):
        cache.put("k", "value")
        assert await cache.get("k") == "value"
        assert cache.peek("k") == "value"
        assert store.calls == []
        assert cache.stats == CacheStats(hits_memory=1)


async def test_a_value_of_one_process_is_found_by_another(rig: Rig) -> None:
    await rig.put_from_other_process("k", "value")
    async with rig.open() as (cache, store):
        assert cache.peek("k") is None
        assert [await cache.get("k") for _ in range(3)] == ["value"] * 3
        assert store.calls == ["get k"]
        assert cache.stats == CacheStats(hits_memory=2, hits_store=1)


async def test_an_unknown_key_is_a_miss(rig: Rig) -> None:
    async with rig.open() as (cache, _):
        assert await cache.get("k") is None
        assert cache.stats == CacheStats(misses=1)


async def test_without_a_store_only_memory_is_used(rig: Rig) -> None:
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
    assert not [call for call in store.calls if call != "purge"]


async def test_a_discarded_value_is_gone_from_memory_and_store(rig: Rig) -> None:
    async with rig.open() as (cache, _):
        cache.put("k", "value")
        cache.discard("k")
        assert await cache.get("k") is None
    assert rig.storage.entries == {}


@pytest.mark.parametrize("value", ["", "value"])
async def test_an_empty_value_is_a_value(rig: Rig, value: str) -> None:
    await rig.put_from_other_process("k", value)
    async with rig.open() as (cache, _):
        assert await cache.get("k") == value
        assert await cache.get("k") == value


async def test_a_value_without_a_lifetime_is_not_cached(rig: Rig) -> None:
    async with rig.open() as (cache, _):
        cache.put("k", "value", 0)
        assert await cache.get("k") is None
    assert rig.storage.entries == {}


async def test_the_lifetime_of_the_caller_overrides_the_options(rig: Rig) -> None:
    async with rig.open(replace(LONG_TIMEOUTS, ttl_seconds=100)) as (cache, _):
        cache.put("theirs", "value", 7)
        cache.put("ours", "value")
    lifetimes = {key: entry.expires_at - entry.created_at for key, (entry, _) in rig.storage.entries.items()}
    assert lifetimes == {"theirs": timedelta(seconds=7), "ours": timedelta(seconds=100)}


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("jump_seconds", [0, -3600, 3600])
async def test_no_value_outlives_its_lifetime_whatever_the_wall_clock_does(
    rig: Rig, in_memory: bool, jump_seconds: float
) -> None:
    await rig.put_from_other_process("k", "value", 60)
    async with rig.open() as (cache, _):
        rig.clocks.pass_seconds(30)
        if in_memory:
            assert await cache.get("k") == "value"
        rig.clocks.set_wall(jump_seconds)
        assert await cache.get("k") == ("value" if jump_seconds <= 0 else None)
        rig.clocks.pass_seconds(30)
        assert await cache.get("k") is None


async def test_a_value_from_the_store_expires_in_memory_at_the_same_time(rig: Rig) -> None:
    await rig.put_from_other_process("k", "value", 60)
    async with rig.open() as (cache, store):
        rig.clocks.pass_seconds(50)
        assert await cache.get("k") == "value"
        store.failure = StoreError("down")
        rig.clocks.pass_seconds(9)
        assert await cache.get("k") == "value"
        rig.clocks.pass_seconds(1)
        assert await cache.get("k") is None


@pytest.mark.parametrize("enabled", [False, True])
async def test_the_settings_decide_whether_there_is_a_cache(tmp_path: Path, enabled: bool) -> None:
    settings = CacheSettings(
        caching_enabled=enabled, cache_ttl_seconds=60, cache_memory_bytes=0, MEDIA_STATE_DIR=tmp_path
    )
    async with open_cache(settings, Collection(), TextCodec()) as cache:
        assert (cache is not None) is enabled
        if cache is not None:
            cache.put("k", "value")
    async with open_result_store("", settings.database_file, Collection()) as store:
        assert (await store.get("k") is not None) is enabled


async def test_without_a_connection_string_the_file_is_used(tmp_path: Path) -> None:
    async with open_result_store("", tmp_path / "state" / "media.sqlite", Collection()) as store:
        assert isinstance(store, SqliteStore)
        await store.put(make_entry())
        assert await store.get("a" * 64) == make_entry()


async def test_the_file_has_the_requested_bound(tmp_path: Path) -> None:
    async with open_result_store("", tmp_path / "media.sqlite", Collection(), sqlite_max_bytes=100) as store:
        await store.put(make_entry(data=b"x" * 101))
        assert await store.get("a" * 64) is None


async def test_with_a_connection_string_the_server_is_used(tmp_path: Path) -> None:
    async with open_result_store("mongodb://127.0.0.1:1/", tmp_path / "media.sqlite", Collection()) as store:
        assert isinstance(store, MongoStore)


async def test_an_invalid_connection_string_stops_the_process(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="MONGODB_URI"):
        async with open_result_store("mongodb://", tmp_path / "media.sqlite", Collection()):
            raise AssertionError("it was accepted")


def test_the_driver_is_imported_only_when_needed() -> None:
    script = "import sys, services.common.cache; sys.exit('motor' in sys.modules or 'pymongo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=30).returncode == 0
