"""The job routes that HTTP needs more for: events as they happen, and the synchronous routes of the seeds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc
import orjson
from aiohttp import web
from media.jobs.v1 import jobs_pb2, jobs_pb2_grpc

from gateway.codec import encode
from gateway.errors import STARTED
from gateway.requests import json_body, principal_of
from services.common.channel import call_metadata, open_stream
from services.common.errors import MediaError, Reason, invalid
from services.common.log import request_id

HEARTBEAT_SECONDS = 15.0
_EVENT_STREAM = "text/event-stream"
_RETRY_MILLISECONDS = 1000
_RESPOND_ASYNC = "respond-async"
_FINAL = frozenset({jobs_pb2.JOB_STATUS_SUCCEEDED, jobs_pb2.JOB_STATUS_FAILED, jobs_pb2.JOB_STATUS_CANCELLED})
_FILM_FIELDS: Mapping[str, type] = {
    "image_url": str,
    "prompt": str,
    "seconds": int,
    "resolution": str,
    "model": str,
}
_SPEECH_FIELDS: Mapping[str, type] = {"text": str, "voice_id": str}
_WORDS: Mapping[type, str] = {str: "a text", int: "a whole number"}


@dataclass(frozen=True, slots=True)
class _Body:
    """The body of one of the seeds' routes, its fields in snake_case."""

    fields: Mapping[str, Any]

    def film(self) -> jobs_pb2.FilmSpec:
        return jobs_pb2.FilmSpec(
            image_url=self.fields["image_url"],
            prompt=self.fields["prompt"],
            seconds=self.fields.get("seconds") or 0,
            resolution=self.fields.get("resolution") or "",
            model=self.fields.get("model") or "",
        )


