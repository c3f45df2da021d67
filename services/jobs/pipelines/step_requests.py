"""The requests that the steps of a job send to the services, listed before any of them is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from media.image.v1 import image_pb2
from media.jobs.v1 import jobs_pb2
from media.tts.v1 import tts_pb2
from media.video.v1 import video_pb2

from services.common.errors import FieldViolation, MediaError
from services.common.rpc.validation import WHOLE_REQUEST
from services.jobs.pipelines.requests import (
    build_image_name,
    build_image_request,
    build_narration_spec,
    build_speech_request,
    build_video_request,
    build_video_spec,
)

_STORY_FIELDS: Mapping[str, str] = {
    "prompt": "story.motion",
    "provider": "story.video_provider",
    "model": "story.video_model",
}
_IMAGE_FIELDS: Mapping[str, str] = {
    "prompt": "headline",
    "provider": "image_provider",
    "width": "image_width",
    "height": "image_height",
    "output.format": "image_format",
    "quality": "image_quality",
    "style.theme": "theme",
    "style.art_styles[0]": "art_style",
    "style.style_guidelines": "style_guidelines",
    "style.max_length": "max_length",
}
# Placeholders for values that the job sets itself.
_SAMPLE_ID, _SAMPLE_FORMAT = "job-0", "mp3_44100_64"
_NO_NAMES: Mapping[str, str] = {}

ServiceRequest = image_pb2.GenerateImageRequest | tts_pb2.SynthesizeStreamRequest | video_pb2.GenerateVideoRequest


@dataclass(frozen=True, slots=True)
class StepRequest:
    """A request of a step, and the fields of the job that it is built from."""

    message: ServiceRequest
    """The request; its ids and keys are placeholders."""
    job_field: str
    """Field of the job that the request is built from."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Field of the job for each field of the request that has another name."""
    image_is_pending: bool = False
    """Whether an earlier step makes the source image of this one."""
    burned_text: str = ""
    """Text that a later step burns into the video as captions; empty if there is none."""

    def relabel_error(self, error: MediaError) -> MediaError:
        """Return an error of the request with the names of the job's fields."""
        names = {WHOLE_REQUEST: self.job_field, **self.names}
        violations = [
            FieldViolation(names.get(item.field, f"{self.job_field}.{item.field}"), item.description)
            for item in error.violations
        ]
        summary = "; ".join(f"{item.field}: {item.description}" for item in violations)
        return MediaError(
            error.reason,
            summary or f"{self.job_field}: {error.message}",
            violations=violations,
            retry_after_seconds=error.retry_after_seconds,
            metadata=error.metadata,
        )


def list_step_requests(request: jobs_pb2.CreateJobRequest, folder: str) -> Sequence[StepRequest]:
    """Return the requests of all steps of a job that generate something, in the order of the steps.

    Args:
        request: The job; its contract requires a spec.
        folder: Prefix of the object key for an image that the job generates.
    """
    match request.WhichOneof("spec"):
        case "animate":
            return [_list_video(request.animate.video, "animate.video")]
        case "talking_video":
            spec = request.talking_video
            return [
                _list_speech(spec.narration, "talking_video.narration", "talking_video.narration.text"),
                _list_video(
                    spec.video,
                    "talking_video.video",
                    {"burned_text": "talking_video.narration.text"},
                    spec.narration.text if spec.captions == jobs_pb2.JOB_CAPTIONS_BURNED else "",
                ),
            ]
        case "headline":
            return _list_headline(request.headline, "headline", folder)
        case _:
            story = request.story
            video = build_video_request(
                build_video_spec(story, f"{folder}{build_image_name(story.headline.image_format)}"), _SAMPLE_ID
            )
            names = {**_STORY_FIELDS, "burned_text": _get_text_field(story.headline, "story.headline")}
            is_burned = story.captions == jobs_pb2.JOB_CAPTIONS_BURNED
            burned_text = build_narration_spec(story.headline).text if is_burned else ""
            return [
                *_list_headline(story.headline, "story.headline", folder),
                StepRequest(video, "story", names, image_is_pending=True, burned_text=burned_text),
            ]


def _list_video(
    spec: jobs_pb2.VideoSpec, field_name: str, names: Mapping[str, str] = _NO_NAMES, burned_text: str = ""
) -> StepRequest:
    return StepRequest(build_video_request(spec, _SAMPLE_ID), field_name, names, burned_text=burned_text)


def _list_headline(spec: jobs_pb2.HeadlineSpec, field_name: str, folder: str) -> list[StepRequest]:
    names = {service_field: f"{field_name}.{job_field}" for service_field, job_field in _IMAGE_FIELDS.items()}
    text_field = _get_text_field(spec, field_name)
    return [
        StepRequest(build_image_request(spec, folder), field_name, names),
        _list_speech(build_narration_spec(spec), f"{field_name}.narration", text_field),
    ]


def _get_text_field(spec: jobs_pb2.HeadlineSpec, field_name: str) -> str:
    return f"{field_name}.narration.text" if spec.narration.text else f"{field_name}.headline"


def _list_speech(spec: jobs_pb2.NarrationSpec, field_name: str, text_field: str) -> StepRequest:
    names = {name: f"{field_name}.voice_settings.{name}" for name in jobs_pb2.VoiceSettings.DESCRIPTOR.fields_by_name}
    return StepRequest(build_speech_request(spec, _SAMPLE_FORMAT), field_name, {**names, "text": text_field})
