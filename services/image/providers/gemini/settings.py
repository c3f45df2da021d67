"""Address, key and time limits of the Gemini API."""

from __future__ import annotations

from dataclasses import dataclass, field

PROVIDER = "gemini"


@dataclass(frozen=True, slots=True)
class GeminiSettings:
    """How the process calls the Gemini API."""

    api_key: str = field(repr=False)
    """Key of the API; empty without an account."""
    base_url: str = "https://generativelanguage.googleapis.com"
    """Base URL of the API."""
    model_id: str = "gemini-3-pro-image"
    """The model that generates images."""
    api_version: str = "v1"
    """Version of the API."""
    timeout_seconds: float = 300.0
    """Longest time for one image."""
    max_answer_bytes: int = 64 * 1024 * 1024
    """Largest response; it contains the image as base64."""
