"""Decode untrusted images within limits, as shown: upright and in sRGB. Run all of this in a worker process."""

from __future__ import annotations

import math
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
    UPRIGHT,
    find_orientation,
    hide_bmff_exif,
    hide_jpeg_list,
    is_bmff_cut,
    strip_png,
)

MAX_PIXELS = 20_000_000
"""Most pixels of any image, generated or decoded; a larger file is reduced."""
MAX_FILE_PIXELS = 64_000_000
"""Most pixels of a file: cameras take photos of 24 to 61 million pixels.

Decoding takes at most 1.2 GB, which a transparent WebP needs; a JPEG of 48 million pixels takes 0.1 to 0.5 GB.
"""
MAX_JPEG_PIXELS = 200_000_000
"""Most pixels of a JPEG, which is decoded at a half of its size or less: phones take photos of up to 200 million."""
MAX_SIDE = 16_383
"""Most pixels of a side of a decoded image: WebP holds no more."""
MAX_ASPECT = 100
"""Largest ratio of the longer side to the shorter one."""
CONTENT_TYPES: Mapping[str, str] = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
}
"""Media types by Pillow's names of the accepted formats; all others are refused, whatever the file name says."""
ACCEPTED = "PNG, JPEG, WebP, AVIF or HEIC"
"""The accepted formats, for error messages."""
_BARE_FORMATS = ("PNG", "JPEG", "WEBP")
_JPEG_BEGIN = b"\xff\xd8"
_BMFF_TYPE = b"ftyp"
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_MAX_BRANDS_BYTES = 256
_FILTER = Image.Resampling.LANCZOS
# How much larger than its target an image must at least be before the filter reduces it, for the filter's quality.
_GAP = 1.5
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

    @property
    def longest(self) -> int:
        """The longer side."""
        return max(self.width, self.height)

    @property
    def turned(self) -> Size:
        """This size with width and height exchanged."""
        return Size(self.height, self.width)

    def within(self, longest_side: int) -> Size:
        """Return this size, or the largest with the same proportions and sides of at most `longest_side`."""
        if self.longest <= longest_side:
            return self
        return Size(
            max(1, self.width * longest_side // self.longest), max(1, self.height * longest_side // self.longest)
        )

    def within_pixels(self, most: int) -> Size:
        """Return this size, or the largest with the same proportions and at most `most` pixels."""
        if self.pixels <= most:
            return self
        longest = math.isqrt(most * self.longest // min(self.width, self.height))
        return self.within(longest)


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """Type and size of an image that was decoded completely."""

    content_type: str
    """image/png, image/jpeg, image/webp, image/avif or image/heic."""
    size: Size
    """Size as shown, after a rotation by its orientation."""


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """The pixels of an image as shown, in a new image that holds nothing else of the file."""

    image: Image.Image
    """RGB, or RGBA if the file has transparency; upright and in sRGB."""
    info: ImageInfo
    """Type and size of the file."""


def identify(data: bytes) -> ImageInfo:
    """Return the type and size of an image by its header.

    Raises:
        MediaError: MEDIA_INVALID; the image is of another format, or too large.
    """
    with _refuse_undecodable():
        return _describe(_open(data))


def inspect(data: bytes) -> ImageInfo:
    """Decode `data` completely and return its type and size.

    Raises:
        MediaError: MEDIA_INVALID; the image is incomplete, of another format, or too large.
    """
    with _refuse_undecodable():
        image = _open(data)
        info = _describe(image)
        _load(image, Size(*image.size).within_pixels(MAX_PIXELS))
        return info


def decode_image(data: bytes, longest_side: int | None = None) -> DecodedImage:
    """Return the first frame of the image in `data`, as shown, with at most MAX_PIXELS.

    Every call of a library on the bytes of a caller's image is in here, in `identify` and in `inspect`: the result is
    an image of our own.

    Args:
        data: The file.
        longest_side: Most pixels of a side; a larger image is reduced.

    Raises:
        MediaError: MEDIA_INVALID; the image is incomplete, of another format, or too large.
    """
    with _refuse_undecodable():
        image = _open(data)
        info = _describe(image)
        turn = _TURNS.get(_find_orientation(image))
        stored = Size(*image.size)
        reduced = stored.within_pixels(MAX_PIXELS).within(min(longest_side or MAX_SIDE, MAX_SIDE))
        profile = image.info.get("icc_profile")
        shown = convert_to_srgb(_reduce(image, reduced), profile)
        upright = shown if turn is None else shown.transpose(turn)
        # All that is left of the metadata: a conversion always returns a new image.
        upright.info.clear()
        return DecodedImage(upright, info)


def _reduce(image: Image.Image, size: Size) -> Image.Image:
    """Decode `image`, which is not yet loaded, and return it in `size`."""
    gap = _GAP if size.pixels * _GAP**2 < MAX_PIXELS else 1
    _load(image, Size(math.ceil(size.width * gap), math.ceil(size.height * gap)))
    pixels = flatten_mode(image)
    wanted = (size.width, size.height)
    return pixels if pixels.size == wanted else pixels.resize(wanted, _FILTER, reducing_gap=2.0)


def _load(image: Image.Image, smallest: Size) -> None:
    """Decode `image` completely, in its own size or, if the format allows it, one nearer to `smallest`."""
    # A JPEG is decoded at a half, a quarter or an eighth of its size, which takes a fraction of memory and time.
    image.draft(None, (smallest.width, smallest.height))
    image.load()


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
    formats = _BARE_FORMATS if data[4:8] != _BMFF_TYPE else _find_bmff_format(data)
    image = Image.open(BytesIO(_drop_metadata(data)), formats=formats)
    _check_size(Size(*image.size), MAX_JPEG_PIXELS if image.format == "JPEG" else MAX_FILE_PIXELS)
    return image


def _find_bmff_format(data: bytes) -> tuple[str, ...]:
    """Return the only format that a file of boxes can have, by the brands in its first box; load its decoder."""
    length = min(int.from_bytes(data[:4]), _MAX_BRANDS_BYTES)
    if _AVIF_BRANDS & {data[at : at + 4] for at in range(8, length, 4)}:
        return ("AVIF",)
    # Only a worker process that meets such a file loads the library.
    from pillow_heif import register_heif_opener  # noqa: PLC0415 - see above

    register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
    return ("HEIF",)


def _drop_metadata(data: bytes) -> bytes:
    """Return the file without the metadata that Pillow would read while it opens it, and that decides nothing."""
    if data.startswith(PNG_SIGNATURE):
        stripped = strip_png(data)
        if stripped is None:
            raise _build_cut_error()
        return stripped
    if data.startswith(_JPEG_BEGIN):
        return hide_jpeg_list(data)
    if data[4:8] != _BMFF_TYPE:
        return data
    if is_bmff_cut(data):
        raise _build_cut_error()
    return hide_bmff_exif(data)


def _describe(image: Image.Image) -> ImageInfo:
    size = Size(*image.size)
    is_turned = _find_orientation(image) in _SIDEWAYS
    return ImageInfo(CONTENT_TYPES[str(image.format)], size.turned if is_turned else size)


def _find_orientation(image: Image.Image) -> int:
    if image.format == "HEIF":
        # Its boxes decide alone, and the library has turned the pixels already.
        return UPRIGHT
    exif = image.info.get("exif")
    if image.format == "AVIF":
        # Its boxes decide alone; Pillow passes their orientation on as EXIF.
        return find_orientation(exif, None)
    if exif is None and (raw := image.info.get("Raw profile type exif", image.info.get("Raw profile type APP1"))):
        exif = _decode_raw_profile(str(raw))
    return find_orientation(exif, image.info.get("xmp", image.info.get("XML:com.adobe.xmp")))


def _decode_raw_profile(raw: str) -> bytes | None:
    """Return the EXIF metadata that a PNG holds as a text: a name, a length, then hexadecimal digits."""
    try:
        return bytes.fromhex("".join(raw.split("\n")[3:]))
    except ValueError:
        return None


def _check_size(size: Size, most: int) -> None:
    if size.pixels > most:
        raise _build_invalid_image_error(f"must have at most {most:,} pixels, has {size.width} x {size.height}")
    if max(size.width, size.height) > MAX_ASPECT * min(size.width, size.height):
        raise _build_invalid_image_error(
            f"must be at most {MAX_ASPECT} times as long as it is wide, has {size.width} x {size.height}"
        )


def _build_cut_error() -> MediaError:
    return _build_invalid_image_error("was cut: its end is missing")


def _build_invalid_image_error(what: str) -> MediaError:
    return MediaError(Reason.MEDIA_INVALID, f"The image {what}.")
