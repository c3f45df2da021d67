"""Makes a given image ready to be moved: upright, in the video's size, with its label beside it. Runs in a worker."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont, ImageOps

from services.common.errors import invalid
from services.common.images import Size, open_image, upright

MIN_SIDE_PIXELS = 64
"""Smallest image that a video is made of."""
_MAX_LONG_SIDE = 1920
_LABEL = "made by the embedded engine"
_JPEG_QUALITIES = (90, 80, 65, 50)


@dataclass(frozen=True, slots=True)
class SourceImage:
    """An image that was looked into."""

    data: bytes
    """A JPEG of it without anything beside the pixels, upright, on white where it was transparent."""
    size: Size
    """Size of the image that was given; the JPEG's sides may be shorter."""


@dataclass(frozen=True, slots=True)
class Scene:
    """An image that is ready to be moved."""

    image: bytes
    """A PNG in the video's size."""
    label: bytes
    """A PNG that says who made the video."""
    size: Size
    """The video's size; both sides are even."""


def inspect_source(data: bytes, field: str, max_bytes: int) -> SourceImage:
    """Return the image in `data` for a provider.

    Args:
        data: The file.
        field: Name of the request field that holds it.
        max_bytes: Longest file that the provider takes; the image is made coarser and smaller until it fits.

    Raises:
        MediaError: MEDIA_INVALID, it is no whole image of a known kind, or too large; VALIDATION_ERROR, it is too
            small.
    """
    image = _plain(data, field)
    size = Size(*image.size)
    while max(image.size) > 1:
        for quality in _JPEG_QUALITIES:
            file = io.BytesIO()
            image.save(file, "JPEG", quality=quality)
            if file.tell() <= max_bytes:
                return SourceImage(file.getvalue(), size)
        image = image.resize((max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.LANCZOS)
    raise invalid(field, f"must fit into {max_bytes} bytes")


def scene(data: bytes, short_side: int) -> Scene:
    """Return the image in `data`, ready to be moved.

    Args:
        data: A file that `inspect_source` has taken.
        short_side: Pixels of the video's shorter side.
    """
    image = _plain(data, "image_url")
    size = video_size(Size(*image.size), short_side)
    # Of a very long image the middle is shown.
    image = ImageOps.fit(image, (size.width, size.height), Image.Resampling.LANCZOS)
    return Scene(_png(image), _png(_label(size)), size)


def video_size(size: Size, short_side: int) -> Size:
    """Return the size of a video of an image's shape, with both sides even."""
    short = min(size.width, size.height)
    long = max(size.width, size.height)
    longest = min(_MAX_LONG_SIDE, round(long * short_side / short))
    width, height = (longest, short_side) if size.width >= size.height else (short_side, longest)
    return Size(width // 2 * 2, height // 2 * 2)


def _plain(data: bytes, field: str) -> Image.Image:
    with open_image(data) as source:
        image = upright(source)
    if min(image.size) < MIN_SIDE_PIXELS:
        raise invalid(field, f"must have at least {MIN_SIDE_PIXELS} pixels a side, has {image.width} x {image.height}")
    if image.mode != "RGBA":
        return image
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _label(size: Size) -> Image.Image:
    font = ImageFont.load_default(max(14, min(size.width, size.height) // 32))
    left, top, right, bottom = font.getbbox(_LABEL)
    pad = 6
    label = Image.new("RGBA", (int(right - left) + 2 * pad, int(bottom - top) + 2 * pad), (0, 0, 0, 120))
    ImageDraw.Draw(label).text((pad - left, pad - top), _LABEL, font=font, fill=(255, 255, 255, 230))
    return label


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()
