"""Cached speech serves every kind of caller, also after a restart, and a failing store blocks no request."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from media.common.v1 import cache_pb2

from services.common.cache import Entry, Store, TieredCache, TieredOptions, open_result_store
from services.tts.cache import COLLECTION, CachedSpeech, SpeechCodec
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.integration.tts.conftest import SHAPES, StartService, request_speech

TEXT = "The same request gets the same speech."
HIT, MISS, BYPASS = cache_pb2.CACHE_STATUS_HIT, cache_pb2.CACHE_STATUS_MISS, cache_pb2.CACHE_STATUS_BYPASS


@asynccontextmanager
async def open_cache(file: Path) -> AsyncIterator[TieredCache[CachedSpeech]]:
    async with open_result_store("", file, COLLECTION) as store, TieredCache(store, SpeechCodec()) as cache:
        yield cache


@pytest.mark.parametrize("first", SHAPES)
async def test_a_cached_result_serves_every_shape_even_after_a_restart(
    fake: FakeElevenLabs, start_service: StartService, tmp_path: Path, first: str
) -> None:
    async with open_cache(tmp_path / "cached") as cache, start_service(cache=cache) as stub:
        first_result = await request_speech(stub, first, TEXT)
        results = [await request_speech(stub, shape, TEXT) for shape in SHAPES]
    async with open_cache(tmp_path / "cached") as cache, start_service(cache=cache) as stub:
        results += [await request_speech(stub, shape, TEXT) for shape in SHAPES]
    assert fake.calls == 1
    assert first_result.header.cache_status == MISS
    assert {one.header.cache_status for one in results} == {HIT}
    assert {one.audio for one in results} == {first_result.audio}
    timings = {one.timing for one in (first_result, *results) if one.timing}
    assert ["".join(character for character, _, _ in timing) for timing in timings] == [TEXT]
    assert [one.done.provider_cost_units for one in results if one.done is not None] == [0] * 6


async def test_services_that_share_a_store_share_results(
    fake: FakeElevenLabs, start_service: StartService, tmp_path: Path
) -> None:
    async with open_cache(tmp_path / "cached") as cache, start_service(cache=cache) as stub:
        await request_speech(stub, "unary", TEXT)
        # Leaving the context writes pending entries.
    async with open_cache(tmp_path / "cached") as one, open_cache(tmp_path / "cached") as other:
        for cache in (one, other):
            async with start_service(cache=cache) as stub:
                assert (await request_speech(stub, "stream", TEXT)).header.cache_status == HIT
    assert fake.calls == 1


async def test_a_caller_can_bypass_the_cache(fake: FakeElevenLabs, start_service: StartService, tmp_path: Path) -> None:
    async with open_cache(tmp_path / "cached") as cache, start_service(cache=cache) as stub:
        assert (await request_speech(stub, "unary", TEXT, use_cache=False)).header.cache_status == BYPASS
        assert (await request_speech(stub, "unary", TEXT)).header.cache_status == MISS
        assert (await request_speech(stub, "stream", TEXT, use_cache=False)).header.cache_status == BYPASS
    assert fake.calls == 3


async def test_a_corrupt_entry_is_generated_again(
    fake: FakeElevenLabs, start_service: StartService, tmp_path: Path
) -> None:
    file = tmp_path / "cached"
    async with open_cache(file) as cache, start_service(cache=cache) as stub:
        first_result = await request_speech(stub, "unary", TEXT)
    with sqlite3.connect(file) as database:
        assert database.execute("UPDATE cache_entries SET data = substr(data, 1, 100)").rowcount == 1
    database.close()
    async with open_cache(file) as cache, start_service(cache=cache) as stub:
        again = await request_speech(stub, "unary", TEXT)
        assert cache.stats.corrupt == 1
    assert (again.header.cache_status, again.audio, fake.calls) == (MISS, first_result.audio, 2)


class HangingStore(Store):
    """A store that never responds."""

    async def _read(self, key: str) -> Entry | None:
        await asyncio.Event().wait()
        return None

    async def put(self, entry: Entry) -> None:
        await asyncio.Event().wait()

    async def delete(self, key: str) -> None:
        await asyncio.Event().wait()

    async def purge_expired(self) -> int:
        await asyncio.Event().wait()
        return 0

    async def close(self) -> None:
        return


async def test_a_store_that_never_responds_blocks_no_caller(fake: FakeElevenLabs, start_service: StartService) -> None:
    options = TieredOptions(memory_bytes=0, read_timeout_seconds=0.01, drain_seconds=0.01)
    async with (
        TieredCache(HangingStore(COLLECTION), SpeechCodec(), options) as cache,
        start_service(cache=cache) as stub,
    ):
        for shape in SHAPES:
            assert (await request_speech(stub, shape, TEXT)).done is not None
        assert cache.stats.misses == len(SHAPES)
    assert fake.calls == len(SHAPES)


async def test_an_expired_entry_is_not_used(fake: FakeElevenLabs, start_service: StartService, tmp_path: Path) -> None:
    async with open_result_store("", tmp_path / "cached", COLLECTION) as store:
        options = TieredOptions(ttl_seconds=0)
        async with TieredCache(store, SpeechCodec(), options) as cache, start_service(cache=cache) as stub:
            for _ in range(2):
                assert (await request_speech(stub, "unary", TEXT)).header.cache_status == MISS
    assert fake.calls == 2
