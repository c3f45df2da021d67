"""What fal's FLUX models are asked for: each model's own fields and no others (fal.ai model pages)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pybase64

from services.image.providers.interface import ImageSpec, Mode, Model

PRESETS = frozenset({"square_hd", "square", "portrait_4_3", "portrait_16_9", "landscape_4_3", "landscape_16_9"})
"""Sizes that fal knows by the names that we use."""
_MAX_SIDE_PIXELS = 1536
"""FLUX draws well up to about two million pixels; larger images are scaled up."""
_MIN_STRENGTH = 0.01


@dataclass(frozen=True, slots=True)
class FalModel:
    """A model, and what it is asked with."""

    path: str
    """Its id, which is its path."""
    model: Model
    """What it takes."""
    fields: Callable[[ImageSpec], dict[str, Any]]
    """The fields that only it has."""


def build_body(spec: ImageSpec, fal: FalModel) -> dict[str, Any]:
    """Return the body of a request; a seed is sent only where there is one."""
    body: dict[str, Any] = {
        "prompt": spec.prompt,
        **fal.fields(spec),
        "num_inference_steps": spec.steps,
        "guidance_scale": spec.guidance_scale,
        "num_images": 1,
        "seed": spec.seed,
        "enable_safety_checker": spec.safety_checker,
        # Lossless: it is encoded once, by us, in the form that was asked for.
        "output_format": "png",
        "acceleration": "none",
        # A URL in place of megabytes of base64 in JSON; it also stays for a while, so that a hit costs no storage.
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
        raise ValueError("an image is transformed from another")
    data = pybase64.b64encode(source.data).decode()
    return {
        "image_url": f"data:{source.content_type};base64,{data}",
        # Nothing would be drawn at 0, which fal refuses.
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
"""The model of each way of asking."""
