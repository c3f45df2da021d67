"""Inspect, decode and normalize untrusted images within limits. Run all of this in a worker process."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO

import numpy
from PIL import Image, ImageCms, ImageOps

from services.common.errors import MediaError, Reason

MAX_PIXELS = 20_000_000
"""Most pixels of any image, generated, fetched or uploaded."""
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF")
"""Accepted formats; all others are refused, whatever the file name says."""
MAX_ASPECT = 100
"""Largest ratio of the longer side to the shorter one."""
_END_OF_PNG = b"IEND\xaeB`\x82"
# Off, because `_check_size` compares with MAX_PIXELS before decoding and raises a clearer error.
Image.MAX_IMAGE_PIXELS = None
_SRGB = ImageCms.createProfile("sRGB")
_DEEP = ("I", "I;16", "I;16B", "I;16L")
_DEEP_STEP = 257


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels, both greater than 0."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    def within(self, longest_side: int) -> Size:
        """Return this size, or the largest with the same proportions and sides of at most `longest_side`."""
        longest = max(self.width, self.height)
        if longest <= longest_side:
            return self
        return Size(max(1, self.width * longest_side // longest), max(1, self.height * longest_side // longest))


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


def normalize_image(image: Image.Image) -> Image.Image:
    """Return `image` upright and in sRGB, without its metadata."""
    turned = ImageOps.exif_transpose(image)
    mode = "RGBA" if turned.has_transparency_data else "RGB"
    colored = _convert_to_srgb(turned, mode) or _convert(turned, mode)
    # Copy the pixels to a new image, which leaves the metadata behind.
    bare = Image.new(mode, colored.size)
    bare.paste(colored)
    return bare


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
            raise _build_invalid_image_error("must be a whole PNG, JPEG, WebP or AVIF file") from None
    if image.format == "PNG" and _END_OF_PNG not in data:
        raise _build_invalid_image_error("was cut: its end is missing")
    return image


def _check_size(size: Size) -> None:
    if size.pixels > MAX_PIXELS:
        raise _build_invalid_image_error(f"must have at most {MAX_PIXELS:,} pixels, has {size.width} x {size.height}")
    if max(size.width, size.height) > MAX_ASPECT * min(size.width, size.height):
        raise _build_invalid_image_error(
            f"must be at most {MAX_ASPECT} times as long as it is wide, has {size.width} x {size.height}"
        )


def _build_invalid_image_error(what: str) -> MediaError:
    return MediaError(Reason.MEDIA_INVALID, f"The image {what}.")


def _convert_to_srgb(image: Image.Image, mode: str) -> Image.Image | None:
    """Return `image` converted to sRGB by its embedded profile; None without a usable profile."""
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return None
    if image.mode in ("RGB", "L") and mode == "RGBA":
        # One colour stands for transparency; the conversion of the profile would lose it.
        image = image.convert("RGBA")
    with suppress(ImageCms.PyCMSError, OSError):
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if image.mode == "RGBA":
            alpha = image.getchannel("A")
            plain = ImageCms.profileToProfile(image.convert("RGB"), source, _SRGB, outputMode="RGB")
            if plain is not None:
                plain.putalpha(alpha)
            return plain
        found = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
        return None if found is None else found.convert(mode)
    return None


def _convert(image: Image.Image, mode: str) -> Image.Image:
    if image.mode in _DEEP:
        # Pillow would clip all values above 255.
        image = Image.fromarray((numpy.asarray(image) // _DEEP_STEP).astype(numpy.uint8))
    return image.convert(mode)
