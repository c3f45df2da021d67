"""Identify and decode images; format and size are checked before anything is decoded."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from services.common.errors import MediaError, Reason
from services.common.images.size import MAX_PIXELS, Size

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF")
"""Accepted formats; all others are refused, whatever the file name says."""
MAX_ASPECT = 100
"""Largest ratio of the longer side to the shorter one."""

_END_OF_PNG = b"IEND\xaeB`\x82"

# Off, because `_check_size` compares with MAX_PIXELS before decoding and raises a clearer error.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """Type and size of an image that was decoded completely."""

    content_type: str
    """image/png, image/jpeg, image/webp or image/avif."""
    size: Size
    """Size as stored, before a rotation by EXIF."""


def inspect(data: bytes) -> ImageInfo:
    """Decode `data` completely and return its type and size.

    Raises:
        MediaError: MEDIA_INVALID; the image is incomplete, of another format, or too large.
    """
    with open_image(data) as image:
        return ImageInfo(f"image/{str(image.format).lower()}", Size(*image.size))


@contextmanager
def open_image(data: bytes) -> Iterator[Image.Image]:
    """Yield the first frame of the image in `data`, decoded.

    Raises:
        MediaError: MEDIA_INVALID; the image is incomplete, of another format, or too large.
    """
    with _decode(data) as image:
        yield image


def _decode(data: bytes) -> Image.Image:
    with warnings.catch_warnings():
        # Broken metadata does not matter: all metadata is dropped.
        warnings.simplefilter("ignore")
        try:
            image = Image.open(BytesIO(data), formats=FORMATS)
            _check_size(Size(*image.size))
            image.load()
        except MediaError:
            raise
        # Decoders raise exceptions of many types for a broken file.
        except Exception:  # noqa: BLE001 - see above
            raise _invalid_image("must be a whole PNG, JPEG, WebP or AVIF file") from None
    if image.format == "PNG" and _END_OF_PNG not in data:
        raise _invalid_image("was cut: its end is missing")
    return image


def _check_size(size: Size) -> None:
    if size.pixels > MAX_PIXELS:
        raise _invalid_image(f"must have at most {MAX_PIXELS:,} pixels, has {size.width} x {size.height}")
    if max(size.width, size.height) > MAX_ASPECT * min(size.width, size.height):
        raise _invalid_image(
            f"must be at most {MAX_ASPECT} times as long as it is wide, has {size.width} x {size.height}"
        )


def _invalid_image(what: str) -> MediaError:
    return MediaError(Reason.MEDIA_INVALID, f"The image {what}.")
