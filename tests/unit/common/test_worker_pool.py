"""Worker processes for untrusted files: failures are reported, and no process outlives the pool."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.common.errors import MediaError, Reason, invalid
from services.common.images import Size, inspect
from services.common.worker_pool import WorkerPool, open_workers
from tests.fakes.image_provider import make_image
from tests.fakes.waiting import until


@pytest.fixture
async def workers() -> AsyncIterator[WorkerPool]:
    async with open_workers(1, max_queue=3, timeout_seconds=20) as opened:
        yield opened


def raise_invalid() -> None:
    raise invalid("output.format", "must be right")


def allocate_too_much() -> int:
    return len(bytearray(4 * 1024**3))


def work_until(end: str) -> None:
    Path(f"{end}.begun").touch()
    while not Path(end).exists():
        time.sleep(0.01)


def get_pid(_: int) -> int:
    return os.getpid()


def has_imported_grpc() -> bool:
    return "grpc" in sys.modules


def list_children() -> list[int]:
    """Return the processes that this one has started and that still run."""
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


async def catch_reason(workers: WorkerPool, *work: object) -> Reason:
    with pytest.raises(MediaError) as caught:
        await workers.run(*work)  # type: ignore[arg-type]  # a function and its arguments
    return caught.value.reason


def raise_from_library() -> None:
    raise ZeroDivisionError("the secret words of a file")


async def test_work_runs_in_another_process(workers: WorkerPool) -> None:
    assert (await workers.run(inspect, make_image())).size == Size(8, 6)
    first = await workers.run(get_pid, 1)
    assert first != os.getpid()
    assert await workers.run(get_pid, 2) == first
    assert await workers.run(has_imported_grpc) is False


async def test_a_media_error_is_raised_unchanged(workers: WorkerPool) -> None:
    with pytest.raises(MediaError) as caught:
        await workers.run(raise_invalid)
    assert caught.value.reason is Reason.VALIDATION_ERROR
    assert [item.field for item in caught.value.violations] == ["output.format"]


async def test_an_error_of_a_library_is_the_fault_of_the_file_and_keeps_its_text(
    workers: WorkerPool, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(MediaError) as caught:
        await workers.run(raise_from_library)
    assert caught.value.reason is Reason.MEDIA_INVALID
    assert "secret" not in caught.value.message
    logged = capsys.readouterr().out
    assert "ZeroDivisionError" in logged
    assert "test_worker_pool.py" in logged
    assert "secret" not in logged


async def test_a_crash_fails_one_call_only(workers: WorkerPool) -> None:
    assert await catch_reason(workers, os.abort) is Reason.MEDIA_INVALID
    assert (await workers.run(inspect, make_image())).size == Size(8, 6)


async def test_a_call_that_needs_too_much_memory_fails(workers: WorkerPool) -> None:
    assert await catch_reason(workers, allocate_too_much) is Reason.MEDIA_INVALID


async def test_a_call_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    async with open_workers(1, max_queue=3, timeout_seconds=1) as workers:
        assert await catch_reason(workers, work_until, str(tmp_path / "never")) is Reason.MEDIA_INVALID
        assert (await workers.run(inspect, make_image())).size == Size(8, 6)


async def cancel_all(*tasks: asyncio.Task[None]) -> None:
    """Cancel the calls and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert all(task.cancelled() for task in tasks)


async def test_a_caller_that_leaves_does_not_end_the_worker_of_another_call(
    workers: WorkerPool, tmp_path: Path
) -> None:
    end = tmp_path / "end"
    worker = await workers.run(get_pid, 1)
    task = asyncio.create_task(workers.run(work_until, str(end)))
    await until(Path(f"{end}.begun").exists)
    following = asyncio.create_task(workers.run(get_pid, 2))
    await cancel_all(task)
    assert workers.queued_calls == 2
    end.touch()
    assert await following == worker


async def test_an_abandoned_call_is_ended_at_its_timeout(tmp_path: Path) -> None:
    async with open_workers(1, max_queue=3, timeout_seconds=1) as workers:
        task = asyncio.create_task(workers.run(work_until, str(tmp_path / "never")))
        await until((tmp_path / "never.begun").exists)
        await cancel_all(task)
        assert (await workers.run(inspect, make_image())).size == Size(8, 6)
        assert workers.queued_calls == 0


async def test_a_caller_that_leaves_the_queue_frees_its_permit(workers: WorkerPool, tmp_path: Path) -> None:
    end, started = tmp_path / "end", tmp_path / "never.begun"
    running = asyncio.create_task(workers.run(work_until, str(end)))
    await until(Path(f"{end}.begun").exists)
    waiting = asyncio.create_task(workers.run(work_until, str(tmp_path / "never")))
    await until(lambda: workers.queued_calls == 2)
    await cancel_all(waiting)
    assert workers.queued_calls == 1
    end.touch()
    await running
    await workers.run(get_pid, 1)
    assert not await asyncio.to_thread(started.exists)


async def test_a_full_queue_refuses_at_once(workers: WorkerPool, tmp_path: Path) -> None:
    end = tmp_path / "end"
    tasks = [asyncio.create_task(workers.run(work_until, str(end))) for _ in range(4)]
    await until(lambda: workers.queued_calls == 4)
    assert await catch_reason(workers, get_pid, 1) is Reason.OVERLOADED
    end.touch()
    await asyncio.gather(*tasks)
    assert workers.queued_calls == 0


async def test_no_process_outlives_the_pool() -> None:
    async with open_workers(2, max_queue=3, timeout_seconds=20) as workers:
        pids = {await workers.run(get_pid, number) for number in range(2)}
    assert not pids & set(list_children())


async def test_an_unused_pool_starts_no_process() -> None:
    async with open_workers(2, max_queue=3, timeout_seconds=20) as workers:
        assert workers.queued_calls == 0
        before = set(list_children())
        await workers.run(get_pid, 1)
        assert len(set(list_children()) - before) >= 1
    assert set(list_children()) <= before
