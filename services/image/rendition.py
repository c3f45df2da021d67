"""Decode, fit and encode images, without their metadata. All of this runs in the worker pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Literal

import pybase64
from PIL import ExifTags, Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from services.common.images import Size, decode_image

Fit = Literal["cover", "contain", "stretch"]
"""How to fit an image of another shape: crop it evenly, pad it with its mean colour, or stretch it."""
Fitted = Literal["none", "resized", "cropped", "padded", "stretched"]
"""How an image was fitted to its size."""
MAX_PREVIEW_CHARACTERS = 1000
_PREVIEW_SIDES = (24, 16, 8)
_FILTER = Image.Resampling.LANCZOS
# Aspect ratios that differ by less than this are equal, except for rounding to whole pixels.
_SAME_SHAPE = 0.01
# `python -m bench.image` measures the time and the bytes of each.
SETTINGS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "png": {
        "low": {"compress_level": 1},
        "medium": {"compress_level": 6},
        "high": {"compress_level": 9},
    },
    "jpeg": {
        "low": {"quality": 70, "progressive": True},
        "medium": {"quality": 85, "progressive": True},
        "high": {"quality": 92, "progressive": True, "subsampling": 0},
    },
    "webp": {
        "low": {"quality": 65, "method": 2},
        "medium": {"quality": 80, "method": 4},
        "high": {"quality": 92, "method": 4},
    },
    "avif": {
        "low": {"quality": 45, "speed": 9},
        "medium": {"quality": 60, "speed": 8},
        "high": {"quality": 78, "speed": 6},
    },
}
"""Pillow's settings by format and grade."""
_LARGE_PIXELS = 8_000_000
# Encoding 20 million pixels with more effort takes 8 to 11 seconds of CPU, and the worker's time is limited.
_LARGE_SETTINGS: Mapping[str, Mapping[str, Any]] = {"webp": {"method": 0}, "avif": {"speed": 9}}
_WITHOUT_TRANSPARENCY = frozenset({"jpeg"})


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
    """Exact size; None keeps the size of the source, up to MAX_PIXELS."""
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
    """Upright size of the file; a file of more than MAX_PIXELS is reduced first."""
    fitted: Fitted
    """How the image was fitted to its size."""


# No visible loss for a provider, and a fifth of the bytes of a PNG.
_PHOTOGRAPH = Encoding("jpeg", quality=92)
_WITH_TRANSPARENCY = Encoding("png", "low")


@dataclass(frozen=True, slots=True)
class NormalizedSource:
    """A source image in the form that is sent to providers."""

    data: bytes
    """The file."""
    content_type: str
    """image/png if any pixel is transparent, else image/jpeg."""
    size: Size
    """Upright size of the caller's image; the sides of `data` may be shorter."""


def render(data: bytes, spec: RenditionSpec) -> Rendition:
    """Return the image in `data` in the size and format of `spec`.

    Raises:
        MediaError: MEDIA_INVALID, `data` is not a complete image of a supported format, or is too large.
    """
    decoded = decode_image(data)
    image, own = decoded.image, Size(*decoded.image.size)
    shown, fitted = _fit_to_size(image, spec.size or own, spec.fit)
    if fitted == "none" and own != decoded.info.size:
        fitted = "resized"
    # From the whole image, not from the main rendition, which may be cropped to another shape.
    variants = tuple(
        (variant.name, _encode_image(_fit_to_size(image, variant.size, spec.fit)[0], spec.encoding, spec.notes))
        for variant in spec.variants
    )
    main = _encode_image(shown, spec.encoding, spec.notes)
    return Rendition(main, variants, _make_preview(shown), decoded.info.size, fitted)


def normalize_source(data: bytes, longest_side: int) -> NormalizedSource:
    """Return the image in `data` upright, without metadata, in a size for providers.

    Args:
        data: The file.
        longest_side: Most pixels of a side.

    Raises:
        MediaError: MEDIA_INVALID, `data` is not a complete image of a supported format, or is too large.
    """
    decoded = decode_image(data, longest_side)
    image = decoded.image
    file = _encode_image(image, _WITH_TRANSPARENCY if image.mode == "RGBA" else _PHOTOGRAPH, {})
    return NormalizedSource(file.data, file.content_type, decoded.info.size)


