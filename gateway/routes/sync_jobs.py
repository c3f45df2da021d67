"""The synchronous video routes: each creates a job and waits for its end. Their JSON is in snake_case."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc
from aiohttp import web
from media.jobs.v1 import jobs_pb2, jobs_pb2_grpc

from gateway.codec.violations import shorten
from gateway.errors import FIELD_NAMING, FieldNaming
from gateway.request_parsing import IDEMPOTENCY_KEY, get_principal, read_idempotency_key, read_json
from gateway.routes.jobs import FINAL_STATUSES
from services.common.errors import FieldViolation, MediaError, Reason, invalid
from services.common.rpc.call_limits import CallLimits, limit_wait
from services.common.rpc.channel import call_metadata, open_stream
from services.common.rpc.status import from_rpc_error

RECONNECT_SECONDS = 1.0
"""Pause before the next watch if the job service was lost."""
_MAX_WATCHES = 10
_LOST_WATCH_REASONS = (Reason.UNAVAILABLE, Reason.DEADLINE_EXCEEDED)
"""Reasons that say nothing about the job: the watch can start again."""
_RESPOND_ASYNC = "respond-async"
_MAX_VIDEO_SECONDS = 60
_VIDEO_FIELDS: Mapping[str, type] = {
    "image_url": str,
    "prompt": str,
    "seconds": int,
    "resolution": str,
    "model": str,
}
_SPEECH_FIELDS: Mapping[str, type] = {"text": str, "voice_id": str}
_OTHER_NAMES: Mapping[str, str] = {"imageUrl": "image_url", "voiceId": "voice_id", "voice": "voice_id"}
"""Names that these routes take besides those of the fields."""
_TYPE_WORDS: Mapping[type, str] = {str: "a text", int: "a whole number"}
_ROUTE_FIELD_NAMES: Mapping[str, str] = {"voice": "voice_id", "request_id": IDEMPOTENCY_KEY}
"""Names of these routes for fields of the contract that have another name there."""

Urls = Callable[[jobs_pb2.JobResult], Mapping[str, str]]
"""Called with the result of a job; returns the URLs for the response, by their name."""


class SyncJobRoutes:
    """Answers /jobs_prompt_only and /jobs_prompt_tts through the job service.

    Args:
        channel: Channel to the job service.
        limits: Time limits of the call that creates the job, and of each wait for its state.
        reconnect_seconds: Pause before the next watch if the job service was lost.
    """

    def __init__(
        self, channel: grpc.aio.Channel, limits: CallLimits, reconnect_seconds: float = RECONNECT_SECONDS
    ) -> None:
        self._stub: jobs_pb2_grpc.JobServiceAsyncStub = jobs_pb2_grpc.JobServiceStub(channel)
        self._limits = limits
        self._reconnect_seconds = reconnect_seconds

    def build_routes(self) -> Sequence[web.RouteDef]:
        """Return the routes."""
        return [
            web.post("/jobs_prompt_only", self.generate_video),
            web.post("/jobs_prompt_tts", self.generate_talking_video),
        ]

    async def generate_video(self, request: web.Request) -> web.Response:
        """Generate a video from an image, and wait for it."""
        body = await _read_body(request, _VIDEO_FIELDS, ("image_url", "prompt"))
        job = jobs_pb2.CreateJobRequest(animate=jobs_pb2.AnimateSpec(video=body.to_video_spec()))
        return await self._run_job(request, job, lambda result: {"video_url": result.video.url})

    async def generate_talking_video(self, request: web.Request) -> web.Response:
        """Generate a talking video from an image, and wait for it."""
        body = await _read_body(
            request, {**_VIDEO_FIELDS, **_SPEECH_FIELDS}, ("image_url", "prompt", "text", "voice_id")
        )
        narration = jobs_pb2.NarrationSpec(text=body.fields["text"], voice=body.fields["voice_id"])
        spec = jobs_pb2.TalkingVideoSpec(video=body.to_video_spec(), narration=narration)
        return await self._run_job(
            request,
            jobs_pb2.CreateJobRequest(talking_video=spec),
            lambda result: {
                "audio_url": result.audio.url,
                "video_url": result.video.url,
                "final_url": result.final.url,
            },
        )

    async def _run_job(self, request: web.Request, job: jobs_pb2.CreateJobRequest, urls: Urls) -> web.Response:
        """Create a job and wait for its end, unless the caller prefers not to; a disconnect does not stop the job."""
        request[FIELD_NAMING] = _ROUTE_NAMES
        job.request_id = read_idempotency_key(request)
        principal = get_principal(request)
        created = await self._stub.CreateJob(job, metadata=call_metadata(principal), timeout=self._limits.read_seconds)
        location = f"/api/jobs/{created.job.id}"
        if _prefers_async(request):
            return web.json_response(
                {"success": True, "job_id": created.job.id, "status_url": location},
                status=202,
                headers={"Location": location, "Preference-Applied": _RESPOND_ASYNC},
            )
        job_at_end = await self._wait_for_end(created.job, principal)
        if job_at_end.status != jobs_pb2.JOB_STATUS_SUCCEEDED:
            raise _to_error(job_at_end)
        return web.json_response(
            {"success": True, **urls(job_at_end.result), "job_id": job_at_end.id},
            headers={"Content-Location": location},
        )

    async def _wait_for_end(self, job: jobs_pb2.Job, principal: str) -> jobs_pb2.Job:
        """Return the ended job, or its last known state if the job service stays lost after _MAX_WATCHES attempts."""
        for attempt in range(_MAX_WATCHES):
            if attempt:
                await asyncio.sleep(self._reconnect_seconds)
            try:
                async with aclosing(self._watch(job.id, principal)) as states:
                    async for state in states:
                        job = state
            except MediaError as error:
                if error.reason not in _LOST_WATCH_REASONS:
                    raise
            if job.status in FINAL_STATUSES:
                break
        return job

    async def _watch(self, job_id: str, principal: str) -> AsyncGenerator[jobs_pb2.Job]:
        """Yield the states of a job; the service repeats the last one while nothing changes."""
        call = self._stub.WatchJob(jobs_pb2.WatchJobRequest(id=job_id), metadata=call_metadata(principal))
        try:
            async with open_stream(call):
                events = aiter(call)
                while True:
                    async with limit_wait(self._limits.read_seconds):
                        event = await anext(events, None)
                    if event is None:
                        return
                    yield event.job
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None


async def _read_body(request: web.Request, allowed: Mapping[str, type], required: Sequence[str]) -> _Body:
    request[FIELD_NAMING] = _UNCHANGED_NAMES
    body = await read_json(request)
    if not isinstance(body, dict):
        raise MediaError(Reason.VALIDATION_ERROR, "The body must be a JSON object.")
    fields: dict[str, Any] = {}
    for key, value in body.items():
        name = _OTHER_NAMES.get(key, key)
        if name not in allowed:
            raise invalid(shorten(key), f"is not a field of this route, which takes {', '.join(allowed)}")
        if name in fields:
            raise invalid(name, f"must be given once, not also as {key}")
        if value is not None and (not isinstance(value, allowed[name]) or isinstance(value, bool)):
            raise invalid(name, f"must be {_TYPE_WORDS[allowed[name]]}")
        fields[name] = value
    for name in required:
        if not fields.get(name):
            raise invalid(name, "must be given")
    seconds = fields.get("seconds")
    if seconds is not None and not 1 <= seconds <= _MAX_VIDEO_SECONDS:
        raise invalid("seconds", f"must be 1 to {_MAX_VIDEO_SECONDS}")
    return _Body(fields)


@dataclass(frozen=True, slots=True)
class _Body:
    """A checked request body."""

    fields: Mapping[str, Any]

    def to_video_spec(self) -> jobs_pb2.VideoSpec:
        return jobs_pb2.VideoSpec(
            image_url=self.fields["image_url"],
            prompt=self.fields["prompt"],
            seconds=self.fields.get("seconds") or 0,
            resolution=(self.fields.get("resolution") or "").lower(),
            model=self.fields.get("model") or "",
        )


def _prefers_async(request: web.Request) -> bool:
    preferences = ",".join(request.headers.getall("Prefer", ())).lower().split(",")
    return any(item.partition(";")[0].strip() == _RESPOND_ASYNC for item in preferences)


def _to_error(job: jobs_pb2.Job) -> MediaError:
    if job.status == jobs_pb2.JOB_STATUS_CANCELLED:
        return MediaError(Reason.CANCELLED, f"The job {job.id} was cancelled.")
    if job.status != jobs_pb2.JOB_STATUS_FAILED:
        return MediaError(Reason.UNAVAILABLE, f"The job {job.id} continues; GET /api/jobs/{job.id} returns its status.")
    reason = Reason.__members__.get(job.error.reason, Reason.GENERATION_FAILED)
    violations = [FieldViolation(item.field, item.description) for item in job.error.details]
    return MediaError(reason, f"{job.error.message} (job {job.id})", violations=violations)


def _to_route_field(path: str) -> str:
    """Return the name of these routes for a field of the contract: voice_id for talking_video.narration.voice."""
    name = path.rpartition(".")[2]
    return _ROUTE_FIELD_NAMES.get(name, name)


_UNCHANGED_NAMES = FieldNaming(lambda field: field)
_ROUTE_NAMES = FieldNaming(_to_route_field)
