"""The allow-list of embedded voices: their names, ids and engine voices."""

from __future__ import annotations

from dataclasses import dataclass

from services.common.errors import Reason, invalid
from services.tts.named_voices import NAMED_VOICES, NamedVoice
from services.tts.providers.espeak.languages import LANGUAGES, Language, find_language
from services.tts.providers.interface import Voice

PROVIDER = "espeak"


@dataclass(frozen=True, slots=True)
class VoiceVariant:
    """A voice of the engine: a language and a variant of the speaker."""

    language: str
    """A tag of `languages.LANGUAGES`."""
    variant: str
    """A name of `VARIANTS`."""

    @property
    def voice_id(self) -> str:
        """Id of the voice in requests."""
        return "-".join(filter(None, (PROVIDER, self.language, self.variant.lower())))


# Speaker variants of the engine; the empty name is the default of the language.
VARIANTS = frozenset({"", "f1", "f2", "f3", "f4", "f5", "m1", "m3", "m7", "Alicia", "Annie", "belinda", "linda"})

# Each named voice has a different variant, with the gender and, if the engine has it, the accent of the voice at
# ElevenLabs with the same name.
_TIMBRES = {
    "Aria": VoiceVariant("en-us", "f3"),
    "Leoni Vergara": VoiceVariant("en-us", "f2"),
    "Ana-Rita": VoiceVariant("pt", "f2"),
    "Andromeda": VoiceVariant("en-us", "f4"),
    "LavenderLessons": VoiceVariant("en-us", "Annie"),
    "Sarah": VoiceVariant("en-us", "f1"),
    "Laura": VoiceVariant("en-us", "belinda"),
    "Alice": VoiceVariant("en-gb", "f2"),
    "Matilda": VoiceVariant("en-us", "linda"),
    "Jessica": VoiceVariant("en-us", "f5"),
    "Lily": VoiceVariant("en-gb-x-rp", "f4"),
    "Roger": VoiceVariant("en-us", "m3"),
    "Charlie": VoiceVariant("en-gb", "m1"),
    "George": VoiceVariant("en-gb-x-rp", "m7"),
}


def _build_named(voice: NamedVoice, timbre: VoiceVariant) -> Voice:
    labels = {"gender": voice.gender, "variant": timbre.variant}
    return Voice(timbre.voice_id, voice.name, PROVIDER, "embedded", LANGUAGES[timbre.language].codes, labels)


def _build_default(language: Language) -> Voice:
    timbre = VoiceVariant(language.tag, "")
    return Voice(timbre.voice_id, f"espeak {language.name}", PROVIDER, "embedded", language.codes)


VOICES: tuple[Voice, ...] = (
    *(_build_named(voice, _TIMBRES[voice.name]) for voice in NAMED_VOICES),
    *(_build_default(language) for language in LANGUAGES.values()),
)

_TIMBRE_BY_ID = {
    timbre.voice_id: timbre for timbre in (*_TIMBRES.values(), *(VoiceVariant(tag, "") for tag in LANGUAGES))
}

_BY_KEY: dict[str, Voice] = {key.casefold(): voice for voice in VOICES for key in (voice.name, voice.voice_id)}
# ElevenLabs ids are case-sensitive.
_BY_FOREIGN_ID = {named.voice_id: _BY_KEY[named.name.casefold()] for named in NAMED_VOICES}


def resolve(voice: str) -> Voice | None:
    """Return the embedded voice of this name or id (in any case) or of this ElevenLabs id, or None."""
    return _BY_FOREIGN_ID.get(voice) or _BY_KEY.get(voice.casefold())


def choose_timbre(voice: Voice, language_code: str) -> VoiceVariant:
    """Return the engine voice for a voice and a language.

    Args:
        voice: A voice from `resolve`.
        language_code: Language of the text; empty for the voice's own.

    Raises:
        MediaError: VOICE_NOT_FOUND for a voice of another provider, VALIDATION_ERROR for an unknown language.
    """
    timbre = _TIMBRE_BY_ID.get(voice.voice_id)
    if timbre is None or voice.provider != PROVIDER:
        raise invalid("voice", "must be a voice of the embedded engine; list its voices", Reason.VOICE_NOT_FOUND)
    # A voice that speaks the language keeps its accent: `en` must not turn an American voice British.
    if not language_code or language_code.casefold() in LANGUAGES[timbre.language].codes:
        return timbre
    language = find_language(language_code)
    if language is None:
        raise invalid("language_code", "must be a language of the embedded engine; list its voices")
    return VoiceVariant(language.tag, timbre.variant)


def get_identifier(timbre: VoiceVariant) -> str:
    """Return the identifier of a voice in the engine.

    Raises:
        KeyError: The voice is not on the allow-list; the engine would open such a name as a path.
    """
    if timbre.variant not in VARIANTS:
        raise KeyError(timbre.variant)
    identifier = LANGUAGES[timbre.language].identifier
    return f"{identifier}+{timbre.variant}" if timbre.variant else identifier
