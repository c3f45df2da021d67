"""The words for what is made of an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from services.common.images import Size

Fit = Literal["cover", "contain", "stretch"]
"""How an image of another shape is brought to a size: cut off evenly, shown whole on a ground, or pulled."""
Fitted = Literal["none", "resized", "cropped", "padded", "stretched"]
"""What was done to reach a size."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """File format and the encoder's settings."""

    format: str
    """png, jpeg, webp or avif."""
    grade: str = "medium"
    """low, medium or high: decides the settings that are left open."""
    quality: int | None = None
    """1 (smallest) to 100 (finest), of jpeg, webp and avif; None: by grade."""
    compression_level: int | None = None
    """0 to 9, of png; None: by grade."""

    @property
    def content_type(self) -> str:
        """The media type."""
        return f"image/{self.format}"


@dataclass(frozen=True, slots=True)
class VariantSpec:
    """A smaller copy."""

    name: str
    size: Size


@dataclass(frozen=True, slots=True)
class RenditionSpec:
    """What is made of an image."""

    size: Size | None
    """Exact size; None keeps the image's own."""
    encoding: Encoding
    """How it and its copies are encoded."""
    fit: Fit = "cover"
    """How it is brought to its size."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What is written into the file as text, in ASCII; nothing else is."""
    variants: tuple[VariantSpec, ...] = ()
    """Copies, made by the same fit."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """An encoded image."""

    data: bytes
    size: Size
    content_type: str


@dataclass(frozen=True, slots=True)
class Rendition:
    """An image in form, with its copies."""

    main: Rendered
    variants: tuple[tuple[str, Rendered], ...]
    """Copies by name, in the order asked for."""
    preview: str
    """A tiny copy as a data URI of at most 1,000 letters."""
    source_size: Size
    """Size of the image that it was made of, upright."""
    fitted: Fitted
    """What was done to reach the size."""
