"""The allow-list of embedded voices: which names and ids are answered, and what the engine speaks for each."""

from __future__ import annotations

from dataclasses import dataclass

from services.common.errors import Reason, invalid
from services.tts.providers.espeak.languages import LANGUAGES, Language, find_language
from services.tts.providers.interface import Voice
from services.tts.voices import NAMED_VOICES, NamedVoice

PROVIDER = "espeak"


@dataclass(frozen=True, slots=True)
class VoiceVariant:
    """What the engine speaks with: a language it reads and a variant of the speaker."""

    language: str
    """A tag of `languages.LANGUAGES`."""
    variant: str
    """A name of `VARIANTS`."""

    @property
    def voice_id(self) -> str:
        """Id of the voice that sounds like this."""
        return "-".join(filter(None, (PROVIDER, self.language, self.variant.lower())))


# Speakers that the engine can take on; the empty name is the language's own.
VARIANTS = frozenset({"", "f1", "f2", "f3", "f4", "f5", "m1", "m3", "m7", "Alicia", "Annie", "belinda", "linda"})

# Each named voice has a sound of its own, of the gender and, as far as the engine has it, the accent of its namesake.
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
# Ids of others are compared as they are: theirs tell upper from lower case.
_BY_FOREIGN_ID = {named.voice_id: _BY_KEY[named.name.casefold()] for named in NAMED_VOICES}


def resolve(voice: str) -> Voice | None:
    """Return the embedded voice of this name or id (in any case) or of this ElevenLabs id, or None."""
    return _BY_FOREIGN_ID.get(voice) or _BY_KEY.get(voice.casefold())


def choose_timbre(voice: Voice, language_code: str) -> VoiceVariant:
    """Return what the engine shall speak with.

    Args:
        voice: A voice that `resolve` gave.
        language_code: Language of the text; empty for the voice's own.

    Raises:
        MediaError: VOICE_NOT_FOUND for a voice that is not ours, VALIDATION_ERROR for a language nobody here reads.
    """
    timbre = _TIMBRE_BY_ID.get(voice.voice_id)
    if timbre is None or voice.provider != PROVIDER:
        raise invalid("voice", "must be a voice of the embedded engine; list its voices", Reason.VOICE_NOT_FOUND)
    # A voice that speaks the language already keeps its accent: `en` is no reason to turn an American British.
    if not language_code or language_code.casefold() in LANGUAGES[timbre.language].codes:
        return timbre
    language = find_language(language_code)
    if language is None:
        raise invalid("language_code", "must be a language that the embedded engine reads; list its voices")
    return VoiceVariant(language.tag, timbre.variant)


def get_identifier(timbre: VoiceVariant) -> str:
    """Return the engine's own name of a timbre.

    Raises:
        KeyError: The timbre is not on the allow-list; the engine would take such a name for a path.
    """
    if timbre.variant not in VARIANTS:
        raise KeyError(timbre.variant)
    identifier = LANGUAGES[timbre.language].identifier
    return f"{identifier}+{timbre.variant}" if timbre.variant else identifier
