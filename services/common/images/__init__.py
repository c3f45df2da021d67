"""Inspect, decode and normalize untrusted images within limits. Run all of this in a worker process."""

from __future__ import annotations

from services.common.images.inspect import MAX_ASPECT, ImageInfo, inspect, open_image
from services.common.images.orientation import upright
from services.common.images.size import MAX_PIXELS, Size

__all__ = ["MAX_ASPECT", "MAX_PIXELS", "ImageInfo", "Size", "inspect", "open_image", "upright"]
