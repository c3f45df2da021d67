"""stream_progress: the latest progress, every byte of media, and the result or error last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

import pytest

from services.common.errors import MediaError, Reason
from services.video.progress import Completed, Progress, ProgressChannel, State, stream_progress

MAX_CHUNKS = 4
Item = Progress | bytes | Completed[str]


def make_running(percent: float) -> Progress:
    return Progress(State.RUNNING, percent)


@asynccontextmanager
async def open_stream(
    work: Callable[[ProgressChannel], Awaitable[str]],
) -> AsyncIterator[AsyncGenerator[Item]]:
    async with asyncio.timeout(20), aclosing(stream_progress(work)) as items:
        yield items


async def collect_items(work: Callable[[ProgressChannel], Awaitable[str]]) -> list[Item]:
    async with open_stream(work) as items:
        return [item async for item in items]


async def run_ready_tasks() -> None:
    """Let every task run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_work_without_reports_yields_its_result() -> None:
    async def return_at_once(_: ProgressChannel) -> str:
        return "video"

    assert await collect_items(return_at_once) == [Completed("video")]


async def test_only_the_latest_progress_is_yielded() -> None:
    async def report_quickly(channel: ProgressChannel) -> str:
        for percent in (1, 2, 3):
            channel.report(make_running(percent))
        await run_ready_tasks()
        channel.report(Progress(State.STORING, 99, estimated=True))
        return "video"

    assert await collect_items(report_quickly) == [
        make_running(3),
        Progress(State.STORING, 99, estimated=True),
        Completed("video"),
    ]


async def test_a_percentage_never_decreases_and_never_exceeds_100() -> None:
    async def report_decreasing(channel: ProgressChannel) -> str:
        for percent in (50.0, 20.0, 250.0, 0.0):
            channel.report(make_running(percent))
            await run_ready_tasks()
        channel.report(Progress(State.QUEUED, queue_position=2))
        return "video"

    assert await collect_items(report_decreasing) == [
        make_running(50),
        make_running(50),
        make_running(100),
        make_running(100),
        Progress(State.QUEUED, 100, queue_position=2),
        Completed("video"),
    ]


async def test_every_byte_is_yielded_in_order() -> None:
    pieces = [bytes([number]) * 3 for number in range(50)]

    async def send_pieces(channel: ProgressChannel) -> str:
        for number, piece in enumerate(pieces):
            channel.report(make_running(number))
            await channel.send_chunk(piece)
        return "video"

    items = await collect_items(send_pieces)
    assert [item for item in items if isinstance(item, bytes)] == pieces
    percents = [item.percent for item in items if isinstance(item, Progress)]
    assert percents == sorted(percents)
    assert percents[-1] == 49
    assert items[-1] == Completed("video")


async def test_chunks_are_sent_no_faster_than_they_are_read() -> None:
    sent = 0

    async def send_pieces(channel: ProgressChannel) -> str:
        nonlocal sent
        while sent < 3 * MAX_CHUNKS:
            await channel.send_chunk(b"piece")
            sent += 1
        return "video"

    async with open_stream(send_pieces) as items:
        assert await anext(items) == b"piece"
        await run_ready_tasks()
        before = sent
        await run_ready_tasks()
        assert sent == before <= 2 * MAX_CHUNKS
        assert len([item async for item in items]) == 3 * MAX_CHUNKS
    assert sent == 3 * MAX_CHUNKS


async def test_a_chunk_waits_for_earlier_ones_and_progress_does_not() -> None:
    channel = ProgressChannel()
    for _ in range(MAX_CHUNKS):
        await channel.send_chunk(b"early")
    late = asyncio.create_task(channel.send_chunk(b"late"))
    await run_ready_tasks()
    assert not late.done()
    channel.report(make_running(7))
    assert await channel.receive() == [make_running(7), *[b"early"] * MAX_CHUNKS]
    await late
    assert await channel.receive() == [b"late"]


async def test_closing_the_stream_cancels_the_work_and_waits_for_it() -> None:
    ended: list[str] = []

    async def run_forever(channel: ProgressChannel) -> str:
        channel.report(make_running(1))
        try:
            await asyncio.Event().wait()
        finally:
            await run_ready_tasks()
            ended.append("cleaned up")
        return "never"

    async with open_stream(run_forever) as items:
        assert await anext(items) == make_running(1)
    assert ended == ["cleaned up"]


async def test_work_that_waits_for_its_reader_ends_with_the_stream() -> None:
    ended: list[str] = []

    async def send_pieces(channel: ProgressChannel) -> str:
        try:
            while True:
                await channel.send_chunk(b"piece")
        finally:
            ended.append("cleaned up")

    async with open_stream(send_pieces) as items:
        await anext(items)
        await run_ready_tasks()
    assert ended == ["cleaned up"]


async def test_a_cancelled_reader_cancels_the_work() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def run_forever(_: ProgressChannel) -> str:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return "never"

    listener = asyncio.create_task(collect_items(run_forever))
    await started.wait()
    listener.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listener
    assert ended.is_set()


async def test_an_error_comes_after_all_reports() -> None:
    async def fail(channel: ProgressChannel) -> str:
        channel.report(make_running(40))
        await channel.send_chunk(b"half a video")
        raise MediaError(Reason.GENERATION_FAILED)

    async with open_stream(fail) as items:
        assert await anext(items) == make_running(40)
        assert await anext(items) == b"half a video"
        with pytest.raises(MediaError) as caught:
            await anext(items)
    assert caught.value.reason is Reason.GENERATION_FAILED


async def test_work_that_fails_before_any_report_is_an_error() -> None:
    async def fail(_: ProgressChannel) -> str:
        raise MediaError(Reason.MEDIA_INVALID)

    with pytest.raises(MediaError) as caught:
        await collect_items(fail)
    assert caught.value.reason is Reason.MEDIA_INVALID
