"""Check the configuration of the speech service without network access."""

from __future__ import annotations

from collections.abc import Iterator

from services.common.diagnostics import Diagnostic, ok, problem, warning
from services.tts.settings import TtsSettings

_SUBJECT = "speech"


def diagnose_speech(settings: TtsSettings) -> list[Diagnostic]:
    """Return the default provider, and every contradiction of the settings."""
    return list(_check_settings(settings))


def _check_settings(settings: TtsSettings) -> Iterator[Diagnostic]:
    default = settings.provider_by_default
    has_key = bool(settings.elevenlabs_api_key.get_secret_value())
    if default == "elevenlabs" and not has_key:
        yield problem(
            _SUBJECT,
            "elevenlabs is the default provider and has no key",
            "set ELEVENLABS_API_KEY, or TTS_DEFAULT_PROVIDER=espeak",
        )
    else:
        yield ok(_SUBJECT, f"{default} is the default provider")
    if "elevenlabs" in settings.fallback_order and not has_key:
        yield warning(_SUBJECT, "elevenlabs is a fallback provider and has no key", "set ELEVENLABS_API_KEY")
    if default in settings.fallback_order:
        yield warning(_SUBJECT, f"{default} is its own fallback", "remove it from TTS_FALLBACK_PROVIDERS")
    if settings.reuse_sentences and not settings.caching_enabled:
        yield warning(
            _SUBJECT, "TTS_REUSE_SENTENCES is set, but nothing is cached", "set TTS_CACHING_ENABLED=true, or unset it"
        )
