"""Requests to the services: sent by the steps, and validated before a job is accepted."""

from __future__ import annotations

from media.image.v1 import image_pb2
from media.jobs.v1 import jobs_pb2
from media.tts.v1 import tts_pb2
from media.video.v1 import video_pb2

DEFAULT_MOTION = "A slow move closer to the image"
_DEFAULT_SIZE = "landscape_16_9"


def build_video_request(spec: jobs_pb2.VideoSpec, request_id: str) -> video_pb2.GenerateVideoRequest:
    """Return the request for a video; a repeated `request_id` returns the same video."""
    return video_pb2.GenerateVideoRequest(
        prompt=spec.prompt,
        image_url=spec.image_url,
        image_key=spec.image_key,
        seconds=spec.seconds,
        resolution=spec.resolution,
        model=spec.model,
        provider=spec.provider,
        # Generation goes on if this worker is lost; the request id finds it again.
        detach=True,
        request_id=request_id,
    )


def build_speech_request(spec: jobs_pb2.NarrationSpec, output_format: str) -> tts_pb2.SynthesizeStreamRequest:
    """Return the request for speech that is stored with its alignment."""
    return tts_pb2.SynthesizeStreamRequest(
        text=spec.text,
        voice=spec.voice,
        provider=spec.provider,
        model_id=spec.model_id,
        output_format=output_format,
        include_alignment=True,
        store=True,
    )


def build_image_request(spec: jobs_pb2.HeadlineSpec, object_key: str) -> image_pb2.GenerateImageRequest:
    """Return the request for the image of a headline, stored under a key of the owner."""
    return image_pb2.GenerateImageRequest(
        prompt=spec.headline,
        image_size=spec.image_size or _DEFAULT_SIZE,
        provider=spec.image_provider,
        style=image_pb2.PromptStyle(
            template="headline",
            art_styles=[spec.art_style] if spec.art_style else [],
            style_guidelines=spec.style_guidelines,
            max_length=spec.max_length,
        ),
        output=image_pb2.ImageOutput(object_key=object_key, overwrite=True),
    )


def build_narration_spec(spec: jobs_pb2.HeadlineSpec) -> jobs_pb2.NarrationSpec:
    """Return the narration of a headline; its text defaults to the headline."""
    narration = jobs_pb2.NarrationSpec()
    narration.CopyFrom(spec.narration)
    narration.text = narration.text or spec.headline
    return narration


def build_video_spec(spec: jobs_pb2.StorySpec, image_key: str) -> jobs_pb2.VideoSpec:
    """Return the spec of the video of a story."""
    return jobs_pb2.VideoSpec(
        image_key=image_key,
        prompt=spec.motion or DEFAULT_MOTION,
        seconds=spec.seconds,
        resolution=spec.resolution,
        provider=spec.video_provider,
    )
