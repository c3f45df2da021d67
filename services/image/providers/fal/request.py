"""Build requests to fal's FLUX models: exactly the fields that each model documents (fal.ai model pages)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pybase64

from services.common.providers.models import ModelInfo, load_models
from services.image.providers.interface import ImageSpec, Mode, Model

PRESETS = frozenset({"square_hd", "square", "portrait_4_3", "portrait_16_9", "landscape_4_3", "landscape_16_9"})
"""Presets that fal accepts by name."""
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


_FIELDS: Mapping[Mode, Callable[[ImageSpec], dict[str, Any]]] = {
    Mode.STANDARD: _build_size_fields,
    Mode.FAST: _build_size_fields,
    Mode.TRANSFORM: _build_source_fields,
}


def _build_model(info: ModelInfo) -> FalModel:
    mode = Mode(info.traits["mode"])
    model = Model(
        info.traits["name"],
        info.traits["max_side_pixels"],
        default_steps=info.traits["default_steps"],
        steps_by_quality=info.traits["steps"],
        takes_guidance=True,
        takes_safety_checker=True,
        takes_strength=mode is Mode.TRANSFORM,
    )
    return FalModel(info.model_id, model, _FIELDS[mode])


MODEL_TABLE = load_models(Path(__file__).parent)
"""The models by id, as the data file has them."""
MODELS: Mapping[Mode, FalModel] = {Mode(info.traits["mode"]): _build_model(info) for info in MODEL_TABLE.values()}
"""The model of each mode."""
