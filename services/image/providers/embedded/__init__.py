"""The embedded provider: abstract images that are computed locally, for free, and labelled as such."""

from __future__ import annotations

from services.image.providers.embedded import EmbeddedProvider

__all__ = ["EmbeddedProvider"]
