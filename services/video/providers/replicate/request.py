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
    # Its own default is 1080p, which can not last ten seconds: so both are always sent.
    "minimax/hailuo-02": KnownModel({"512p": (6,), "768p": (6, 10), "1080p": (6,)}),
}
"""The models whose inputs are known (replicate.com, the model's API page)."""


def model_for(wish: VideoRequest, settings: ReplicateSettings) -> str:
    """Returns the model that makes what is wished.

    Raises:
        MediaError: VALIDATION_ERROR, naming the field.
    """
    model = wish.model or settings.default_model
    if wish.model and settings.allowed_models and wish.model not in settings.allowed_models:
        raise invalid("model", f"must be one of {', '.join(settings.allowed_models)}")
    known = MODELS.get(model)
    if known is None:
        return model
    if wish.model_input or wish.image_input_name:
        field = "model_input" if wish.model_input else "image_input_name"
        raise invalid(field, f"must be absent: the inputs of {model} have fields of their own")
    lengths = known.seconds_by_resolution.get(wish.shorter_side)
    if lengths is None:
        raise invalid("resolution", f"must be {_either(known.seconds_by_resolution)} for {model}")
    if wish.length_seconds not in lengths:
        raise invalid("seconds", f"must be {_either(map(str, lengths))} for {model} in {wish.shorter_side}")
    return model


def path_of(model: str) -> str:
    """Returns where a video by `model` is asked for, below the base URL."""
    return "/predictions" if _version_in(model) else f"/models/{model}/predictions"


def body_of(spec: VideoSpec, still: str, settings: ReplicateSettings) -> dict[str, Any]:
    """Returns the body of the request.

    Args:
        spec: What is asked for.
        still: Address or data URI of the still.
        settings: Where webhooks go.
    """
    body: dict[str, Any] = {"input": _inputs(spec, still)}
    if version := _version_in(spec.model):
        body["version"] = version
    if settings.webhook_url:
        body |= {"webhook": settings.webhook_url, "webhook_events_filter": ["completed"]}
    return body


def is_of(told: Mapping[str, Any], spec: VideoSpec, still: str) -> bool:
    """Tells whether a prediction was asked for by `spec`.

    Args:
        told: What Replicate tells of the prediction.
        spec: What is asked for.
        still: Address or data URI of the still; empty where it has another one each time, and is left aside.
    """
    version = _version_in(spec.model)
    if told.get("version" if version else "model") != (version or spec.model):
        return False
    wanted, inputs = _inputs(spec, still), told.get("input")
    if not still:
        del wanted[_image_input(spec)]
    return isinstance(inputs, dict) and all(inputs.get(name) == value for name, value in wanted.items())


def _inputs(spec: VideoSpec, still: str) -> dict[str, Any]:
    wish = spec.wish
    known = MODELS.get(spec.model)
    if known is not None:
        return {
            "prompt": wish.prompt,
            "duration": wish.length_seconds,
            "resolution": wish.shorter_side,
            "prompt_optimizer": wish.prompt_optimizer,
            known.image_input: still,
        }
    given = {"duration": wish.seconds or None, "resolution": wish.resolution or None}
    return {
        "prompt": wish.prompt,
        **{name: value for name, value in given.items() if value is not None},
        **wish.model_input,
        _image_input(spec): still,
    }


def _image_input(spec: VideoSpec) -> str:
    known = MODELS.get(spec.model)
    return known.image_input if known else spec.wish.image_input_name or _IMAGE_INPUT


def _version_in(model: str) -> str:
    """Returns the version that `model` names; empty if it names the model itself."""
    version = model.rpartition(":")[2]
    return version if len(version) == _VERSION_LETTERS and "/" not in version else ""


def _either(words: Any) -> str:
    return " or ".join(words)