class JobRoutes:
    """Answers /api/jobs/{id}/events, /jobs_prompt_only and /jobs_prompt_tts through the service of jobs.

    Args:
        channel: Where that service is.
        call_seconds: Deadline of single calls.
        heartbeat_seconds: Longest silence of an event stream.
    """

    def __init__(
        self, channel: grpc.aio.Channel, call_seconds: float, heartbeat_seconds: float = HEARTBEAT_SECONDS
    ) -> None:
        self._stub: jobs_pb2_grpc.JobServiceAsyncStub = jobs_pb2_grpc.JobServiceStub(channel)
        self._call_seconds = call_seconds
        self._heartbeat_seconds = heartbeat_seconds

    def routes(self) -> Sequence[web.RouteDef]:
        """Returns the routes."""
        return [
            web.get("/api/jobs/{id}/events", self.events, allow_head=False),
            web.post("/jobs_prompt_only", self.prompt_only),
            web.post("/jobs_prompt_tts", self.prompt_tts),
        ]

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Sends every change of a job as a server-sent event; who comes back with Last-Event-ID misses nothing."""
        watch = jobs_pb2.WatchJobRequest(id=request.match_info["id"], after_revision=_last_event_id(request))
        call = self._stub.WatchJob(watch, metadata=call_metadata(principal_of(request)))
        async with open_stream(call), aclosing(_with_heartbeats(call, self._heartbeat_seconds)) as changes:
            first = await anext(changes, None)
            response = web.StreamResponse(
                headers={
                    "Content-Type": _EVENT_STREAM,
                    "Cache-Control": "no-store",
                    "X-Accel-Buffering": "no",
                    "X-Request-Id": request_id.get(),
                }
            )
            response.enable_chunked_encoding()
            request[STARTED] = response
            await response.prepare(request)
            await response.write(f"retry: {_RETRY_MILLISECONDS}\n\n".encode())
            await response.write(_event(first))
            async for change in changes:
                await response.write(_event(change))
            await response.write_eof()
        return response

    async def prompt_only(self, request: web.Request) -> web.Response:
        """Makes a film of a picture and waits for it."""
        body = await _body(request, _FILM_FIELDS, ("image_url", "prompt"))
        wish = jobs_pb2.CreateJobRequest(animate=jobs_pb2.AnimateSpec(film=body.film()))
        return await self._answer(request, wish, lambda result: {"video_url": result.video.url})

    async def prompt_tts(self, request: web.Request) -> web.Response:
        """Makes a film of a picture that speaks, and waits for it."""
        body = await _body(request, {**_FILM_FIELDS, **_SPEECH_FIELDS}, ("image_url", "prompt", "text", "voice_id"))
        narration = jobs_pb2.NarrationSpec(text=body.fields["text"], voice=body.fields["voice_id"])
        spec = jobs_pb2.TalkingVideoSpec(film=body.film(), narration=narration)
        return await self._answer(
            request,
            jobs_pb2.CreateJobRequest(talking_video=spec),
            lambda result: {
                "audio_url": result.audio.url,
                "video_url": result.video.url,
                "final_url": result.final.url,
            },
        )

    async def _answer(self, request: web.Request, wish: jobs_pb2.CreateJobRequest, urls: Any) -> web.Response:
        """Has a job done and waits for its end, unless the caller wants no waiting. Who gives up does not stop it."""
        wish.request_id = request.headers.get("Idempotency-Key", "")
        metadata = call_metadata(principal_of(request))
        job = (await self._stub.CreateJob(wish, metadata=metadata, timeout=self._call_seconds)).job
        location = f"/api/jobs/{job.id}"
        if _RESPOND_ASYNC in request.headers.get("Prefer", "").lower():
            return web.json_response(
                {"success": True, "job_id": job.id, "status_url": location},
                status=202,
                headers={"Location": location, "Preference-Applied": _RESPOND_ASYNC},
            )
        call = self._stub.WatchJob(jobs_pb2.WatchJobRequest(id=job.id), metadata=metadata)
        async with open_stream(call):
            async for event in call:
                job = event.job
        if job.status == jobs_pb2.JOB_STATUS_SUCCEEDED:
            return web.json_response(
                {"success": True, **urls(job.result), "job_id": job.id}, headers={"Content-Location": location}
            )
        raise _end_of(job)


def _end_of(job: jobs_pb2.Job) -> MediaError:
    if job.status == jobs_pb2.JOB_STATUS_CANCELLED:
        return MediaError(Reason.CANCELLED, f"The job {job.id} was cancelled.")
    if job.status != jobs_pb2.JOB_STATUS_FAILED:
        return MediaError(Reason.UNAVAILABLE, f"The job {job.id} goes on; GET /api/jobs/{job.id} tells how it ends.")
    reason = Reason.__members__.get(job.error.reason, Reason.GENERATION_FAILED)
    return MediaError(reason, f"{job.error.message} (job {job.id})")


async def _with_heartbeats(
    call: grpc.aio.UnaryStreamCall[jobs_pb2.WatchJobRequest, jobs_pb2.WatchJobResponse], seconds: float
) -> AsyncGenerator[jobs_pb2.Job | None]:
    """Yields every change, and None whenever there was none for a while."""
    changes = aiter(call)
    coming = asyncio.ensure_future(anext(changes, None))
    try:
        while True:
            done, _ = await asyncio.wait([coming], timeout=seconds)
            if not done:
                yield None
                continue
            event = coming.result()
            if event is None:
                return
            yield event.job
            coming = asyncio.ensure_future(anext(changes, None))
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


def _event(job: jobs_pb2.Job | None) -> bytes:
    if job is None:
        return b": still here\n\n"
    name = "end" if job.status in _FINAL else "job"
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (job.revision, name.encode(), orjson.dumps(encode(job)))


def _last_event_id(request: web.Request) -> int:
    text = request.headers.get("Last-Event-ID", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 20):  # noqa: PLR2004 - fits 64 bits
        raise invalid("Last-Event-ID", "must be the id of an event of this job")
    return int(text or 0)


async def _body(request: web.Request, known: Mapping[str, type], required: Sequence[str]) -> _Body:
    body = await json_body(request)
    if not isinstance(body, dict):
        raise MediaError(Reason.VALIDATION_ERROR, "The body must be a JSON object.")
    for name, value in body.items():
        if name not in known:
            raise invalid(name, f"is not a field of this route, which takes {', '.join(known)}")
        if value is not None and (not isinstance(value, known[name]) or isinstance(value, bool)):
            raise invalid(name, f"must be {_WORDS[known[name]]}")
    for name in required:
        if not body.get(name):
            raise invalid(name, "must be given")
    if (body.get("seconds") or 0) < 0:
        raise invalid("seconds", "must be 1 to 60")
    return _Body(body)
