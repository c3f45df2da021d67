"""Google's Gemini models that draw."""

from __future__ import annotations

from services.image.providers.gemini.provider import GeminiProvider, open_gemini
from services.image.providers.gemini.settings import GeminiSettings

__all__ = ["GeminiProvider", "GeminiSettings", "open_gemini"]
