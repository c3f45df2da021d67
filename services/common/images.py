"""Decode untrusted images within limits, as shown: upright and in sRGB. Run all of this in a worker process."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, PngImagePlugin

from services.common.errors import MediaError, Reason
from services.common.image_colors import convert_to_srgb, flatten_mode
from services.common.image_metadata import (
    MAX_PROFILE_BYTES,
    PNG_SIGNATURE,
    find_orientation,
    hide_bmff_exif,
    hide_jpeg_list,
    strip_png,
)

MAX_PIXELS = 20_000_000
"""Most pixels of any image, generated, fetched or uploaded."""
MAX_ASPECT = 100
"""Largest ratio of the longer side to the shorter one."""
CONTENT_TYPES: Mapping[str, str] = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
}
"""Media types by Pillow's names of the accepted formats; all others are refused, whatever the file name says."""
ACCEPTED = "PNG, JPEG, WebP or AVIF"
"""The accepted formats, for error messages."""
_JPEG_BEGIN = b"\xff\xd8"
_BMFF_TYPE = b"ftyp"
_TURNS: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = range(5, 9)
# Off, because `_check_size` compares with the limit before decoding and raises a clearer error.
Image.MAX_IMAGE_PIXELS = None
# `strip_png` has checked the size of what is decompressed.
PngImagePlugin.MAX_TEXT_CHUNK = MAX_PROFILE_BYTES


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
    """Size as shown, after a rotation by its orientation."""


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """The pixels of an image as shown, in a new image that holds nothing else of the file."""

    image: Image.Image
    """RGB, or RGBA if the file has transparency; upright and in sRGB."""
    info: ImageInfo
    """Type and size of the file."""


def inspect(data: bytes) -> ImageInfo:
    """Decode `data` completely and return its type and size.

    Raises:
        MediaError: MEDIA_INVALID; the image is incomplete, of another format, or too large.
    """
    with _refuse_undecodable():
        image = _open(data)
        image.load()
        return _describe(image)


def decode_image(data: bytes) -> DecodedImage:
    """Return the first frame of the image in `data`, as shown.

    Every call of a library on the bytes of a caller is in here and in `inspect`: the result is an image of our own.

    Raises:
        MediaError: MEDIA_INVALID; the image is incomplete, of another format, or too large.
    """
    with _refuse_undecodable():
        image = _open(data)
        image.load()
        shown = convert_to_srgb(flatten_mode(image), image.info.get("icc_profile"))
        turn = _TURNS.get(_find_orientation(image))
        if turn is not None:
            shown = shown.transpose(turn)
        # Copy the pixels to a new image, which leaves the metadata behind.
        bare = Image.new(shown.mode, shown.size)
        bare.paste(shown)
        return DecodedImage(bare, _describe(image))


@contextmanager
def _refuse_undecodable() -> Iterator[None]:
    """Raise MEDIA_INVALID for whatever a decoder raises, and silence its warnings."""
    with warnings.catch_warnings():
        # Broken metadata does not matter: all metadata is dropped.
        warnings.simplefilter("ignore")
        try:
            yield
        except (MediaError, MemoryError):
            raise
        # Decoders raise exceptions of many types for a broken file.
        except Exception:  # noqa: BLE001 - see above
            raise _build_invalid_image_error(f"must be a whole {ACCEPTED} file") from None


def _open(data: bytes) -> Image.Image:
    """Return the image with its size checked, not yet decoded."""
    image = Image.open(BytesIO(_drop_metadata(data)), formats=tuple(CONTENT_TYPES))
    _check_size(Size(*image.size))
    return image


def _drop_metadata(data: bytes) -> bytes:
    """Return the file without the metadata that Pillow would read while it opens it, and that decides nothing."""
    if data.startswith(PNG_SIGNATURE):
        stripped = strip_png(data)
        if stripped is None:
            raise _build_invalid_image_error("was cut: its end is missing")
        return stripped
    if data.startswith(_JPEG_BEGIN):
        return hide_jpeg_list(data)
    return hide_bmff_exif(data) if data[4:8] == _BMFF_TYPE else data


def _describe(image: Image.Image) -> ImageInfo:
    width, height = image.size
    size = Size(height, width) if _find_orientation(image) in _SIDEWAYS else Size(width, height)
    return ImageInfo(CONTENT_TYPES[str(image.format)], size)


def _find_orientation(image: Image.Image) -> int:
    exif = image.info.get("exif")
    if exif is None and (raw := image.info.get("Raw profile type exif", image.info.get("Raw profile type APP1"))):
        exif = _decode_raw_profile(str(raw))
    return find_orientation(exif, image.info.get("xmp", image.info.get("XML:com.adobe.xmp")))


def _decode_raw_profile(raw: str) -> bytes | None:
    """Return the EXIF metadata that a PNG holds as a text: a name, a length, then hexadecimal digits."""
    try:
        return bytes.fromhex("".join(raw.split("\n")[3:]))
    except ValueError:
        return None


def _check_size(size: Size) -> None:
    if size.pixels > MAX_PIXELS:
        raise _build_invalid_image_error(f"must have at most {MAX_PIXELS:,} pixels, has {size.width} x {size.height}")
    if max(size.width, size.height) > MAX_ASPECT * min(size.width, size.height):
        raise _build_invalid_image_error(
            f"must be at most {MAX_ASPECT} times as long as it is wide, has {size.width} x {size.height}"
        )


def _build_invalid_image_error(what: str) -> MediaError:
    return MediaError(Reason.MEDIA_INVALID, f"The image {what}.")
