"""The table of named voices, which every provider supports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Gender = Literal["female", "male"]


@dataclass(frozen=True, slots=True)
class NamedVoice:
    """A voice that callers can request by name from any provider."""

    name: str
    """Display name; requests may write it in any case."""
    voice_id: str
    """Id of the voice at ElevenLabs."""
    type: Literal["custom", "standard"]
    """`custom` if it was designed for this product, `standard` if ElevenLabs offers it to everyone."""
    gender: Gender
    """Gender of the voice."""
    language_code: str
    """Language it speaks natively, as an ISO 639-1 code."""


NAMED_VOICES: tuple[NamedVoice, ...] = (
    NamedVoice("Aria", "fO844Om1VZLpw8IpZj3T", "custom", "female", "en"),
    NamedVoice("Leoni Vergara", "pBZVCk298iJlHAcHQwLr", "custom", "female", "en"),
    NamedVoice("Ana-Rita", "wJqPPQ618aTW29mptyoc", "custom", "female", "pt"),
    NamedVoice("Andromeda", "HoU1B9WLbSprzhhX34v0", "custom", "female", "en"),
    NamedVoice("LavenderLessons", "cL2JBnZF7ILVaQ86EQMQ", "custom", "female", "en"),
    NamedVoice("Sarah", "EXAVITQu4vr4xnSDxMaL", "standard", "female", "en"),
    NamedVoice("Laura", "FGY2WhTYpPnrIDTdsKH5", "standard", "female", "en"),
    NamedVoice("Alice", "Xb7hH8MSUJpSbSDYk0k2", "standard", "female", "en"),
    NamedVoice("Matilda", "XrExE9yKIg1WjnnlVkGX", "standard", "female", "en"),
    NamedVoice("Jessica", "cgSgspJ2msm6clMCkdW9", "standard", "female", "en"),
    NamedVoice("Lily", "pFZP5JQG7iQjIQuC4Bku", "standard", "female", "en"),
    NamedVoice("Roger", "CwhRBWXzGAHq8TQ4Fs17", "standard", "male", "en"),
    NamedVoice("Charlie", "IKne3meq5aSn9XLyUdCD", "standard", "male", "en"),
    NamedVoice("George", "JBFqnCBsd6RMkjVDRZzb", "standard", "male", "en"),
)
