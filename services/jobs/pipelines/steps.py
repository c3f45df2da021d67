"""The steps of pipelines. Each calls one service and stores the result in the record."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.json_format import MessageToDict, ParseDict
from media.common.v1 import alignment_pb2
from media.image.v1 import image_pb2
from media.jobs.v1 import jobs_pb2
from media.tts.v1 import tts_pb2
from media.video.v1 import video_pb2

from services.common.rpc.call_limits import CallLimits
from services.common.storage.keys import prefix_for
from services.jobs.clients import ServiceClients, await_last_message, await_reply, metadata_for_owner
from services.jobs.lease import Lease, Result
from services.jobs.pipelines.checks import StepChecks
from services.jobs.pipelines.requests import (
    MuxOptions,
    build_image_name,
    build_image_request,
    build_speech_request,
    build_video_request,
)
from services.jobs.pipelines.step_requests import list_step_requests
from services.jobs.record import JobRecord

T = TypeVar("T")

VIDEO, AUDIO, FINAL, IMAGE = "video", "audio", "final", "image"
"""Names of steps; fields of the result have the same names."""
OWN_OBJECTS = (IMAGE, FINAL)
"""Steps that store under an object key of the job."""
_USUAL_IMAGE_SECONDS = 8.0
"""Usual time of an image; the progress of the step is estimated from it."""
_IMAGE_PROGRESS_SECONDS = 1.0
"""Time between two estimates."""
_CAPTIONS = {
    jobs_pb2.JOB_CAPTIONS_TRACK: video_pb2.CAPTION_MODE_TRACK,
    jobs_pb2.JOB_CAPTIONS_BURNED: video_pb2.CAPTION_MODE_BURNED,
}


@dataclass(frozen=True, slots=True)
class ProgressRange:
    """Part of the percentage of a job that one step covers."""

    low: float
    high: float

    def to_job_percent(self, percent: float) -> float:
        """Return the percentage of the job for the `percent` of the step."""
        return self.low + (self.high - self.low) * percent / 100


@dataclass(frozen=True, slots=True)
class Steps:
    """Runs the steps of pipelines. A finished step returns its stored result without a call."""

    services: ServiceClients
    speech_format: str
    """Format of the speech, such as mp3_44100_64."""
    limits: CallLimits
    """Time limits of all calls, except the deadline of GenerateVideo."""
    video_seconds: float
    """Deadline of GenerateVideo; a later attempt continues with the same video."""

    async def check(self, lease: Lease) -> None:
        """Have the services check all steps of a job before the first one is paid for."""
        record = lease.record
        if record.steps or record.intents:
            return
        request = ParseDict({record.kind: dict(record.spec)}, jobs_pb2.CreateJobRequest())
        checks = StepChecks(self.services, self.limits.first_message_seconds, reads_images=True)
        await checks.check(list_step_requests(request, build_folder(record.principal, record.job_id)), record.principal)

    async def make_video(self, lease: Lease, spec: jobs_pb2.VideoSpec, progress_range: ProgressRange) -> Result:
        """Generate the video of an image. The request carries the job id: a retry gets the same video."""

        async def run() -> Result:
            record = lease.record
            request = build_video_request(spec, build_video_request_id(record))
            metadata = metadata_for_owner(record.principal)
            call = self.services.videos.GenerateVideo(request, metadata=metadata, timeout=self.video_seconds)
            generated = await await_last_message(
                call,
                "video",
                self.limits.first_message_seconds,
                lambda event: lease.report_progress(VIDEO, progress_range.to_job_percent(event.progress.percent)),
            )
            return _to_video_result(generated.file, generated.provider, generated.model)

        await lease.begin_step(VIDEO, progress_range.low)
        return await lease.run_step(VIDEO, run, paid=True)

    async def make_speech(self, lease: Lease, spec: jobs_pb2.NarrationSpec, progress_range: ProgressRange) -> Result:
        """Generate and store speech with its alignment. A retry gets it from the cache of the service."""

        async def run() -> Result:
            request = build_speech_request(spec, self.speech_format)
            metadata = metadata_for_owner(lease.record.principal)
            call = self.services.speech.SynthesizeStream(request, metadata=metadata, timeout=self.limits.stream_seconds)
            spoken_characters = 0

            async def report(event: tts_pb2.SynthesizeStreamResponse) -> None:
                nonlocal spoken_characters
                spoken_characters += len(event.chunk.alignment.characters)
                percent = 100 * min(1.0, spoken_characters / len(spec.text))
                await lease.report_progress(AUDIO, progress_range.to_job_percent(percent))

            done = await await_last_message(call, "done", self.limits.first_message_seconds, report)
            return _to_speech_result(done.stored_audio)

        await lease.begin_step(AUDIO, progress_range.low)
        return await lease.run_step(AUDIO, run, paid=True)

    async def make_image(self, lease: Lease, spec: jobs_pb2.HeadlineSpec, progress_range: ProgressRange) -> Result:
        """Generate the image of a headline. A retry gets it from the cache of the image service."""

        async def run() -> Result:
            record = lease.record
            request = build_image_request(spec, build_folder(record.principal, record.job_id))
            metadata = metadata_for_owner(record.principal)
            call = self.services.images.GenerateImage(request, metadata=metadata, timeout=self.limits.answer_seconds)
            reply = await await_with_progress(
                await_reply(call),
                lambda seconds: lease.report_progress(IMAGE, progress_range.to_job_percent(estimate_percent(seconds))),
            )
            return _to_image_result(reply.image)

        await lease.begin_step(IMAGE, progress_range.low)
        return await lease.run_step(IMAGE, run, paid=True)

    async def mux_video(
        self,
        lease: Lease,
        options: MuxOptions,
        progress_range: ProgressRange,
    ) -> Result:
        """Mux the speech into the video. A retry overwrites the earlier result."""

        async def run() -> Result:
            record = lease.record
            audio = record.steps[AUDIO]
            request = video_pb2.MuxVideoRequest(
                video=video_pb2.MediaSource(key=record.steps[VIDEO]["key"]),
                audio=video_pb2.MediaSource(key=audio["key"]),
                audio_delay_ms=options.audio_delay_ms,
                length_policy=options.length_policy,
                object_key=build_own_key(record, FINAL),
                overwrite=True,
            )
            if mode := _CAPTIONS.get(options.captions):
                alignment = await self.get_alignment(record)
                request.captions.CopyFrom(video_pb2.Captions(alignment=alignment, mode=mode))
            metadata = metadata_for_owner(record.principal)
            call = self.services.videos.MuxVideo(request, metadata=metadata, timeout=self.limits.stream_seconds)
            generated = await await_last_message(
                call,
                "video",
                self.limits.first_message_seconds,
                lambda event: lease.report_progress("mux", progress_range.to_job_percent(event.progress.percent)),
            )
            return _to_video_result(generated.file, "", "")

        await lease.begin_step(FINAL, progress_range.low, "mux")
        return await lease.run_step(FINAL, run)

    async def get_alignment(self, record: JobRecord) -> alignment_pb2.Alignment:
        """Return the alignment of the speech of a job."""
        request = tts_pb2.GetStoredAudioRequest(id=record.steps[AUDIO]["storedAudioId"])
        call = self.services.speech.GetStoredAudio(
            request, metadata=metadata_for_owner(record.principal), timeout=self.limits.read_seconds
        )
        return (await await_reply(call)).stored_audio.alignment

    async def cancel_video(self, record: JobRecord) -> None:
        """Cancel the video of a job at its provider, if the job started one and has not got it."""
        if VIDEO not in record.intents or VIDEO in record.steps:
            return
        request = video_pb2.CancelVideoRequest(request_id=build_video_request_id(record))
        metadata = metadata_for_owner(record.principal)
        await await_reply(
            self.services.videos.CancelVideo(request, metadata=metadata, timeout=self.limits.read_seconds)
        )


def build_video_request_id(record: JobRecord) -> str:
    """Return the request id of the video of a job.

    A repetition may have that of the failed job, whose paid video could not be stored.
    """
    return f"job-{record.video_of or record.job_id}"


def build_own_key(record: JobRecord, step: str) -> str:
    """Return the object key of the result of a step in OWN_OBJECTS; the same for each attempt."""
    folder = build_folder(record.principal, record.job_id)
    if step == FINAL:
        return f"{folder}{FINAL}.mp4"
    headline = record.spec.get("headline")
    # The headline of a story is a spec of its own; that of a headline job is its text.
    spec = headline if isinstance(headline, Mapping) else record.spec
    return f"{folder}{build_image_name(spec.get('imageFormat', ''))}"


def build_folder(principal: str, job_id: str) -> str:
    """Return the prefix of the object keys of a job of `principal`."""
    return f"{prefix_for(principal)}jobs/{job_id}/"


def estimate_percent(seconds: float) -> float:
    """Return the estimated progress of an image in percent after `seconds`; approaches 100, and never reaches it."""
    return 100 * (1 - math.exp(-seconds / _USUAL_IMAGE_SECONDS))


async def await_with_progress(
    reply: Coroutine[Any, Any, T],
    report: Callable[[float], Awaitable[None]],
    pause_seconds: float = _IMAGE_PROGRESS_SECONDS,
) -> T:
    """Return the reply of a call, and report the time that it has taken until then.

    Args:
        reply: Waits for the reply.
        report: Called with the seconds since the start, after each pause.
        pause_seconds: Time between two reports.
    """
    begin = time.monotonic()
    task = asyncio.create_task(reply)
    try:
        while not (await asyncio.wait([task], timeout=pause_seconds))[0]:
            await report(time.monotonic() - begin)
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _to_medium(key: str, content_type: str, provider: str, model: str) -> dict[str, object]:
    return {"key": key, "contentType": content_type, "provider": provider, "model": model}


def _to_image_result(image: image_pb2.Image) -> Result:
    return {
        **_to_medium(image.key, image.content_type, image.provider, image.model),
        "width": image.width,
        "height": image.height,
        "prompt": image.prompt,
        "promptMetadata": MessageToDict(image.prompt_metadata),
    }


def _to_video_result(video: video_pb2.VideoFile, provider: str, model: str) -> Result:
    return {
        **_to_medium(video.key, video.content_type, provider, model),
        "durationSeconds": video.duration_seconds,
        "width": video.width,
        "height": video.height,
    }


def _to_speech_result(stored: tts_pb2.StoredAudio) -> Result:
    metadata = stored.metadata
    return {
        **_to_medium(stored.key, stored.content_type, metadata.provider, metadata.model_id),
        "durationSeconds": stored.duration_seconds,
        "storedAudioId": stored.id,
    }
