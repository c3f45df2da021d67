"""GET /api/jobs/{id}/events: the changes of a job as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import grpc
from aiohttp import web
from media.jobs.v1 import jobs_pb2, jobs_pb2_grpc

from gateway.codec import encode
from gateway.request_parsing import get_reader
from gateway.streaming import encode_one_line, start_stream
from services.common.errors import MediaError, Reason, invalid
from services.common.rpc.call_limits import CallLimits, limit_wait
from services.common.rpc.channel import call_metadata, open_stream
from services.common.storage import RouteLinks

HEARTBEAT_SECONDS = 15.0
FINAL_STATUSES = frozenset({jobs_pb2.JOB_STATUS_SUCCEEDED, jobs_pb2.JOB_STATUS_FAILED, jobs_pb2.JOB_STATUS_CANCELLED})
"""Statuses of a job that has ended."""
_HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_RETRY_MILLISECONDS = 1000


class JobRoutes:
    """Answers /api/jobs/{id}/events through the job service.

    Args:
        channel: Channel to the job service.
        links: Checks the signed links to events.
        limits: How long the job service may be silent.
        heartbeat_seconds: Longest time without a line in an event stream.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        links: RouteLinks,
        limits: CallLimits,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._links = links
        self._stub: jobs_pb2_grpc.JobServiceAsyncStub = jobs_pb2_grpc.JobServiceStub(channel)
        self._limits = limits
        self._heartbeat_seconds = heartbeat_seconds

    def build_routes(self) -> Sequence[web.RouteDef]:
        """Return the routes."""
        return [web.get("/api/jobs/{id}/events", self.send_events, allow_head=False)]

    async def send_events(self, request: web.Request) -> web.StreamResponse:
        """Send every change of a job as a server-sent event; Last-Event-ID resumes without a gap.

        A signed link needs no credential, since an EventSource cannot send one.
        """
        watch = jobs_pb2.WatchJobRequest(id=request.match_info["id"], after_revision=_parse_last_event_id(request))
        call = self._stub.WatchJob(watch, metadata=call_metadata(get_reader(request, self._links)))
        events = _add_heartbeats(call, self._heartbeat_seconds, self._limits.read_seconds)
        async with open_stream(call), aclosing(events) as changes:
            try:
                first = await anext(changes)
            except StopAsyncIteration:
                # The client has the last event already; 204 stops an EventSource from reconnecting forever.
                return web.Response(status=204, headers={"Cache-Control": "no-store"})
            response = await start_stream(request, _HEADERS)
            await response.write(f"retry: {_RETRY_MILLISECONDS}\n\n".encode())
            await response.write(_encode_event(first))
            async for change in changes:
                await response.write(_encode_event(change))
            await response.write_eof()
        return response


def _parse_last_event_id(request: web.Request) -> int:
    text = request.headers.get("Last-Event-ID", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 20):  # noqa: PLR2004 - fits 64 bits
        raise invalid("Last-Event-ID", "must be the id of an event of this job")
    return int(text or 0)


async def _add_heartbeats(
    call: grpc.aio.UnaryStreamCall[jobs_pb2.WatchJobRequest, jobs_pb2.WatchJobResponse],
    seconds: float,
    silence_seconds: float,
) -> AsyncGenerator[jobs_pb2.Job | None]:
    """Yield each change of the job, and None after every `seconds` without a change.

    Raises:
        MediaError: DEADLINE_EXCEEDED, the service sent nothing for `silence_seconds`, although it repeats the job.
    """
    clock = asyncio.get_running_loop().time
    changes, revision, heard_at = aiter(call), 0, clock()
    next_change = asyncio.ensure_future(anext(changes, None))
    try:
        while True:
            done, _ = await asyncio.wait([next_change], timeout=min(seconds, silence_seconds))
            if not done:
                if clock() - heard_at >= silence_seconds:
                    raise MediaError(Reason.DEADLINE_EXCEEDED, "The job service sent nothing for too long; retry.")
                yield None
                continue
            heard_at = clock()
            event = next_change.result()
            if event is None:
                return
            # The service repeats an unchanged job as its own heartbeat; only a new revision is a change.
            yield event.job if event.job.revision > revision else None
            revision = event.job.revision
            if event.job.status in FINAL_STATUSES:
                # Read on to the status: the service counts a call that is left before its status as cancelled.
                async with limit_wait(silence_seconds):
                    await anext(changes, None)
                return
            next_change = asyncio.ensure_future(anext(changes, None))
    finally:
        next_change.cancel()
        await asyncio.gather(next_change, return_exceptions=True)


def _encode_event(job: jobs_pb2.Job | None) -> bytes:
    if job is None:
        return b": still here\n\n"
    name = "end" if job.status in FINAL_STATUSES else "job"
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (job.revision, name.encode(), encode_one_line(encode(job)))
