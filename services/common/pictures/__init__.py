"""Pictures of strangers: looked into, decoded within bounds, brought upright. Everything here runs in a worker."""

from __future__ import annotations

from services.common.pictures.inspect import MAX_ASPECT, Inspected, inspect, opened
from services.common.pictures.size import MAX_PIXELS, Size
from services.common.pictures.upright import upright

__all__ = ["MAX_ASPECT", "MAX_PIXELS", "Inspected", "Size", "inspect", "opened", "upright"]
