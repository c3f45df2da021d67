"""The capabilities of the ElevenLabs models."""

from __future__ import annotations

import re

from services.common.text.directions import Kind
from services.tts.formats import FORMATS
from services.tts.providers.interface import Capabilities, SpeechSpec, VoiceSettings

DEFAULT_MODEL_ID = "eleven_multilingual_v2"

CAPABILITIES = Capabilities(
    families=frozenset(item.family for item in FORMATS.values()),
    default_model_id=DEFAULT_MODEL_ID,
    default_settings=VoiceSettings(stability=0.5, similarity_boost=0.75, style=0.0, speed=1.0, use_speaker_boost=True),
    max_text_characters={
        "eleven_v4": 10_000,
        "eleven_v3": 5_000,
        "eleven_multilingual_v2": 10_000,
        "eleven_flash_v2_5": 40_000,
        "eleven_turbo_v2_5": 40_000,
        "eleven_flash_v2": 30_000,
        "eleven_turbo_v2": 30_000,
    },
)

# eleven_v3 rejects these; eleven_multilingual_v2 detects the language itself and takes none.
_UNSUPPORTED_FIELDS: dict[str, tuple[str, ...]] = {
    "eleven_v3": ("previous_text", "next_text", "previous_request_ids", "next_request_ids"),
    "eleven_multilingual_v2": ("language_code",),
}

# From the third generation on, models follow audio tags, and no longer pauses in markup.
_TAG_MODEL = re.compile(r"eleven_v([3-9]|\d\d)(_|$)")
_PHONEME_MODELS = frozenset({"eleven_flash_v2", "eleven_turbo_v2", "eleven_monolingual_v1"})

# The API ignores the text if the request ids are also present.
_SUPERSEDED_BY = {"previous_text": "previous_request_ids", "next_text": "next_request_ids"}


def get_ignored_fields(spec: SpeechSpec) -> tuple[str, ...]:
    """Return the fields set in `spec` that its model does not support; they are not sent."""
    unsupported = _UNSUPPORTED_FIELDS.get(spec.model_id or DEFAULT_MODEL_ID, ())
    superseded = [text for text, request_ids in _SUPERSEDED_BY.items() if getattr(spec, request_ids)]
    return tuple(name for name in dict.fromkeys((*unsupported, *superseded)) if getattr(spec, name))


def list_directions(model_id: str) -> frozenset[Kind]:
    """Return the kinds of directions in a text that a model follows; it would speak the others."""
    model = model_id or DEFAULT_MODEL_ID
    if _TAG_MODEL.match(model):
        return frozenset({Kind.TAG})
    return frozenset({Kind.BREAK, Kind.PHONEME} if model in _PHONEME_MODELS else {Kind.BREAK})
