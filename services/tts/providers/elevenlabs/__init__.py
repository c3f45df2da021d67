"""Speech from the ElevenLabs API, over its HTTP endpoints."""

from __future__ import annotations

from services.tts.providers.elevenlabs.provider import ElevenLabsProvider, open_elevenlabs
from services.tts.providers.elevenlabs.settings import ElevenLabsSettings

__all__ = ["ElevenLabsProvider", "ElevenLabsSettings", "open_elevenlabs"]
