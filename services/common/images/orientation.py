"""Brings a decoded image into the one form that everything else works on: upright, sRGB, 8 bits, RGB or RGBA."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO

import numpy
from PIL import Image, ImageCms, ImageOps

_SRGB = ImageCms.createProfile("sRGB")
_DEEP = ("I", "I;16", "I;16B", "I;16L")
_DEEP_STEP = 257


def upright(image: Image.Image) -> Image.Image:
    """Return `image` as the eye should see it, without anything that came with it."""
    turned = ImageOps.exif_transpose(image)
    wanted = "RGBA" if turned.has_transparency_data else "RGB"
    colored = _in_srgb(turned, wanted) or _convert(turned, wanted)
    # A new image: what was read beside the pixels stays behind.
    bare = Image.new(wanted, colored.size)
    bare.paste(colored)
    return bare


def _in_srgb(image: Image.Image, wanted: str) -> Image.Image | None:
    """Return `image` converted to sRGB by its embedded profile; None without a usable profile."""
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return None
    if image.mode in ("RGB", "L") and wanted == "RGBA":
        # One colour of it stands for transparency, and would be forgotten on the way.
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
        return None if found is None else found.convert(wanted)
    return None


def _convert(image: Image.Image, wanted: str) -> Image.Image:
    if image.mode in _DEEP:
        # Pillow itself would cut off everything above 255.
        image = Image.fromarray((numpy.asarray(image) // _DEEP_STEP).astype(numpy.uint8))
    return image.convert(wanted)
