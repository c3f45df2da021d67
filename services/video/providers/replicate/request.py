"""What Replicate's models are asked for: each known model's own inputs, and what is sent to the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.common.errors import invalid
from services.video.providers.interface import VideoRequest, VideoSpec
from services.video.providers.replicate.settings import ReplicateSettings

_IMAGE_INPUT = "first_frame_image"
_VERSION_LETTERS = 64


@dataclass(frozen=True, slots=True)
class KnownModel:
    """What a model takes."""

    seconds_by_resolution: Mapping[str, tuple[int, ...]]
    """Lengths that it makes, by resolution."""
    image_input: str = _IMAGE_INPUT
    """What it calls the still."""


MODELS: Mapping[str, KnownModel] = {
    # Its own default is 1080p, which cannot last ten seconds: so both are always sent.
    "minimax/hailuo-02": KnownModel({"512p": (6,), "768p": (6, 10), "1080p": (6,)}),
}
"""The models whose inputs are known (replicate.com, the model's API page)."""


def model_for(request: VideoRequest, settings: ReplicateSettings) -> str:
    """Return the model that makes what is wished.

    Raises:
        MediaError: VALIDATION_ERROR, naming the field.
    """
    model = request.model or settings.default_model
    if request.model and settings.allowed_models and request.model not in settings.allowed_models:
        raise invalid("model", f"must be one of {', '.join(settings.allowed_models)}")
    known = MODELS.get(model)
    if known is None:
        return model
    if request.model_input or request.image_input_name:
        field = "model_input" if request.model_input else "image_input_name"
        raise invalid(field, f"must be absent: the inputs of {model} have fields of their own")
    lengths = known.seconds_by_resolution.get(request.shorter_side)
    if lengths is None:
        raise invalid("resolution", f"must be {_either(known.seconds_by_resolution)} for {model}")
    if request.length_seconds not in lengths:
        raise invalid("seconds", f"must be {_either(map(str, lengths))} for {model} in {request.shorter_side}")
    return model


def build_path(model: str) -> str:
    """Return where a video by `model` is asked for, below the base URL."""
    return "/predictions" if _version_in(model) else f"/models/{model}/predictions"


def build_body(spec: VideoSpec, source_image: str, settings: ReplicateSettings) -> dict[str, Any]:
    """Return the body of the request.

    Args:
        spec: What is asked for.
        source_image: Address or data URI of the still.
        settings: Where webhooks go.
    """
    body: dict[str, Any] = {"input": _inputs(spec, source_image)}
    if version := _version_in(spec.model):
        body["version"] = version
    if settings.webhook_url:
        body |= {"webhook": settings.webhook_url, "webhook_events_filter": ["completed"]}
    return body


def matches_spec(told: Mapping[str, Any], spec: VideoSpec, source_image: str) -> bool:
    """Tell whether a prediction was asked for by `spec`.

    Args:
        told: What Replicate tells of the prediction.
        spec: What is asked for.
        source_image: Address or data URI of the still; empty where it has another one each time, and is left aside.
    """
    version = _version_in(spec.model)
    if told.get("version" if version else "model") != (version or spec.model):
        return False
    wanted, inputs = _inputs(spec, source_image), told.get("input")
    if not source_image:
        del wanted[_image_input(spec)]
    return isinstance(inputs, dict) and all(inputs.get(name) == value for name, value in wanted.items())


def _inputs(spec: VideoSpec, source_image: str) -> dict[str, Any]:
    request = spec.request
    known = MODELS.get(spec.model)
    if known is not None:
        return {
            "prompt": request.prompt,
            "duration": request.length_seconds,
            "resolution": request.shorter_side,
            "prompt_optimizer": request.prompt_optimizer,
            known.image_input: source_image,
        }
    given = {"duration": request.seconds or None, "resolution": request.resolution or None}
    return {
        "prompt": request.prompt,
        **{name: value for name, value in given.items() if value is not None},
        **request.model_input,
        _image_input(spec): source_image,
    }


def _image_input(spec: VideoSpec) -> str:
    known = MODELS.get(spec.model)
    return known.image_input if known else spec.request.image_input_name or _IMAGE_INPUT


def _version_in(model: str) -> str:
    """Return the version that `model` names; empty if it names the model itself."""
    version = model.rpartition(":")[2]
    return version if len(version) == _VERSION_LETTERS and "/" not in version else ""


def _either(words: Any) -> str:
    return " or ".join(words)
