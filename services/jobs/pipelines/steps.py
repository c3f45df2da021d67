"""The steps that pipelines are made of; each leaves what a medium is, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from media.common.v1 import alignment_pb2
from media.jobs.v1 import jobs_pb2
from media.tts.v1 import tts_pb2
from media.video.v1 import video_pb2

from services.common.storage.keys import prefix_for
from services.jobs.clients import ServiceClients, await_last_message, await_reply, metadata_for_owner
from services.jobs.lease import Lease, Result
from services.jobs.pipelines.requests import build_image_request, build_speech_request, build_video_request
from services.jobs.record import JobRecord

VIDEO, AUDIO, FINAL, IMAGE = "video", "audio", "final", "image"
"""Names of steps, which are those of the result."""
OWN_OBJECTS: Mapping[str, str] = {IMAGE: "image.webp", FINAL: "final.mp4"}
"""What steps store under keys that the job chooses, by step."""
_FREEZE = video_pb2.LENGTH_POLICY_FREEZE
_CAPTIONS = {
    jobs_pb2.JOB_CAPTIONS_TRACK: video_pb2.CAPTION_MODE_TRACK,
    jobs_pb2.JOB_CAPTIONS_BURNED: video_pb2.CAPTION_MODE_BURNED,
}


@dataclass(frozen=True, slots=True)
class ProgressRange:
    """Which part of a job's percent a step is."""

    low: float
    high: float

    def to_job_percent(self, percent: float) -> float:
        """Return the job's percentage where the step's own is `percent`."""
        return self.low + (self.high - self.low) * percent / 100


@dataclass(frozen=True, slots=True)
class Steps:
    """Does steps."""

    services: ServiceClients
    speech_format: str
    """Format of speech, such as mp3_44100_64."""
    call_seconds: float
    """Longest that a call may take that is no video."""
    video_seconds: float
    """Longest that one may wait for a video; a later attempt finds it where it was."""

    async def make_video(self, lease: Lease, spec: jobs_pb2.VideoSpec, progress_range: ProgressRange) -> Result:
        """Make the video of an image. The request carries the job's id: made again, it is the same video."""

        async def run() -> Result:
            record = lease.record
            request = build_video_request(spec, build_video_request_id(record))
            metadata = metadata_for_owner(record.principal)
            call = self.services.videos.GenerateVideo(request, metadata=metadata, timeout=self.video_seconds)
            generated = await await_last_message(
                call,
                "video",
                lambda event: lease.report_progress(VIDEO, progress_range.to_job_percent(event.progress.percent)),
            )
            return _to_video_result(generated.file, generated.provider, generated.model)

        await lease.begin_step(VIDEO, progress_range.low)
        return await lease.run_step(VIDEO, run, paid=True)

    async def make_speech(self, lease: Lease, spec: jobs_pb2.NarrationSpec, progress_range: ProgressRange) -> Result:
        """Speak a text and stores it with its timing. Made again, it comes from the speech service's cache."""

        async def run() -> Result:
            request = build_speech_request(spec, self.speech_format)
            metadata = metadata_for_owner(lease.record.principal)
            call = self.services.speech.SynthesizeStream(request, metadata=metadata, timeout=self.call_seconds)
            done = await await_last_message(call, "done")
            return _to_speech_result(done.stored_audio)

        await lease.begin_step(AUDIO, progress_range.low)
        return await lease.run_step(AUDIO, run, paid=True)

    async def make_image(self, lease: Lease, spec: jobs_pb2.HeadlineSpec, progress_range: ProgressRange) -> Result:
        """Draw a headline, and keeps the final prompt beside. Made again, it comes from the image service's cache."""

        async def run() -> Result:
            record = lease.record
            request = build_image_request(spec, build_own_key(record, IMAGE))
            metadata = metadata_for_owner(record.principal)
            call = self.services.images.GenerateImage(request, metadata=metadata, timeout=self.call_seconds)
            image = (await await_reply(call)).image
            return {
                **_to_medium(image.key, image.content_type, image.provider, image.model),
                "width": image.width,
                "height": image.height,
                "prompt": image.prompt,
            }

        await lease.begin_step(IMAGE, progress_range.low)
        return await lease.run_step(IMAGE, run, paid=True)

    async def mux_video(
        self,
        lease: Lease,
        progress_range: ProgressRange,
        *,
        audio_delay_ms: int,
        captions: jobs_pb2.JobCaptions,
    ) -> Result:
        """Lay the speech over the video. Made again, it takes the place of the one before."""

        async def run() -> Result:
            record = lease.record
            audio = record.steps[AUDIO]
            request = video_pb2.MuxVideoRequest(
                video=video_pb2.MediaSource(key=record.steps[VIDEO]["key"]),
                audio=video_pb2.MediaSource(key=audio["key"]),
                audio_delay_ms=audio_delay_ms,
                length_policy=_FREEZE,
                object_key=build_own_key(record, FINAL),
                overwrite=True,
            )
            if mode := _CAPTIONS.get(captions):
                alignment = await self.get_alignment(record)
                request.captions.CopyFrom(video_pb2.Captions(alignment=alignment, mode=mode))
            metadata = metadata_for_owner(record.principal)
            call = self.services.videos.MuxVideo(request, metadata=metadata, timeout=self.call_seconds)
            generated = await await_last_message(
                call,
                "video",
                lambda event: lease.report_progress("mux", progress_range.to_job_percent(event.progress.percent)),
            )
            return _to_video_result(generated.file, "", "")

        await lease.begin_step(FINAL, progress_range.low, "mux")
        return await lease.run_step(FINAL, run)

    async def get_alignment(self, record: JobRecord) -> alignment_pb2.Alignment:
        """Return when each character of a job's speech is heard."""
        request = tts_pb2.GetStoredAudioRequest(id=record.steps[AUDIO]["storedAudioId"])
        call = self.services.speech.GetStoredAudio(
            request, metadata=metadata_for_owner(record.principal), timeout=self.call_seconds
        )
        return (await await_reply(call)).stored_audio.alignment

    async def cancel_video(self, record: JobRecord) -> None:
        """Tell the provider of a video that it is not wanted any more."""
        if VIDEO not in record.intents or VIDEO in record.steps:
            return
        request = video_pb2.CancelVideoRequest(request_id=build_video_request_id(record))
        metadata = metadata_for_owner(record.principal)
        await await_reply(self.services.videos.CancelVideo(request, metadata=metadata, timeout=self.call_seconds))


def build_video_request_id(record: JobRecord) -> str:
    """Return the name under which a job asks for its video."""
    return f"job-{record.job_id}"


def build_own_key(record: JobRecord, step: str) -> str:
    """Return the key of what a step of a job stores, the same each time."""
    return f"{prefix_for(record.principal)}jobs/{record.job_id}/{OWN_OBJECTS[step]}"


def _to_medium(key: str, content_type: str, provider: str, model: str) -> dict[str, object]:
    return {"key": key, "contentType": content_type, "provider": provider, "model": model}


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
