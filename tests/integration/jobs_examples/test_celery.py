"""Tests of the Celery task in docs/jobs.md: any number of runs creates one job per task id. Celery is a stub."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from media.jobs.v1 import jobs_pb2

from services.common.errors import MediaError, Reason
from tests.fakes.grpc_server import ServerAndChannel
from tests.fakes.jobs import JOB_ID, FakeJobService, serve_jobs
from tests.integration.jobs_examples.celery_stub import build_module
from tests.integration.jobs_examples.document import import_program

TASK_ID = "a8d1c1f6-6d0c-4a3e-9a9e-9d3c8d3f2b10"
ARGUMENTS = ("https://example.com/lighthouse.png", "zoom in", "https://example.com/hook")
REQUEST = jobs_pb2.CreateJobRequest(
    animate=jobs_pb2.AnimateSpec(video=jobs_pb2.VideoSpec(image_url=ARGUMENTS[0], prompt=ARGUMENTS[1])),
    request_id=f"celery-{TASK_ID}",
    webhook_url=ARGUMENTS[2],
)


@pytest.fixture
def jobs() -> FakeJobService:
    return FakeJobService()


@pytest.fixture
async def service(jobs: FakeJobService) -> AsyncIterator[ServerAndChannel]:
    async with serve_jobs(jobs) as running:
        yield running


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The program of the document, imported once with the stub instead of Celery."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "celery", build_module())
        patch.setenv("BROKER_URL", "memory://")
        tasks = import_program("animate", tmp_path_factory.mktemp("celery"))
        assert tasks.app.broker == "memory://"
        yield tasks


@pytest.fixture
def tasks(program: Any, service: ServerAndChannel, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The program with an empty queue and the environment of an operator."""
    monkeypatch.setenv("TOKEN", "token-of-alice")
    monkeypatch.setenv("SUITE", service.target)
    program.app.queue.clear()
    return program


async def run(task: Any, *arguments: str, **keywords: str) -> Any:
    """Run a task with its retries, without delays, and return its outcome."""
    return await asyncio.to_thread(task.apply, arguments, keywords, task_id=TASK_ID)


async def test_the_task_requests_a_video_and_returns_the_job_id(tasks: Any, jobs: FakeJobService) -> None:
    outcome = await run(tasks.animate, *ARGUMENTS)
    assert outcome.get() == JOB_ID
    (call,) = jobs.calls
    assert (call.method, call.request) == ("CreateJob", REQUEST)
    assert call.metadata["authorization"] == "Bearer token-of-alice"


async def test_a_webhook_may_be_left_out(tasks: Any, jobs: FakeJobService) -> None:
    assert (await run(tasks.animate, image_url=ARGUMENTS[0], prompt=ARGUMENTS[1])).successful()
    assert jobs.requests("CreateJob")[0].webhook_url == ""


@pytest.mark.parametrize("reason", [Reason.UNAVAILABLE, Reason.QUOTA_EXCEEDED, Reason.DEADLINE_EXCEEDED])
async def test_a_retried_task_sends_the_same_request_id(tasks: Any, jobs: FakeJobService, reason: Reason) -> None:
    jobs.failures["CreateJob"] += [MediaError(reason)] * 3
    outcome = await run(tasks.animate, *ARGUMENTS)
    assert outcome.get() == JOB_ID
    assert jobs.requests("CreateJob") == [REQUEST] * 4


async def test_a_task_gives_up_after_eight_retries(tasks: Any, jobs: FakeJobService) -> None:
    jobs.failures["CreateJob"] += [MediaError(Reason.PERMISSION_DENIED)] * 20
    outcome = await run(tasks.animate, *ARGUMENTS)
    assert outcome.failed()
    assert "PERMISSION_DENIED" in str(outcome.result)
    assert jobs.requests("CreateJob") == [REQUEST] * 9


async def test_retried_and_redelivered_tasks_send_one_request_id(tasks: Any, jobs: FakeJobService) -> None:
    jobs.failures["CreateJob"].append(MediaError(Reason.QUOTA_EXCEEDED))
    for task_id in (TASK_ID, TASK_ID, "another"):
        tasks.animate.apply_async(ARGUMENTS, task_id=task_id)
    await tasks.app.run_queue()
    assert len(jobs.calls) == 4
    names = [request.request_id for request in jobs.requests("CreateJob")]
    assert sorted(names) == [*[REQUEST.request_id] * 3, "celery-another"]


def test_a_task_of_a_lost_worker_is_delivered_again(program: Any) -> None:
    assert program.animate.acks_late
