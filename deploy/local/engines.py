"""Says who makes what by default: the lines of the welcome that tell whether anything costs money."""

from __future__ import annotations

from collections.abc import Mapping

from services.common.settings import load
from services.image.settings import ImageSettings
from services.tts.settings import TtsSettings
from services.video.settings import VideoSettings

_ENGINES: Mapping[str, Mapping[str, str]] = {
    "speech": {
        "espeak": "espeak (embedded, free; set ELEVENLABS_API_KEY for elevenlabs)",
        "elevenlabs": "elevenlabs (paid, by ELEVENLABS_API_KEY; `provider: espeak` is embedded and free)",
    },
    "images": {
        "embedded": "embedded (free; set FAL_KEY for fal, GEMINI_API_KEY for gemini)",
        "fal": "fal (paid, by FAL_KEY; `provider: embedded` is free)",
        "gemini": "gemini (paid, by GEMINI_API_KEY; `provider: embedded` is free)",
    },
    "videos": {
        "embedded": "embedded (free; set REPLICATE_API_TOKEN for replicate)",
        "replicate": "replicate (paid, by REPLICATE_API_TOKEN; `provider: embedded` is free)",
    },
}


def engines() -> Mapping[str, str]:
    """Return by medium who makes it where the caller names nobody.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    defaults = {
        "speech": load(TtsSettings).provider_by_default,
        "images": load(ImageSettings).provider_by_default,
        "videos": load(VideoSettings).provider_by_default,
    }
    return {medium: _ENGINES[medium][maker] for medium, maker in defaults.items()}
