"""Decode an image and bring it into its exact size and format: for the caller, or for a provider."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import pybase64
from PIL import Image, ImageOps

from services.common.images import Size, open_image, upright
from services.image.rendition import Encoding, Fit, Fitted, Rendition, RenditionSpec, encode_image

MAX_PREVIEW_CHARACTERS = 1000
_PREVIEW_SIDES = (24, 16, 8)
_FILTER = Image.Resampling.LANCZOS
# Aspect ratios that differ by less than this are equal, except for rounding to whole pixels.
_SAME_SHAPE = 0.01
# No visible loss for a provider, and a fifth of the bytes of a PNG.
_PHOTOGRAPH = Encoding("jpeg", quality=92)
_WITH_TRANSPARENCY = Encoding("png", "low")


@dataclass(frozen=True, slots=True)
class Normalized:
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
    with open_image(data) as source:
        image = upright(source)
    own = Size(*image.size)
    shown, fitted = _fit_to_size(image, spec.size or own, spec.fit)
    # From the whole image, not from the main rendition, which may be cropped to another shape.
    variants = tuple(
        (variant.name, encode_image(_fit_to_size(image, variant.size, spec.fit)[0], spec.encoding, spec.notes))
        for variant in spec.variants
    )
    return Rendition(encode_image(shown, spec.encoding, spec.notes), variants, _make_preview(shown), own, fitted)


def normalize(data: bytes, longest_side: int) -> Normalized:
    """Return the image in `data` upright, without metadata, in a size for providers.

    Args:
        data: The file.
        longest_side: Most pixels of a side.

    Raises:
        MediaError: MEDIA_INVALID, `data` is not a complete image of a supported format, or is too large.
    """
    with open_image(data) as source:
        image = upright(source)
    own = Size(*image.size)
    within = own.within(longest_side)
    if within != own:
        image = image.resize((within.width, within.height), _FILTER, reducing_gap=2.0)
    file = encode_image(image, _WITH_TRANSPARENCY if image.mode == "RGBA" else _PHOTOGRAPH, {})
    return Normalized(file.data, file.content_type, own)


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
        small = image.copy()
        small.thumbnail((side, side), Image.Resampling.BOX)
        file = BytesIO()
        small.save(file, "WEBP", quality=40, method=4)
        uri = f"data:image/webp;base64,{pybase64.b64encode(file.getvalue()).decode()}"
        if len(uri) <= MAX_PREVIEW_CHARACTERS:
            break
    return uri
