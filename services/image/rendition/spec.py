"""Types of the rendition: what to make of an image, and the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from services.common.images import Size

Fit = Literal["cover", "contain", "stretch"]
"""How to fit an image of another shape: crop it evenly, pad it with its mean colour, or stretch it."""
Fitted = Literal["none", "resized", "cropped", "padded", "stretched"]
"""How an image was fitted to its size."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """File format and the encoder's settings."""

    format: str
    """png, jpeg, webp or avif."""
    grade: str = "medium"
    """low, medium or high: decides the unset settings below."""
    quality: int | None = None
    """Quality of jpeg, webp and avif, 1 (smallest) to 100 (best); None: by grade."""
    compression_level: int | None = None
    """Compression level of png, 0 to 9; None: by grade."""

    @property
    def content_type(self) -> str:
        """Media type of the format."""
        return f"image/{self.format}"


@dataclass(frozen=True, slots=True)
class VariantSpec:
    """A smaller copy."""

    name: str
    size: Size


@dataclass(frozen=True, slots=True)
class RenditionSpec:
    """What to make of an image."""

    size: Size | None
    """Exact size; None keeps the size of the source."""
    encoding: Encoding
    """Encoding of the image and its variants."""
    fit: Fit = "cover"
    """How to fit an image of another shape."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """ASCII texts to write into the file; it holds no other metadata."""
    variants: tuple[VariantSpec, ...] = ()
    """Smaller copies, fitted in the same way."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """An encoded image."""

    data: bytes
    size: Size
    content_type: str


@dataclass(frozen=True, slots=True)
class Rendition:
    """An image in its requested form, with its variants."""

    main: Rendered
    variants: tuple[tuple[str, Rendered], ...]
    """Variants by name, in the order of the spec."""
    preview: str
    """A tiny copy as a data URI of at most 1,000 characters."""
    source_size: Size
    """Upright size of the source."""
    fitted: Fitted
    """How the image was fitted to its size."""
