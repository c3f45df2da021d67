"""Build requests to Gemini: aspect ratio and resolution from the table of models (ai.google.dev model pages)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pybase64

from services.common.images import Size
from services.common.providers.models import load_models
from services.image.providers.interface import ImageSpec, Mode

_SEED_RANGE = 2**31
_CATEGORIES = (
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
)
# Approximate longer side in pixels of each resolution.
_RESOLUTIONS = (("1K", 1376), ("2K", 2752), ("4K", 5504))

MODELS = load_models(Path(__file__).parent)
"""Known models, by id."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """The shapes that a model supports."""

    ratios: tuple[str, ...] = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
    """Aspect ratios as width:height; the default is what all Gemini models take."""
    resolutions: tuple[str, ...] = ()
    """Resolutions; empty if the model takes no resolution."""


def get_shapes(model_id: str) -> Shapes:
    """Return the shapes of a model; of an unknown one, those of all models."""
    found = MODELS.get(model_id)
    return Shapes(tuple(found.traits["ratios"]), tuple(found.traits["resolutions"])) if found else Shapes()


def build_body(spec: ImageSpec, model_id: str) -> dict[str, Any]:
    """Return the JSON body of generateContent."""
    shapes = get_shapes(model_id)
    parts: list[dict[str, Any]] = [{"text": spec.prompt}]
    if spec.source is not None:
        data = pybase64.b64encode(spec.source.data).decode()
        parts.append({"inlineData": {"data": data, "mime_type": spec.source.content_type}})
    generation: dict[str, Any] = {"responseModalities": ["IMAGE"], "imageConfig": _build_image_config(spec, shapes)}
    if spec.seed is not None:
        generation["seed"] = fold_seed(spec.seed)
    body: dict[str, Any] = {"contents": [{"parts": parts, "role": "user"}], "generationConfig": generation}
    if not spec.safety_checker:
        body["safetySettings"] = [{"category": name, "threshold": "BLOCK_ONLY_HIGH"} for name in _CATEGORIES]
    return body


def describe_shape(spec: ImageSpec, model_id: str) -> str:
    """Return the aspect ratio, and the resolution if the model has several."""
    return " ".join(_build_image_config(spec, get_shapes(model_id)).values())


def _build_image_config(spec: ImageSpec, shapes: Shapes) -> dict[str, str]:
    config = {"aspectRatio": _find_nearest_ratio(spec.size, shapes.ratios)}
    if shapes.resolutions:
        config["imageSize"] = "1K" if spec.mode is Mode.FAST else _choose_resolution(spec.size, shapes.resolutions)
    return config


def fold_seed(seed: int) -> int:
    """Return `seed` reduced to the 31 bits that the API takes; smaller seeds are unchanged."""
    return seed % _SEED_RANGE


def _find_nearest_ratio(size: Size, ratios: tuple[str, ...]) -> str:
    wanted = math.log(size.width / size.height)

    def distance(ratio: str) -> float:
        width, height = map(int, ratio.split(":"))
        return abs(math.log(width / height) - wanted)

    return min(ratios, key=distance)


def _choose_resolution(size: Size, offered: tuple[str, ...]) -> str:
    """Return the lowest resolution that covers `size`, or else the highest resolution."""
    longest = max(size.width, size.height)
    enough = [name for name, pixels in _RESOLUTIONS if name in offered and pixels >= longest]
    return enough[0] if enough else offered[-1]
