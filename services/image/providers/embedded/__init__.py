"""The embedded engine: images from numbers, free and labelled as what they are."""

from __future__ import annotations

from services.image.providers.embedded.provider import EmbeddedProvider

__all__ = ["EmbeddedProvider"]
