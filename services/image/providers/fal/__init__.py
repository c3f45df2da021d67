"""FLUX models of fal.ai: the queue for standard and transformed images, synchronous calls for fast ones."""

from __future__ import annotations

from services.image.providers.fal.provider import FalProvider, open_fal
from services.image.providers.fal.settings import FalSettings

__all__ = ["FalProvider", "FalSettings", "open_fal"]
