"""Scheduled sweeps on a real server: one of any number of workers runs each sweep."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from nats.js import api
from nats.js.errors import NotFoundError

from services.jobs.jetstream import MAINTENANCE, SCHEDULED, StreamOptions, Streams, open_streams
from services.jobs.maintenance.schedule import SWEEP, Schedule
from tests.fakes.nats import run_nats
from tests.fakes.waiting import eventually, until

SPEC = api.Header.SCHEDULE


@pytest.fixture
async def streams(tmp_path: Path) -> AsyncIterator[Streams]:
    async with run_nats(tmp_path) as url, open_streams(StreamOptions((url,)), "test") as opened:
        yield opened


@asynccontextmanager
async def run_schedule(
    streams: Streams, sweep: Callable[[], Awaitable[None]], every_seconds: int = 1
) -> AsyncIterator[None]:
    task = asyncio.create_task(Schedule(streams, sweep, every_seconds, lease_seconds=1).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def get_schedule(streams: Streams) -> tuple[str, int]:
    """Return the schedule and the sequence number of its message."""
    message = await streams.jetstream.get_last_msg(MAINTENANCE, f"{SCHEDULED}.{SWEEP}")
    return (message.headers or {})[SPEC], message.seq or 0


async def wait_for_schedule(streams: Streams, spec: str) -> None:
    """Wait until the schedule is `spec`."""

    async def is_reached() -> bool:
        with suppress(NotFoundError):
            return (await get_schedule(streams))[0] == spec
        return False

    await eventually(is_reached)


async def test_each_sweep_runs_on_one_of_two_workers(streams: Streams) -> None:
    done: list[str] = []

    async def sweep_first() -> None:
        done.append("first")

    async def sweep_second() -> None:
        done.append("second")

    async with run_schedule(streams, sweep_first), run_schedule(streams, sweep_second):
        await until(lambda: len(done) >= 2)

        async def is_reached() -> bool:
            state = (await streams.jetstream.consumer_info(MAINTENANCE, f"upkeep-{SWEEP}")).delivered
            return state is not None and state.consumer_seq == len(done)

        # The next sweep may be running.
        await eventually(is_reached)
    assert len(done) >= 2


async def test_a_worker_that_starts_later_does_not_restart_the_interval(streams: Streams) -> None:
    done = asyncio.Event()

    async def sweep() -> None:
        done.set()

    async with run_schedule(streams, sweep):
        async with asyncio.timeout(10):
            await done.wait()
    before = await get_schedule(streams)
    done.clear()
    async with run_schedule(streams, sweep):
        async with asyncio.timeout(10):
            await done.wait()
    assert await get_schedule(streams) == before


async def test_a_new_interval_replaces_the_previous_one(streams: Streams) -> None:
    done = asyncio.Event()

    async def sweep() -> None:
        done.set()

    async with run_schedule(streams, sweep, every_seconds=3600):
        await wait_for_schedule(streams, "@every 3600s")
    assert not done.is_set()
    async with run_schedule(streams, sweep), asyncio.timeout(10):
        await done.wait()
    assert (await get_schedule(streams))[0] == "@every 1s"


async def test_a_failed_sweep_runs_again(streams: Streams) -> None:
    runs: list[int] = []

    async def sweep() -> None:
        runs.append(len(runs))
        raise RuntimeError("an unavailable store")

    async with run_schedule(streams, sweep):
        await until(lambda: len(runs) >= 2)
    assert runs[:2] == [0, 1]
