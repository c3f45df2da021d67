"""The provider replicate: minimax/hailuo-02, and any other model by name or version."""

from __future__ import annotations

from services.video.providers.replicate.provider import ReplicateProvider, open_replicate
from services.video.providers.replicate.settings import ReplicateSettings

__all__ = ["ReplicateProvider", "ReplicateSettings", "open_replicate"]
