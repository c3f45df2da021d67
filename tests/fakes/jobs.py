"""A fake jobs API that records calls and replies as a test scripts."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from media.jobs.v1 import jobs_pb2

from services.common.errors import MediaError
from services.common.rpc.metadata import get_principal
from tests.fakes.counting import LiveCount
from tests.fakes.grpc_server import ServerAndChannel, run_test_server

JOB_ID = "0123456789abcdef0123456789abcdef"
OTHER_JOB_ID = "f" * 32
SERVICE = jobs_pb2.DESCRIPTOR.services_by_name["JobService"]

Step = jobs_pb2.Job | asyncio.Event | MediaError
"""Next step of a watched job: change, wait for an event, or fail."""

Context = grpc.aio.ServicerContext[Any, Any]


def make_job(status: jobs_pb2.JobStatus = jobs_pb2.JOB_STATUS_QUEUED, revision: int = 1, **fields: Any) -> jobs_pb2.Job:
    """Return a job; the default is a queued video."""
    plain: dict[str, Any] = {"id": JOB_ID, "kind": jobs_pb2.JOB_KIND_ANIMATE}
    return jobs_pb2.Job(**{**plain, "status": status, "revision": revision, **fields})


def make_succeeded_job(revision: int = 3, **urls: str) -> jobs_pb2.Job:
    """Return a succeeded job with the named results and their URLs."""
    media = {name: jobs_pb2.JobMedia(key=name, url=url) for name, url in urls.items()}
    result = jobs_pb2.JobResult(**media)  # type: ignore[arg-type]  # only names of files are given
    return make_job(jobs_pb2.JOB_STATUS_SUCCEEDED, revision, percent=100.0, result=result)


def make_failed_job(reason: str, message: str = "It broke.", revision: int = 3) -> jobs_pb2.Job:
    """Return a failed job."""
    return make_job(jobs_pb2.JOB_STATUS_FAILED, revision, error=jobs_pb2.JobError(reason=reason, message=message))


@dataclass(frozen=True, slots=True)
class ReceivedCall:
    """One received call."""

    method: str
    request: Any
    metadata: dict[str, str]
    principal: str


class FakeJobService:
    """Implement media.jobs.v1.JobService with scripted replies."""

    def __init__(self) -> None:
        self.calls: list[ReceivedCall] = []
        """Every call, in order."""
        self.answers: dict[str, Message] = {"CreateJob": jobs_pb2.CreateJobResponse(job=make_job())}
        """Replies by method; empty messages by default."""
        self.failures: defaultdict[str, deque[MediaError]] = defaultdict(deque)
        """Errors of the next calls, by method."""
        self.watch_steps: Sequence[Step] = ()
        """What WatchJob sends; changes up to `after_revision` are left out."""
        self.watching = LiveCount()
        """Number of open WatchJob calls."""

    def requests(self, method: str) -> list[Any]:
        """Return the requests of a method, in order."""
        return [call.request for call in self.calls if call.method == method]

    async def unary(self, method: str, request: Any, context: Context) -> Message:
        """Reply with one message, or raise the scripted error."""
        self._take(method, request, context)
        empty = GetMessageClass(SERVICE.methods_by_name[method].output_type)
        return self.answers.get(method, empty())

    async def watch(self, request: jobs_pb2.WatchJobRequest, context: Context) -> AsyncIterator[Message]:
        """Send the scripted steps."""
        with self.watching.one():
            self._take("WatchJob", request, context)
            for step in self.watch_steps:
                match step:
                    case jobs_pb2.Job():
                        if step.revision > request.after_revision:
                            yield jobs_pb2.WatchJobResponse(job=step)
                    case asyncio.Event():
                        await step.wait()
                    case _:
                        raise step

    def _take(self, method: str, request: Any, context: Context) -> None:
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        self.calls.append(ReceivedCall(method, request, metadata, get_principal(context)))
        if self.failures[method]:
            raise self.failures[method].popleft()


@asynccontextmanager
async def serve_jobs(fake: FakeJobService) -> AsyncIterator[ServerAndChannel]:
    """Run the service on a free port."""

    def register(server: grpc.aio.Server) -> list[str]:
        handlers = {rpc.name: _handler(fake, rpc) for rpc in SERVICE.methods}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE.full_name, handlers),))
        return [SERVICE.full_name]

    async with run_test_server(register) as running:
        yield running


def _handler(fake: FakeJobService, rpc: MethodDescriptor) -> grpc.RpcMethodHandler[Any, Any]:
    async def unary(request: Message, context: Context) -> Message:
        return await fake.unary(rpc.name, request, context)

    make: Callable[..., grpc.RpcMethodHandler[Any, Any]] = (
        grpc.unary_stream_rpc_method_handler if rpc.server_streaming else grpc.unary_unary_rpc_method_handler
    )
    return make(
        fake.watch if rpc.server_streaming else unary,
        request_deserializer=GetMessageClass(rpc.input_type).FromString,
        response_serializer=GetMessageClass(rpc.output_type).SerializeToString,
    )
