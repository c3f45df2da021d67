"""GenerationTask: listeners that come and leave, and what happens to the work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from services.common.errors import MediaError, Reason
from services.video.generation_task import GenerationStatus, GenerationTask
from services.video.progress import Completed, Progress, State
from services.video.records import GenerationRecord
from services.video.video_store import Destination

RECORD = GenerationRecord("p-1", "embedded", "model", "a cat", 6, "768p", Destination())
QUEUED = Progress(State.QUEUED)
Item = GenerationStatus | Completed[GenerationRecord]


def make_running(percent: float) -> Progress:
    return Progress(State.RUNNING, percent)


def make_status(progress: Progress) -> GenerationStatus:
    return GenerationStatus("p-1", "embedded", "model", progress)


class Stage:
    """A task that ends when the test sets its outcome."""

    def __init__(self) -> None:
        self.video = GenerationTask("alice", "embedded", "model")
        self.outcome: asyncio.Future[GenerationRecord] = asyncio.get_running_loop().create_future()
        """Result of the work."""
        self.task = self.video.start(self._work)

    async def _work(self, _: GenerationTask) -> GenerationRecord:
        return await self.outcome

    @property
    def is_running(self) -> bool:
        """Whether the task is still running."""
        return not self.task.done()


@asynccontextmanager
async def open_listener(stage: Stage, *, detach: bool = False) -> AsyncIterator[AsyncGenerator[Item]]:
    async with aclosing(stage.video.listen(detach=detach)) as items:
        yield items


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with asyncio.timeout(20):
        opened = Stage()
        yield opened
        opened.task.cancel()
        await asyncio.gather(opened.task, return_exceptions=True)


async def run_ready_tasks() -> None:
    """Let every task run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def listen_to_end(stage: Stage, *, detach: bool = False) -> list[Item]:
    async with open_listener(stage, detach=detach) as items:
        return [item async for item in items]


async def get_reason(listening: asyncio.Task[list[Item]]) -> Reason:
    with pytest.raises(MediaError) as caught:
        await listening
    return caught.value.reason


async def test_no_progress_is_yielded_before_the_prediction_id_is_known(stage: Stage) -> None:
    async with open_listener(stage) as items:
        first = asyncio.ensure_future(anext(items))
        stage.video.report(make_running(10))
        await run_ready_tasks()
        assert not first.done()
        stage.video.set_prediction_id("p-1")
        assert await first == make_status(make_running(10))


async def test_a_listener_gets_progress_and_then_the_record(stage: Stage) -> None:
    async with open_listener(stage) as items:
        stage.video.set_prediction_id("p-1")
        assert await anext(items) == make_status(QUEUED)
        stage.video.report(make_running(30))
        assert await anext(items) == make_status(make_running(30))
        following = asyncio.ensure_future(anext(items))
        await run_ready_tasks()
        assert not following.done()
        stage.outcome.set_result(RECORD)
        assert await following == Completed(RECORD)
        assert [item async for item in items] == []


async def test_a_slow_listener_gets_only_the_latest_progress(stage: Stage) -> None:
    async with open_listener(stage) as items:
        stage.video.set_prediction_id("p-1")
        assert await anext(items) == make_status(QUEUED)
        for percent in (10, 60, 40):
            stage.video.report(make_running(percent))
        assert await anext(items) == make_status(make_running(60))
        stage.video.report(Progress(State.STORING, 0, estimated=True))
        assert await anext(items) == make_status(Progress(State.STORING, 60, estimated=True))


async def test_all_listeners_get_the_same(stage: Stage) -> None:
    async with open_listener(stage) as one, open_listener(stage) as other:
        stage.video.set_prediction_id("p-1")
        assert await anext(one) == await anext(other) == make_status(QUEUED)
        stage.video.report(make_running(50))
        assert await anext(one) == await anext(other) == make_status(make_running(50))
        stage.outcome.set_result(RECORD)
        assert await anext(one) == await anext(other) == Completed(RECORD)


async def test_a_late_listener_gets_the_current_progress_at_once(stage: Stage) -> None:
    async with open_listener(stage) as early:
        stage.video.set_prediction_id("p-1")
        stage.video.report(make_running(50))
        assert await anext(early) == make_status(make_running(50))
        async with open_listener(stage) as late:
            assert await anext(late) == make_status(make_running(50))


