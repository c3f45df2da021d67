"""A video while it is made: who listens, who leaves, and what becomes of the work."""

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


def running(percent: float) -> Progress:
    return Progress(State.RUNNING, percent)


def told(progress: Progress) -> GenerationStatus:
    return GenerationStatus("p-1", "embedded", "model", progress)


class Stage:
    """A video that is made when the test says so."""

    def __init__(self) -> None:
        self.video = GenerationTask("alice", "embedded", "model")
        self.outcome: asyncio.Future[GenerationRecord] = asyncio.get_running_loop().create_future()
        """What the work comes to."""
        self.task = self.video.start(self._work)

    async def _work(self, _: GenerationTask) -> GenerationRecord:
        return await self.outcome

    @property
    def goes_on(self) -> bool:
        """Whether somebody is still at work, or about to be."""
        return not self.task.done()


@asynccontextmanager
async def listener(stage: Stage, *, detach: bool = False) -> AsyncIterator[AsyncGenerator[Item]]:
    async with aclosing(stage.video.listen(detach=detach)) as items:
        yield items


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with asyncio.timeout(20):
        made = Stage()
        yield made
        made.task.cancel()
        await asyncio.gather(made.task, return_exceptions=True)


async def turn() -> None:
    """Let everybody go on who can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def heard(stage: Stage, *, detach: bool = False) -> list[Item]:
    async with listener(stage, detach=detach) as items:
        return [item async for item in items]


async def reason_of(listening: asyncio.Task[list[Item]]) -> Reason:
    with pytest.raises(MediaError) as caught:
        await listening
    return caught.value.reason


async def test_nothing_is_told_before_the_video_has_an_id(stage: Stage) -> None:
    async with listener(stage) as items:
        first = asyncio.ensure_future(anext(items))
        stage.video.report(running(10))
        await turn()
        assert not first.done()
        stage.video.set_prediction_id("p-1")
        assert await first == told(running(10))


async def test_a_listener_hears_how_far_it_is_and_then_the_video(stage: Stage) -> None:
    async with listener(stage) as items:
        stage.video.set_prediction_id("p-1")
        assert await anext(items) == told(QUEUED)
        stage.video.report(running(30))
        assert await anext(items) == told(running(30))
        following = asyncio.ensure_future(anext(items))
        await turn()
        assert not following.done()
        stage.outcome.set_result(RECORD)
        assert await following == Completed(RECORD)
        assert [item async for item in items] == []


async def test_a_slow_listener_hears_the_latest_only_and_it_never_goes_back(stage: Stage) -> None:
    async with listener(stage) as items:
        stage.video.set_prediction_id("p-1")
        assert await anext(items) == told(QUEUED)
        for percent in (10, 60, 40):
            stage.video.report(running(percent))
        assert await anext(items) == told(running(60))
        stage.video.report(Progress(State.STORING, 0, estimated=True))
        assert await anext(items) == told(Progress(State.STORING, 60, estimated=True))


async def test_all_who_listen_hear_the_same(stage: Stage) -> None:
    async with listener(stage) as one, listener(stage) as other:
        stage.video.set_prediction_id("p-1")
        assert await anext(one) == await anext(other) == told(QUEUED)
        stage.video.report(running(50))
        assert await anext(one) == await anext(other) == told(running(50))
        stage.outcome.set_result(RECORD)
        assert await anext(one) == await anext(other) == Completed(RECORD)


async def test_one_who_comes_late_hears_how_far_it_is_at_once(stage: Stage) -> None:
    async with listener(stage) as early:
        stage.video.set_prediction_id("p-1")
        stage.video.report(running(50))
        assert await anext(early) == told(running(50))
        async with listener(stage) as late:
            assert await anext(late) == told(running(50))


async def test_one_who_comes_after_the_end_hears_how_far_it_was_and_then_the_video(stage: Stage) -> None:
    stage.video.set_prediction_id("p-1")
    stage.video.report(Progress(State.STORING, 100))
    stage.outcome.set_result(RECORD)
    await stage.task
    assert await heard(stage) == [told(Progress(State.STORING, 100)), Completed(RECORD)]


async def test_one_who_resumes_a_video_that_ends_at_once_hears_some_progress_first(stage: Stage) -> None:
    stage.video.set_prediction_id("p-1")
    stage.outcome.set_result(RECORD)
    items = await heard(stage, detach=True)
    assert items == [told(QUEUED), Completed(RECORD)]


async def test_the_last_who_leaves_ends_the_work_for_good(stage: Stage) -> None:
    async with listener(stage) as one:
        stage.video.set_prediction_id("p-1")
        await anext(one)
        async with listener(stage) as other:
            await anext(other)
        await turn()
        assert stage.goes_on
        assert not stage.video.is_abandoned
    await turn()
    assert stage.task.cancelled()
    assert stage.video.is_abandoned


async def test_a_listener_who_is_cancelled_has_left(stage: Stage) -> None:
    listening = asyncio.create_task(heard(stage))
    await turn()
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    await turn()
    assert stage.task.cancelled()
    assert stage.video.is_abandoned


async def test_a_detached_video_goes_on_without_listeners(stage: Stage) -> None:
    stage.video.set_prediction_id("p-1")
    async with listener(stage, detach=True) as items:
        await anext(items)
    await turn()
    assert stage.goes_on
    stage.outcome.set_result(RECORD)
    assert (await heard(stage))[-1] == Completed(RECORD)


async def test_once_detached_it_stays_so_whoever_listens(stage: Stage) -> None:
    stage.video.set_prediction_id("p-1")
    async with listener(stage) as first:
        await anext(first)
        async with listener(stage, detach=True) as second:
            await anext(second)
    async with listener(stage) as third:
        await anext(third)
    await turn()
    assert stage.goes_on
    assert not stage.video.is_abandoned


async def test_who_leaves_after_the_end_gives_nothing_up(stage: Stage) -> None:
    stage.video.set_prediction_id("p-1")
    async with listener(stage) as items:
        await anext(items)
        stage.outcome.set_result(RECORD)
        assert await anext(items) == Completed(RECORD)
    assert not stage.video.is_abandoned
    assert stage.task.result() == RECORD


async def test_a_video_that_is_stopped_is_cancelled_for_its_listeners_and_goes_on_at_its_provider(stage: Stage) -> None:
    stage.video.set_prediction_id("p-1")
    listening = [asyncio.create_task(heard(stage)) for _ in range(2)]
    await turn()
    stage.video.stop()
    for task in listening:
        assert await reason_of(task) is Reason.CANCELLED
    assert not stage.video.is_abandoned


async def test_a_video_that_is_given_up_is_cancelled_for_its_listeners(stage: Stage) -> None:
    listening = asyncio.create_task(heard(stage))
    await turn()
    stage.video.abandon()
    assert await reason_of(listening) is Reason.CANCELLED
    assert stage.video.is_abandoned


async def test_a_failure_is_told_to_all_who_listen(stage: Stage) -> None:
    listening = [asyncio.create_task(heard(stage)) for _ in range(2)]
    await turn()
    stage.outcome.set_exception(MediaError(Reason.CONTENT_BLOCKED))
    for task in listening:
        assert await reason_of(task) is Reason.CONTENT_BLOCKED


async def test_a_failure_comes_after_how_far_it_was(stage: Stage) -> None:
    stage.video.set_prediction_id("p-1")
    stage.outcome.set_exception(MediaError(Reason.GENERATION_FAILED))
    async with listener(stage) as items:
        assert await anext(items) == told(QUEUED)
        with pytest.raises(MediaError) as caught:
            await anext(items)
    assert caught.value.reason is Reason.GENERATION_FAILED


async def test_what_was_not_started_can_be_given_up() -> None:
    video = GenerationTask("alice", "embedded", "model", "order-1", "ab")
    video.abandon()
    assert (video.is_abandoned, video.request_id, video.fingerprint, video.principal) == (
        True,
        "order-1",
        "ab",
        "alice",
    )
