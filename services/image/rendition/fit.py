"""Brings images to an exact size."""

from __future__ import annotations

from PIL import Image, ImageOps

from services.common.images import Size
from services.image.rendition.spec import Fit, Fitted

_FILTER = Image.Resampling.LANCZOS
# Shapes that differ by less than this are the same shape, rounded.
_SAME_SHAPE = 0.01


def fit_to_size(image: Image.Image, size: Size, fit: Fit) -> tuple[Image.Image, Fitted]:
    """Return `image` in exactly `size`, and what was done to it.

    Args:
        image: RGB or RGBA.
        size: The exact size.
        fit: What to do about another shape.
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
            return _contain(image, wanted), "padded"


def _has_same_shape(own: tuple[int, int], wanted: tuple[int, int]) -> bool:
    ratio = (own[0] * wanted[1]) / (own[1] * wanted[0])
    return abs(ratio - 1) < _SAME_SHAPE


def _contain(image: Image.Image, wanted: tuple[int, int]) -> Image.Image:
    scale = min(wanted[0] / image.width, wanted[1] / image.height)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    shown = image.resize(inner, _FILTER, reducing_gap=2.0)
    # The mean of all pixels: a ground that belongs to the image.
    ground = image.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    color = ground if isinstance(ground, tuple) else (0, 0, 0)
    whole = Image.new("RGB", wanted, color)
    corner = ((wanted[0] - inner[0]) // 2, (wanted[1] - inner[1]) // 2)
    whole.paste(shown, corner, shown if shown.mode == "RGBA" else None)
    return whole
