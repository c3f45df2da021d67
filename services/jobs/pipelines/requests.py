"""Requests to the services: sent by the steps, and validated before a job is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from media.image.v1 import image_pb2
from media.jobs.v1 import jobs_pb2
from media.tts.v1 import tts_pb2
from media.video.v1 import video_pb2

DEFAULT_DELAY_MS = 500
DEFAULT_MOTION = "A slow move closer to the image"
_IMAGE_EXTENSIONS: Mapping[str, str] = {"": "webp", "jpeg": "jpg"}
"""Extension by image format, where the two differ."""
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
        prompt_optimizer=spec.prompt_optimizer if spec.HasField("prompt_optimizer") else None,
        model_input=spec.model_input if spec.HasField("model_input") else None,
        image_input_name=spec.image_input_name,
        use_cache=spec.use_cache if spec.HasField("use_cache") else None,
        # Generation goes on if this worker is lost; the request id finds it again.
        detach=True,
        request_id=request_id,
    )


def build_speech_request(spec: jobs_pb2.NarrationSpec, default_format: str) -> tts_pb2.SynthesizeStreamRequest:
    """Return the request for speech that is stored with its alignment.

    Args:
        spec: The speech.
        default_format: Format of a speech whose spec has neither format nor quality.
    """
    request = tts_pb2.SynthesizeStreamRequest(
        text=spec.text,
        voice=spec.voice,
        provider=spec.provider,
        model_id=spec.model_id,
        output_format=spec.output_format or ("" if spec.quality else default_format),
        quality=spec.quality,
        language_code=spec.language_code,
        include_alignment=True,
        store=True,
    )
    for field, value in spec.voice_settings.ListFields():
        setattr(request, field.name, value)
    return request


def build_image_name(image_format: str) -> str:
    """Return the file name of an image in a format of the contract; empty for the default format."""
    return f"image.{_IMAGE_EXTENSIONS.get(image_format, image_format)}"


def build_image_request(spec: jobs_pb2.HeadlineSpec, folder: str) -> image_pb2.GenerateImageRequest:
    """Return the request for the image of a headline.

    Args:
        spec: The headline.
        folder: Prefix of the object key, under the prefix of the owner; ends in a slash.
    """
    object_key = f"{folder}{build_image_name(spec.image_format)}"
    return image_pb2.GenerateImageRequest(
        prompt=spec.headline,
        image_size=spec.image_size or _DEFAULT_SIZE,
        width=spec.image_width,
        height=spec.image_height,
        quality=spec.image_quality,
        provider=spec.image_provider,
        style=image_pb2.PromptStyle(
            theme=spec.theme,
            use_brand=spec.use_brand,
            template="headline",
            art_styles=[spec.art_style] if spec.art_style else [],
            style_guidelines=spec.style_guidelines,
            max_length=spec.max_length,
        ),
        output=image_pb2.ImageOutput(format=spec.image_format, object_key=object_key, overwrite=True),
    )


@dataclass(frozen=True, slots=True)
class MuxOptions:
    """How the speech is added to the video."""

    audio_delay_ms: int
    """Silence before the speech, in milliseconds."""
    length_policy: video_pb2.LengthPolicy
    """What to do if speech and video differ in duration."""
    captions: jobs_pb2.JobCaptions
    """How captions are added."""


def build_mux_options(
    spec: jobs_pb2.TalkingVideoSpec | jobs_pb2.StorySpec, default_captions: jobs_pb2.JobCaptions
) -> MuxOptions:
    """Return the options in `spec`, with the defaults of jobs."""
    return MuxOptions(
        spec.audio_delay_ms if spec.HasField("audio_delay_ms") else DEFAULT_DELAY_MS,
        spec.length_policy or video_pb2.LENGTH_POLICY_FREEZE,
        spec.captions or default_captions,
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
        model=spec.video_model,
        prompt_optimizer=spec.prompt_optimizer if spec.HasField("prompt_optimizer") else None,
        model_input=spec.model_input if spec.HasField("model_input") else None,
        image_input_name=spec.image_input_name,
    )
