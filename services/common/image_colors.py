"""Convert the pixels of an untrusted image to sRGB: by its colour profile, whatever the pixels are stored as."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO

import numpy
from PIL import Image, ImageCms

_SRGB = ImageCms.createProfile("sRGB")
_DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_DEEP_STEP = 257
# The mode in which pixels have the colour space of a profile.
_MODES: Mapping[str, str] = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
# The modes that can be converted to it without a loss.
_FITTING: Mapping[str, tuple[str, ...]] = {
    "RGB": ("RGB", "RGBA", "L", "LA"),
    "L": ("L", "LA"),
    "CMYK": ("CMYK",),
}
_GRAY = ("1", "L", "LA", "La")
_TRANSPARENT = ("LA", "RGBA")


def flatten_mode(image: Image.Image) -> Image.Image:
    """Return `image` as L, LA, RGB, RGBA or CMYK, with 8 bits a channel, so that it can be resized and converted."""
    if image.mode in _DEEP:
        # Pillow would clip all values above 255.
        image = Image.fromarray((numpy.asarray(image) // _DEEP_STEP).astype(numpy.uint8))
    plain = "L" if image.mode in _GRAY else "CMYK" if image.mode == "CMYK" else "RGB"
    mode = {"L": "LA", "RGB": "RGBA"}[plain] if image.has_transparency_data else plain
    return image if image.mode == mode else image.convert(mode)


def convert_to_srgb(image: Image.Image, profile: object) -> Image.Image:
    """Return `image` as RGB or RGBA in sRGB.

    Args:
        image: From `flatten_mode`.
        profile: The ICC profile of the file; ignored if it is not bytes, is damaged, or does not fit the image.
    """
    mode = "RGBA" if image.mode in _TRANSPARENT else "RGB"
    converted = _apply_profile(image, profile) if isinstance(profile, bytes) and profile else None
    return image.convert(mode) if converted is None else converted


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        mode = _MODES.get(source.profile.xcolor_space)
        if mode is None or image.mode not in _FITTING[mode]:
            return None
        alpha = image.getchannel("A") if image.mode in _TRANSPARENT else None
        pixels = image if image.mode == mode else image.convert(mode)
        converted = ImageCms.profileToProfile(pixels, source, _SRGB, outputMode="RGB")
    except MemoryError:
        raise
    # The library raises exceptions of many types for a damaged profile, which is no reason to refuse the image.
    except Exception:  # noqa: BLE001 - see above
        return None
    if converted is not None and alpha is not None:
        converted.putalpha(alpha)
    return converted
