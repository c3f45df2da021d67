"""Colour profiles that a test can see: an image whose profile is ignored has other colours."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise

from PIL import Image, ImageCms
from pillow_heif import register_heif_opener

# For the encoder; the service registers the decoder itself.
register_heif_opener()

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
"""A profile that changes nothing."""
_TAG_TABLE, _TAG_BYTES = 132, 12


def swap_red_and_blue(profile: bytes) -> bytes:
    """Return an RGB profile with red and blue exchanged."""
    return profile.replace(b"rXYZ", b"\0tmp").replace(b"bXYZ", b"rXYZ").replace(b"\0tmp", b"bXYZ")


def build_gray_profile() -> bytes:
    """Return a profile of gray whose values grow linearly with the light: 128 is much brighter than in sRGB."""
    white = b"XYZ \0\0\0\0" + b"\0\0\xf6\xd6\0\x01\0\0\0\0\xd3\x2d"
    curve = b"curv\0\0\0\0\0\0\0\0"
    return _build_profile(b"GRAY", b"XYZ ", [(b"wtpt", white), (b"kTRC", curve)])


def _build_profile(space: bytes, connection: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    """Return an ICC profile of version 2 with these tags."""
    start = _TAG_TABLE + _TAG_BYTES * len(tags)
    starts = [start]
    for _, content in tags:
        starts.append(starts[-1] + len(content))
    table = b"".join(
        name + begin.to_bytes(4) + (end - begin).to_bytes(4)
        for (name, _), (begin, end) in zip(tags, pairwise(starts), strict=True)
    )
    head = starts[-1].to_bytes(4) + bytes(4) + b"\x02\x10\0\0" + b"mntr" + space + connection + bytes(12) + b"acsp"
    # The light of the connection space is D50.
    illuminant = b"\0\0\xf6\xd6\0\x01\0\0\0\0\xd3\x2d"
    head = head.ljust(68, b"\0") + illuminant
    return head.ljust(128, b"\0") + len(tags).to_bytes(4) + table + b"".join(content for _, content in tags)


def encode_file(image: Image.Image, format_name: str = "PNG", **options: object) -> bytes:
    """Return `image` as a file."""
    file = BytesIO()
    image.save(file, format_name, **options)
    return file.getvalue()


def get_color(image: Image.Image, x: int = 5, y: int = 5) -> tuple[int, ...]:
    """Return the channels of a pixel."""
    found = image.getpixel((x, y))
    assert isinstance(found, tuple)
    return found
