"""The capabilities of the ElevenLabs models."""

from __future__ import annotations

import re
from pathlib import Path

from services.common.providers.models import load_models
from services.common.text.directions import Kind
from services.tts.formats import FORMATS
from services.tts.providers.interface import Capabilities, SpeechSpec, VoiceSettings

DEFAULT_MODEL_ID = "eleven_multilingual_v2"
MODELS = load_models(Path(__file__).parent)
"""The known models by id."""

CAPABILITIES = Capabilities(
    families=frozenset(item.family for item in FORMATS.values()),
    default_model_id=DEFAULT_MODEL_ID,
    default_settings=VoiceSettings(stability=0.5, similarity_boost=0.75, style=0.0, speed=1.0, use_speaker_boost=True),
    models=MODELS,
)

# For models that the table lacks: from the third generation on, they follow audio tags, and no pauses in markup.
_TAG_MODEL = re.compile(r"eleven_v([3-9]|\d\d)(_|$)")

# The API ignores the text if the request ids are also present.
_SUPERSEDED_BY = {"previous_text": "previous_request_ids", "next_text": "next_request_ids"}


def get_ignored_fields(spec: SpeechSpec) -> tuple[str, ...]:
    """Return the fields set in `spec` that its model does not support; they are not sent."""
    model = MODELS.get(spec.model_id or DEFAULT_MODEL_ID)
    unsupported = () if model is None else model.traits.get("ignores", ())
    superseded = [text for text, request_ids in _SUPERSEDED_BY.items() if getattr(spec, request_ids)]
    return tuple(name for name in dict.fromkeys((*unsupported, *superseded)) if getattr(spec, name))


def list_directions(model_id: str) -> frozenset[Kind]:
    """Return the kinds of directions in a text that a model follows; it would speak the others."""
    model = MODELS.get(model_id or DEFAULT_MODEL_ID)
    if model is not None:
        return frozenset(Kind(name) for name in model.traits["directions"])
    return frozenset({Kind.TAG if _TAG_MODEL.match(model_id) else Kind.BREAK})
