"""Spool: every byte once and in order, and the writer does not wait for the reader."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from services.video.spool import Spool


async def everything(spool: Spool) -> bytes:
    return b"".join([piece async for piece in spool.read()])


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.binary(max_size=300_000), st.integers(0, 5)), max_size=6), st.integers(0, 20))
async def test_a_reader_gets_every_byte_at_any_start(writes: list[tuple[bytes, int]], begins_after: int) -> None:
    with tempfile.TemporaryDirectory() as folder, Spool(Path(folder) / "video").open() as spool:

        async def read() -> bytes:
            await turns(begins_after)
            return await everything(spool)

        reading = asyncio.create_task(read())
        for data, wait_for_event in writes:
            await spool.write(data)
            await turns(wait_for_event)
        spool.finish()
        assert await reading == b"".join(data for data, _ in writes)


async def test_written_bytes_are_read_before_more_arrive(tmp_path: Path) -> None:
    with Spool(tmp_path / "video").open() as spool:
        pieces = spool.read()
        await spool.write(b"first")
        assert await anext(pieces) == b"first"
        following = asyncio.ensure_future(anext(pieces))
        await turns(10)
        assert not following.done()
        await spool.write(b"second")
        assert await following == b"second"
        spool.finish()
        assert [piece async for piece in pieces] == []


async def test_a_writer_does_not_wait_for_a_slow_reader(tmp_path: Path) -> None:
    with Spool(tmp_path / "video").open() as spool:
        pieces = spool.read()
        await spool.write(b"a")
        assert await anext(pieces) == b"a"
        for _ in range(64):
            await spool.write(bytes(100_000))
        spool.finish()
        assert len(b"".join([piece async for piece in pieces])) == 6_400_000
