"""Builds requests for Replicate's models: checked inputs for known models, generic inputs for all others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.common.errors import invalid
from services.common.providers.models import ModelInfo, check_model, load_models
from services.video.providers.interface import VideoRequest, VideoSpec
from services.video.providers.replicate.settings import PROVIDER, ReplicateSettings

_IMAGE_INPUT = "first_frame_image"
_VERSION_LETTERS = 64


MODELS = load_models(Path(__file__).parent)
"""The known models by name."""


def choose_model(request: VideoRequest, settings: ReplicateSettings) -> str:
    """Return the model for a request; check the inputs of a known model.

    Raises:
        MediaError: VALIDATION_ERROR, naming the field; MODEL_RETIRED.
    """
    model = request.model or settings.default_model
    if request.model and settings.allowed_models and request.model not in settings.allowed_models:
        raise invalid("model", f"must be one of {', '.join(settings.allowed_models)}")
    known = MODELS.get(model)
    if known is None:
        return model
    field, variable = ("model", "") if request.model else ("", "REPLICATE_MODEL")
    check_model(MODELS, model, provider=PROVIDER, field=field, variable=variable)
    if request.model_input or request.image_input_name:
        field = "model_input" if request.model_input else "image_input_name"
        raise invalid(field, f"must be absent: the inputs of {model} have fields of their own")
    seconds_by_resolution = known.traits["seconds_by_resolution"]
    durations = seconds_by_resolution.get(request.shorter_side)
    if durations is None:
        raise invalid("resolution", f"must be {_join_choices(seconds_by_resolution)} for {model}")
    if request.length_seconds not in durations:
        raise invalid("seconds", f"must be {_join_choices(map(str, durations))} for {model} in {request.shorter_side}")
    return model


def list_models(settings: ReplicateSettings) -> Mapping[str, ModelInfo]:
    """Return the known models that callers may name."""
    allowed = {*settings.allowed_models, settings.default_model}
    return {name: model for name, model in MODELS.items() if not settings.allowed_models or name in allowed}


def build_path(model: str) -> str:
    """Return the path, below the base URL, that creates a prediction of `model`."""
    return "/predictions" if _find_version(model) else f"/models/{model}/predictions"


def build_body(spec: VideoSpec, source_image: str, settings: ReplicateSettings) -> dict[str, Any]:
    """Return the body of the request.

    Args:
        spec: The request, with its model.
        source_image: URL or data URI of the source image.
        settings: URL for webhooks.
    """
    body: dict[str, Any] = {"input": _build_inputs(spec, source_image)}
    if version := _find_version(spec.model):
        body["version"] = version
    if settings.webhook_url:
        body |= {"webhook": settings.webhook_url, "webhook_events_filter": ["completed"]}
    return body


def matches_spec(prediction: Mapping[str, Any], spec: VideoSpec, source_image: str) -> bool:
    """Return whether a prediction has the model and inputs of `spec`.

    Args:
        prediction: JSON of the prediction.
        spec: The request, with its model.
        source_image: URL or data URI of the source image; empty for an uploaded image. Each upload has a new URL, so
            uploaded images are not compared.
    """
    version = _find_version(spec.model)
    if prediction.get("version" if version else "model") != (version or spec.model):
        return False
    expected, inputs = _build_inputs(spec, source_image), prediction.get("input")
    if not source_image:
        del expected[_get_image_input_name(spec)]
    return isinstance(inputs, dict) and all(inputs.get(name) == value for name, value in expected.items())


def _build_inputs(spec: VideoSpec, source_image: str) -> dict[str, Any]:
    request = spec.request
    known = MODELS.get(spec.model)
    if known is not None:
        optional = {"resolution": request.shorter_side, "prompt_optimizer": request.prompt_optimizer}
        return {
            "prompt": request.prompt,
            "duration": request.length_seconds,
            **{name: value for name, value in optional.items() if name in known.traits["inputs"]},
            _IMAGE_INPUT: source_image,
        }
    chosen = {"duration": request.seconds or None, "resolution": request.resolution or None}
    return {
        "prompt": request.prompt,
        **{name: value for name, value in chosen.items() if value is not None},
        **request.model_input,
        _get_image_input_name(spec): source_image,
    }


def _get_image_input_name(spec: VideoSpec) -> str:
    return spec.request.image_input_name or _IMAGE_INPUT


def _find_version(model: str) -> str:
    """Return the version in `model`; empty if `model` is only a name."""
    version = model.rpartition(":")[2]
    return version if len(version) == _VERSION_LETTERS and "/" not in version else ""


def _join_choices(words: Any) -> str:
    return " or ".join(words)
