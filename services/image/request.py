"""What a caller wants of an image, before anything of it has been decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from services.common.images import Size
from services.image.prompt import PromptRequest
from services.image.providers.interface import Mode
from services.image.rendition import Fit

Quality = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class VariantRequest:
    """A smaller copy."""

    name: str
    """What it is called."""
    width: int = 0
    """In pixels; 0 for that of the preset of its name."""
    height: int = 0
    """In pixels; 0 for that of the preset of its name."""


@dataclass(frozen=True, slots=True)
class OutputRequest:
    """In which form an image is delivered and where it is kept."""

    format: str = ""
    """png, jpeg, webp or avif; empty for the default."""
    encoder_quality: int | None = None
    """1 to 100; None: by quality."""
    compression_level: int | None = None
    """0 to 9; None: by quality."""
    fit: Fit = "cover"
    """How it is brought to its size."""
    variants: tuple[VariantRequest, ...] = ()
    """Smaller copies."""
    object_key: str = ""
    """Key of the caller's own choice; empty for one of ours."""
    overwrite: bool = False
    """Whether an object of `object_key` may be replaced."""
    content_addressed: bool = False
    """Whether the key is made from the bytes."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What is kept beside the image."""


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """An image to be made; empty and None leave things open."""

    mode: Mode
    """Which way of asking."""
    prompt: PromptRequest
    """The prompt and what is added to it."""
    use_brand: bool = False
    """Whether the configured brand is applied where the prompt names none of its own."""
    negative_prompt: str = ""
    """What should not be there."""
    image_size: str = ""
    """Name of a preset, or custom."""
    custom_size: Size | None = None
    """Size where `image_size` is custom."""
    steps: int | None = None
    """Steps of the model."""
    seed: int | None = None
    """For repeatable images."""
    guidance_scale: float | None = None
    """How closely the prompt is followed."""
    safety_checker: bool | None = None
    """Whether the content filter is on."""
    strength: float | None = None
    """How much is changed of a given image."""
    use_cache: bool = True
    """Whether the image may be shared."""
    provider: str = ""
    """Who draws."""
    quality: Quality | None = None
    """How fine it is, where steps and encoder are left open."""
    output: OutputRequest = OutputRequest()
    """Form and place."""
