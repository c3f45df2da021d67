"""Table of the named sizes, and the limit of custom sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.common.images import Size

MAX_SIDE_PIXELS = 14_142
"""Longest side of a requested image."""
CUSTOM = "custom"
"""Name of the size for which the request gives width and height."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A named size."""

    size: Size
    description: str
    """What the size is suited for."""


PRESETS: Mapping[str, Preset] = {
    "square_hd": Preset(Size(1024, 1024), "Square HD"),
    "square": Preset(Size(512, 512), "Square"),
    "portrait_4_3": Preset(Size(768, 1024), "Portrait 4:3"),
    "portrait_16_9": Preset(Size(576, 1024), "Portrait 16:9"),
    "landscape_4_3": Preset(Size(1024, 768), "Landscape 4:3"),
    "landscape_16_9": Preset(Size(1024, 576), "Landscape 16:9"),
    "thumbnail": Preset(Size(256, 256), "Small thumbnails"),
    "card": Preset(Size(512, 512), "Card displays"),
    "standard": Preset(Size(1024, 1024), "Standard"),
    "banner": Preset(Size(1920, 1080), "Hero and banner images"),
    "wide_card": Preset(Size(1280, 720), "Wide format"),
    "portrait": Preset(Size(768, 1024), "Portrait orientation"),
}
"""All presets by their names in requests."""
DEFAULT_PRESET = "landscape_4_3"
CUSTOM_DESCRIPTION = "Any size: width and height of the request"
