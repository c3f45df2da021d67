"""Images of strangers: looked into, decoded within bounds, brought upright. Everything here runs in a worker."""

from __future__ import annotations

from services.common.images.inspect import MAX_ASPECT, ImageInfo, inspect, open_image
from services.common.images.orientation import upright
from services.common.images.size import MAX_PIXELS, Size

__all__ = ["MAX_ASPECT", "MAX_PIXELS", "ImageInfo", "Size", "inspect", "open_image", "upright"]