async def test_a_listener_after_the_end_gets_the_last_progress_and_the_record(stage: Stage) -> None:
    stage.video.set_prediction_id("p-1")
    stage.video.report(Progress(State.STORING, 100))
    stage.outcome.set_result(RECORD)
    await stage.task
    assert await listen_to_end(stage) == [make_status(Progress(State.STORING, 100)), Completed(RECORD)]


async def test_a_listener_of_a_task_that_ends_at_once_gets_progress_first(stage: Stage) -> None:
    stage.video.set_prediction_id("p-1")
    stage.outcome.set_result(RECORD)
    items = await listen_to_end(stage, detach=True)
    assert items == [make_status(QUEUED), Completed(RECORD)]


async def test_the_last_leaving_listener_abandons_the_task(stage: Stage) -> None:
    async with open_listener(stage) as one:
        stage.video.set_prediction_id("p-1")
        await anext(one)
        async with open_listener(stage) as other:
            await anext(other)
        await run_ready_tasks()
        assert stage.is_running
        assert not stage.video.is_abandoned
    await run_ready_tasks()
    assert stage.task.cancelled()
    assert stage.video.is_abandoned


async def test_a_cancelled_listener_counts_as_leaving(stage: Stage) -> None:
    listening = asyncio.create_task(listen_to_end(stage))
    await run_ready_tasks()
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    await run_ready_tasks()
    assert stage.task.cancelled()
    assert stage.video.is_abandoned


async def test_a_detached_task_continues_without_listeners(stage: Stage) -> None:
    stage.video.set_prediction_id("p-1")
    async with open_listener(stage, detach=True) as items:
        await anext(items)
    await run_ready_tasks()
    assert stage.is_running
    stage.outcome.set_result(RECORD)
    assert (await listen_to_end(stage))[-1] == Completed(RECORD)


async def test_a_detached_task_stays_detached(stage: Stage) -> None:
    stage.video.set_prediction_id("p-1")
    async with open_listener(stage) as first:
        await anext(first)
        async with open_listener(stage, detach=True) as second:
            await anext(second)
    async with open_listener(stage) as third:
        await anext(third)
    await run_ready_tasks()
    assert stage.is_running
    assert not stage.video.is_abandoned


async def test_leaving_after_the_end_abandons_nothing(stage: Stage) -> None:
    stage.video.set_prediction_id("p-1")
    async with open_listener(stage) as items:
        await anext(items)
        stage.outcome.set_result(RECORD)
        assert await anext(items) == Completed(RECORD)
    assert not stage.video.is_abandoned
    assert stage.task.result() == RECORD


async def test_a_stopped_task_is_cancelled_for_listeners_and_not_abandoned(stage: Stage) -> None:
    stage.video.set_prediction_id("p-1")
    listening = [asyncio.create_task(listen_to_end(stage)) for _ in range(2)]
    await run_ready_tasks()
    stage.video.stop()
    for task in listening:
        assert await get_reason(task) is Reason.CANCELLED
    assert not stage.video.is_abandoned


async def test_an_abandoned_task_is_cancelled_for_listeners(stage: Stage) -> None:
    listening = asyncio.create_task(listen_to_end(stage))
    await run_ready_tasks()
    stage.video.abandon()
    assert await get_reason(listening) is Reason.CANCELLED
    assert stage.video.is_abandoned


async def test_a_failure_reaches_every_listener(stage: Stage) -> None:
    listening = [asyncio.create_task(listen_to_end(stage)) for _ in range(2)]
    await run_ready_tasks()
    stage.outcome.set_exception(MediaError(Reason.CONTENT_BLOCKED))
    for task in listening:
        assert await get_reason(task) is Reason.CONTENT_BLOCKED


async def test_a_failure_comes_after_the_last_progress(stage: Stage) -> None:
    stage.video.set_prediction_id("p-1")
    stage.outcome.set_exception(MediaError(Reason.GENERATION_FAILED))
    async with open_listener(stage) as items:
        assert await anext(items) == make_status(QUEUED)
        with pytest.raises(MediaError) as caught:
            await anext(items)
    assert caught.value.reason is Reason.GENERATION_FAILED


async def test_a_task_that_was_not_started_can_be_abandoned() -> None:
    video = GenerationTask("alice", "embedded", "model", "order-1", "ab")
    video.abandon()
    assert (video.is_abandoned, video.request_id, video.fingerprint, video.principal) == (
        True,
        "order-1",
        "ab",
        "alice",
    )
