"""Google's Gemini image models."""

from __future__ import annotations

from services.image.providers.gemini.provider import GeminiProvider, open_gemini
from services.image.providers.gemini.settings import GeminiSettings

__all__ = ["GeminiProvider", "GeminiSettings", "open_gemini"]