def _fit_to_size(image: Image.Image, size: Size, fit: Fit) -> tuple[Image.Image, Fitted]:
    """Return `image` in exactly `size`, and how it was fitted.

    Args:
        image: RGB or RGBA.
        size: The exact size.
        fit: How to fit an image of another shape.
    """
    own, wanted = image.size, (size.width, size.height)
    if own == wanted:
        return image, "none"
    if _has_same_shape(own, wanted):
        return image.resize(wanted, _FILTER, reducing_gap=2.0), "resized"
    match fit:
        case "cover":
            return ImageOps.fit(image, wanted, _FILTER), "cropped"
        case "stretch":
            return image.resize(wanted, _FILTER, reducing_gap=2.0), "stretched"
        case "contain":
            return _pad(image, wanted), "padded"


def _has_same_shape(own: tuple[int, int], wanted: tuple[int, int]) -> bool:
    ratio = (own[0] * wanted[1]) / (own[1] * wanted[0])
    return abs(ratio - 1) < _SAME_SHAPE


def _pad(image: Image.Image, wanted: tuple[int, int]) -> Image.Image:
    scale = min(wanted[0] / image.width, wanted[1] / image.height)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    shown = image.resize(inner, _FILTER, reducing_gap=2.0)
    # The mean colour of all pixels as background.
    mean = image.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    color = mean if isinstance(mean, tuple) else (0, 0, 0)
    padded = Image.new("RGB", wanted, color)
    corner = ((wanted[0] - inner[0]) // 2, (wanted[1] - inner[1]) // 2)
    padded.paste(shown, corner, shown if shown.mode == "RGBA" else None)
    return padded


def _make_preview(image: Image.Image) -> str:
    """Return a tiny copy of `image` as a data URI of at most MAX_PREVIEW_CHARACTERS."""
    for side in _PREVIEW_SIDES:
        size = Size(*image.size).within(side)
        small = image.resize((size.width, size.height), Image.Resampling.BOX)
        file = BytesIO()
        small.save(file, "WEBP", quality=40, method=4)
        uri = f"data:image/webp;base64,{pybase64.b64encode(file.getvalue()).decode()}"
        if len(uri) <= MAX_PREVIEW_CHARACTERS:
            break
    return uri


def _encode_image(image: Image.Image, encoding: Encoding, notes: Mapping[str, str]) -> Rendered:
    """Return `image` as a file that holds only the pixels and `notes`.

    Args:
        image: RGB or RGBA.
        encoding: Format and settings.
        notes: ASCII texts by name, written as tEXt chunks of a PNG, or as the EXIF description of other formats.
    """
    if image.mode == "RGBA" and encoding.format in _WITHOUT_TRANSPARENCY:
        image = _flatten_on_white(image)
    file, size = BytesIO(), Size(*image.size)
    image.save(
        file, encoding.format.upper(), **_choose_settings(encoding, size), **_encode_notes(encoding.format, notes)
    )
    return Rendered(file.getvalue(), size, encoding.content_type)


def _choose_settings(encoding: Encoding, size: Size) -> dict[str, Any]:
    settings = dict(SETTINGS[encoding.format][encoding.grade])
    if size.pixels > _LARGE_PIXELS:
        settings |= _LARGE_SETTINGS.get(encoding.format, {})
    if encoding.quality is not None:
        settings["quality"] = encoding.quality
    if encoding.compression_level is not None:
        settings["compress_level"] = encoding.compression_level
    return settings


def _encode_notes(format_name: str, notes: Mapping[str, str]) -> dict[str, Any]:
    if not notes:
        return {}
    if format_name == "png":
        texts = PngInfo()
        for name, text in notes.items():
            texts.add_text(name, text)
        return {"pnginfo": texts}
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "; ".join(f"{name}: {text}" for name, text in notes.items())
    return {"exif": exif.tobytes()}


def _flatten_on_white(image: Image.Image) -> Image.Image:
    background = Image.new("RGB", image.size, "white")
    background.paste(image, mask=image.getchannel("A"))
    return background
