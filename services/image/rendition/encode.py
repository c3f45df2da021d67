"""Encode an image with the settings of one table, and write notes into the file."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from services.common.images import Size
from services.image.rendition import Encoding, Rendered

# `python -m bench.image` measures the time and the bytes of each.
SETTINGS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "png": {
        "low": {"compress_level": 1},
        "medium": {"compress_level": 6},
        "high": {"compress_level": 9},
    },
    "jpeg": {
        "low": {"quality": 70, "progressive": True},
        "medium": {"quality": 85, "progressive": True},
        "high": {"quality": 92, "progressive": True, "subsampling": 0},
    },
    "webp": {
        "low": {"quality": 65, "method": 2},
        "medium": {"quality": 80, "method": 4},
        "high": {"quality": 92, "method": 4},
    },
    "avif": {
        "low": {"quality": 45, "speed": 9},
        "medium": {"quality": 60, "speed": 8},
        "high": {"quality": 78, "speed": 6},
    },
}
"""Pillow's settings by format and grade."""
_WITHOUT_TRANSPARENCY = frozenset({"jpeg"})


def encode_image(image: Image.Image, encoding: Encoding, notes: Mapping[str, str]) -> Rendered:
    """Return `image` as a file that holds only the pixels and `notes`.

    Args:
        image: RGB or RGBA.
        encoding: Format and settings.
        notes: ASCII texts by name, written as tEXt chunks of a PNG, or as the EXIF description of other formats.
    """
    if image.mode == "RGBA" and encoding.format in _WITHOUT_TRANSPARENCY:
        image = _flatten_on_white(image)
    file = BytesIO()
    image.save(file, encoding.format.upper(), **_choose_settings(encoding), **_encode_notes(encoding.format, notes))
    return Rendered(file.getvalue(), Size(*image.size), encoding.content_type)


def _choose_settings(encoding: Encoding) -> dict[str, Any]:
    settings = dict(SETTINGS[encoding.format][encoding.grade])
    if encoding.quality is not None:
        settings["quality"] = encoding.quality
    if encoding.compression_level is not None:
        settings["compress_level"] = encoding.compression_level
    return settings


def _encode_notes(format_name: str, notes: Mapping[str, str]) -> dict[str, Any]:
    if not notes:
        return {}
    if format_name == "png":
        texts = PngInfo()
        for name, text in notes.items():
            texts.add_text(name, text)
        return {"pnginfo": texts}
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "; ".join(f"{name}: {text}" for name, text in notes.items())
    return {"exif": exif.tobytes()}


def _flatten_on_white(image: Image.Image) -> Image.Image:
    background = Image.new("RGB", image.size, "white")
    background.paste(image, mask=image.getchannel("A"))
    return background
