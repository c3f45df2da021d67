"""Build requests to fal's FLUX models: exactly the fields that each model documents (fal.ai model pages)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pybase64

from services.image.providers.interface import ImageSpec, Mode, Model

PRESETS = frozenset({"square_hd", "square", "portrait_4_3", "portrait_16_9", "landscape_4_3", "landscape_16_9"})
"""Presets that fal accepts by name."""
_MAX_SIDE_PIXELS = 1536
"""FLUX works well up to about two million pixels; larger images are scaled up."""
_MIN_STRENGTH = 0.01


@dataclass(frozen=True, slots=True)
class FalModel:
    """A model of fal and how to call it."""

    path: str
    """Id of the model, which is also its path."""
    model: Model
    """The parameters that the model supports."""
    fields: Callable[[ImageSpec], dict[str, Any]]
    """Called with the spec to build the fields that only this model has."""


def build_body(spec: ImageSpec, fal: FalModel) -> dict[str, Any]:
    """Return the JSON body of a request, without unset fields."""
    body: dict[str, Any] = {
        "prompt": spec.prompt,
        **fal.fields(spec),
        "num_inference_steps": spec.steps,
        "guidance_scale": spec.guidance_scale,
        "num_images": 1,
        "seed": spec.seed,
        "enable_safety_checker": spec.safety_checker,
        # Lossless: the rendition encodes the image once, in the requested format.
        "output_format": "png",
        "acceleration": "none",
        # A URL instead of megabytes of base64 in JSON; the cache can store the URL while fal keeps the file.
        "sync_mode": False,
    }
    return {name: value for name, value in body.items() if value is not None}


def _build_size_fields(spec: ImageSpec) -> dict[str, Any]:
    if spec.preset in PRESETS:
        return {"image_size": spec.preset}
    return {"image_size": {"width": spec.size.width, "height": spec.size.height}}


def _build_source_fields(spec: ImageSpec) -> dict[str, Any]:
    source, strength = spec.source, spec.strength
    if source is None:
        raise ValueError("a transform request must have a source image")
    data = pybase64.b64encode(source.data).decode()
    return {
        "image_url": f"data:{source.content_type};base64,{data}",
        # fal refuses 0.
        "strength": None if strength is None else max(strength, _MIN_STRENGTH),
    }


MODELS: Mapping[Mode, FalModel] = {
    Mode.STANDARD: FalModel(
        "fal-ai/flux/dev",
        Model(
            "flux-dev",
            _MAX_SIDE_PIXELS,
            default_steps=28,
            steps_by_quality={"low": 16, "medium": 28, "high": 40},
            takes_guidance=True,
            takes_safety_checker=True,
        ),
        _build_size_fields,
    ),
    Mode.FAST: FalModel(
        "fal-ai/flux/schnell",
        Model(
            "flux-schnell",
            _MAX_SIDE_PIXELS,
            default_steps=4,
            steps_by_quality={"low": 2, "medium": 4, "high": 8},
            takes_guidance=True,
            takes_safety_checker=True,
        ),
        _build_size_fields,
    ),
    Mode.TRANSFORM: FalModel(
        "fal-ai/flux/dev/image-to-image",
        Model(
            "flux-dev-i2i",
            _MAX_SIDE_PIXELS,
            default_steps=40,
            steps_by_quality={"low": 20, "medium": 40, "high": 50},
            takes_guidance=True,
            takes_safety_checker=True,
            takes_strength=True,
        ),
        _build_source_fields,
    ),
}
"""The model of each mode."""
