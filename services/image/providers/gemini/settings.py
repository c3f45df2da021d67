"""How the Gemini API is reached."""

from __future__ import annotations

from dataclasses import dataclass, field

PROVIDER = "gemini"


@dataclass(frozen=True, slots=True)
class GeminiSettings:
    """Address, key, model and patience."""

    api_key: str = field(repr=False)
    """Key of the API; empty if there is none."""
    base_url: str = "https://generativelanguage.googleapis.com"
    """Where the API is."""
    model_id: str = "gemini-3-pro-image"
    """The model that draws."""
    api_version: str = "v1"
    """Version of the API."""
    timeout_seconds: float = 300.0
    """Longest that one image may take."""
    max_answer_bytes: int = 64 * 1024 * 1024
    """Longest answer that is taken; images come in it as base64."""
