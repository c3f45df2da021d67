"""Normalize a decoded image: upright, sRGB, 8 bits per channel, RGB or RGBA."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO

import numpy
from PIL import Image, ImageCms, ImageOps

_SRGB = ImageCms.createProfile("sRGB")
_DEEP = ("I", "I;16", "I;16B", "I;16L")
_DEEP_STEP = 257


def upright(image: Image.Image) -> Image.Image:
    """Return `image` upright and in sRGB, without its metadata."""
    turned = ImageOps.exif_transpose(image)
    mode = "RGBA" if turned.has_transparency_data else "RGB"
    colored = _in_srgb(turned, mode) or _convert(turned, mode)
    # Copy the pixels to a new image, which leaves the metadata behind.
    bare = Image.new(mode, colored.size)
    bare.paste(colored)
    return bare


def _in_srgb(image: Image.Image, mode: str) -> Image.Image | None:
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
