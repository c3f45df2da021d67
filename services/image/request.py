"""Image requests as the caller sent them, before defaults are applied (planning.py does that)."""

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
    """A smaller copy of the image."""

    name: str
    """Name of the variant."""
    width: int = 0
    """Width in pixels; 0 for the width of the preset with this name."""
    height: int = 0
    """Height in pixels; 0 for the height of the preset with this name."""


@dataclass(frozen=True, slots=True)
class OutputRequest:
    """The form in which an image is delivered, and the key under which it is stored."""

    format: str = ""
    """png, jpeg, webp or avif; empty for the default."""
    encoder_quality: int | None = None
    """1 to 100; None: by quality."""
    compression_level: int | None = None
    """0 to 9; None: by quality."""
    fit: Fit = "cover"
    """How an image of another shape is brought to the size."""
    variants: tuple[VariantRequest, ...] = ()
    """Smaller copies."""
    object_key: str = ""
    """Key that the caller chose; empty for a generated one."""
    overwrite: bool = False
    """Whether an existing object under `object_key` may be replaced."""
    content_addressed: bool = False
    """Whether the key is derived from the bytes."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The caller's metadata, stored with the image."""
    inline: bool = False
    """Whether the image is returned, and not stored."""


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A request for one image; an empty or None field leaves the choice to the service."""

    mode: Mode
    """Standard, fast or transform."""
    prompt: PromptRequest
    """The prompt and its additions."""
    use_brand: bool = False
    """Whether to apply the configured brand where the prompt has no brand of its own."""
    negative_prompt: str = ""
    """What the image should not show."""
    image_size: str = ""
    """Name of a preset, or custom."""
    custom_size: Size | None = None
    """Size where `image_size` is custom."""
    steps: int | None = None
    """Inference steps of the model."""
    seed: int | None = None
    """Seed of the model, for repeatable images."""
    guidance_scale: float | None = None
    """How closely the model follows the prompt."""
    safety_checker: bool | None = None
    """Whether the provider's content filter is on."""
    strength: float | None = None
    """How much of the source image to change, 0 to 1."""
    use_cache: bool = True
    """Whether the image may be shared with identical requests."""
    provider: str = ""
    """Name of the provider."""
    allow_fallback: bool = False
    """Whether another provider may take over for a named one."""
    quality: Quality | None = None
    """Decides steps and encoder settings that are not set."""
    output: OutputRequest = OutputRequest()
    """Form and key of the result."""
