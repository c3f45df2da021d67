"""Builds the HTTP requests to ElevenLabs; does no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from urllib.parse import quote, urlencode

from services.tts.providers.elevenlabs.models import get_ignored_fields
from services.tts.providers.elevenlabs.settings import ElevenLabsSettings
from services.tts.providers.interface import SpeechSpec, VoiceSettings

VOICES_PER_PAGE = 100

_SETTINGS = tuple(item.name for item in fields(VoiceSettings))


class Endpoint(Enum):
    """The four speech endpoints; the value is the end of the path."""

    WHOLE = ""
    """Audio in one piece."""
    STREAM = "/stream"
    """Audio as it is generated."""
    WHOLE_WITH_TIMESTAMPS = "/with-timestamps"
    """One JSON object with audio and timing."""
    STREAM_WITH_TIMESTAMPS = "/stream/with-timestamps"
    """JSON objects, one per line, as the audio is generated."""


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """One HTTP request, without the host it goes to and the key."""

    method: str
    """GET or POST."""
    path: str
    """Percent-encoded path below the base URL."""
    query: tuple[tuple[str, str], ...]
    """Query parameters, not yet encoded."""
    json: Mapping[str, object] | None = field(default=None, repr=False)
    """The body, or None."""

    def build_url(self, base_url: str) -> str:
        """Return the URL below `base_url`."""
        query = f"?{urlencode(self.query)}" if self.query else ""
        return f"{base_url.rstrip('/')}{self.path}{query}"


def choose_endpoint(spec: SpeechSpec, *, with_alignment: bool) -> Endpoint:
    """Return the endpoint that delivers first; WAV has its length in the header and cannot be streamed."""
    if spec.output_format.family == "wav":
        return Endpoint.WHOLE_WITH_TIMESTAMPS if with_alignment else Endpoint.WHOLE
    return Endpoint.STREAM_WITH_TIMESTAMPS if with_alignment else Endpoint.STREAM


def build_speech_request(spec: SpeechSpec, endpoint: Endpoint, settings: ElevenLabsSettings) -> ProviderRequest:
    """Return the speech request for `spec`; values that are not set are left out."""
    return ProviderRequest(
        method="POST",
        path=f"/v1/text-to-speech/{quote(spec.voice.voice_id, safe='')}{endpoint.value}",
        query=_build_query(spec, settings),
        json=_build_body(spec),
    )


def build_voices_request(next_page_token: str = "") -> ProviderRequest:
    """Return the request for one page of the account's voices; the first page has no token."""
    token = (("next_page_token", next_page_token),) if next_page_token else ()
    return ProviderRequest(
        method="GET",
        path="/v2/voices",
        query=(("page_size", str(VOICES_PER_PAGE)), *token),
    )


def build_voice_request(voice_id: str) -> ProviderRequest:
    """Return the request for one voice."""
    return ProviderRequest(method="GET", path=f"/v1/voices/{quote(voice_id, safe='')}", query=())


def _build_query(spec: SpeechSpec, settings: ElevenLabsSettings) -> tuple[tuple[str, str], ...]:
    wanted = {
        "enable_logging": None if settings.enable_logging is None else str(settings.enable_logging).lower(),
        "optimize_streaming_latency": settings.optimize_streaming_latency,
        "output_format": spec.output_format.name,
    }
    return tuple((name, str(value)) for name, value in wanted.items() if value is not None)


def _build_body(spec: SpeechSpec) -> dict[str, object]:
    ignored = get_ignored_fields(spec)
    wanted: dict[str, object] = {
        "text": spec.text,
        "model_id": spec.model_id,
        # The API takes languages without a region: pt for pt-BR.
        "language_code": spec.language_code.partition("-")[0],
        "voice_settings": {name: value for name in _SETTINGS if (value := getattr(spec.settings, name)) is not None},
        "seed": spec.seed,
        "previous_text": spec.previous_text,
        "next_text": spec.next_text,
        "previous_request_ids": list(spec.previous_request_ids),
        "next_request_ids": list(spec.next_request_ids),
        "apply_text_normalization": spec.apply_text_normalization,
    }
    return {name: value for name, value in wanted.items() if value not in (None, "", [], {}) and name not in ignored}
