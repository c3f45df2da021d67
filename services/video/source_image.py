"""Prepares source images for providers: upright, in the right size, as plain pixels. Runs in a worker process."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont, ImageOps

from services.common.errors import invalid
from services.common.images import Size, decode_image

MIN_SIDE_PIXELS = 64
"""Smallest side of a source image."""
_MAX_LONG_SIDE = 1920
_LABEL = "made by the embedded engine"
_JPEG_QUALITIES = (90, 80, 65, 50)


@dataclass(frozen=True, slots=True)
class SourceImage:
    """A source image, decoded and encoded again."""

    data: bytes
    """A JPEG without metadata, upright, with white in place of transparency."""
    size: Size
    """Size of the original image; the JPEG may be smaller."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The images from which the embedded engine makes a video."""

    image: bytes
    """The source image as a PNG, in the size of the video."""
    label: bytes
    """A PNG with the name of the engine, drawn over the video."""
    size: Size
    """Size of the video; both sides are even."""


def prepare_source_image(data: bytes, field: str, max_bytes: int) -> SourceImage:
    """Return the image in `data` for a provider.

    Args:
        data: Content of the file.
        field: Name of the request field that holds it.
        max_bytes: Largest file that the provider accepts; quality and size are reduced until the JPEG fits.

    Raises:
        MediaError: MEDIA_INVALID, not a complete image of a supported type, or too large; VALIDATION_ERROR, too small.
    """
    decoded = decode_image(data)
    size = decoded.info.size
    if min(size.width, size.height) < MIN_SIDE_PIXELS:
        raise invalid(field, f"must have at least {MIN_SIDE_PIXELS} pixels a side, has {size.width} x {size.height}")
    image = _put_on_white(decoded.image)
    while max(image.size) > 1:
        for quality in _JPEG_QUALITIES:
            file = io.BytesIO()
            image.save(file, "JPEG", quality=quality)
            if file.tell() <= max_bytes:
                return SourceImage(file.getvalue(), size)
        image = image.resize((max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.LANCZOS)
    raise invalid(field, f"must fit into {max_bytes} bytes")


def build_scene(data: bytes, short_side: int) -> Scene:
    """Return the images for a video of `data`.

    Args:
        data: A JPEG from `prepare_source_image`.
        short_side: Shorter side of the video, in pixels.
    """
    image = _put_on_white(decode_image(data).image)
    size = compute_video_size(Size(*image.size), short_side)
    # A very long image is cropped to its middle.
    image = ImageOps.fit(image, (size.width, size.height), Image.Resampling.LANCZOS)
    return Scene(_encode_png(image), _encode_png(_draw_label(size)), size)


def compute_video_size(size: Size, short_side: int) -> Size:
    """Return the size of a video with the aspect ratio of an image; both sides are even."""
    short = min(size.width, size.height)
    long = max(size.width, size.height)
    longest = min(_MAX_LONG_SIDE, round(long * short_side / short))
    width, height = (longest, short_side) if size.width >= size.height else (short_side, longest)
    return Size(width // 2 * 2, height // 2 * 2)


def _put_on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    background = Image.new("RGB", image.size, "white")
    background.paste(image, mask=image.getchannel("A"))
    return background


def _draw_label(size: Size) -> Image.Image:
    font = ImageFont.load_default(max(14, min(size.width, size.height) // 32))
    left, top, right, bottom = font.getbbox(_LABEL)
    pad = 6
    label = Image.new("RGBA", (int(right - left) + 2 * pad, int(bottom - top) + 2 * pad), (0, 0, 0, 120))
    ImageDraw.Draw(label).text((pad - left, pad - top), _LABEL, font=font, fill=(255, 255, 255, 230))
    return label


def _encode_png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()
