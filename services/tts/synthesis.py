"""From a wish to speech: chooses provider, voice and format, runs the provider, and vouches for the end."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass

from services.common.errors import MediaError, Reason, invalid
from services.tts.duration import duration_meter
from services.tts.formats import DEFAULT_FORMAT, FORMATS, OutputFormat
from services.tts.providers.interface import AudioChunk, SpeechProvider, SpeechSpec, VoiceSettings

DEFAULT_VOICE = "Aria"


@dataclass(frozen=True, slots=True)
class SpeechWish:
    """What a caller asked for; empty and None mean: as the service decides."""

    text: str
    voice: str = ""
    provider: str = ""
    model_id: str = ""
    output_format: str = ""
    language_code: str = ""
    settings: VoiceSettings = VoiceSettings()
    seed: int | None = None
    previous_text: str = ""
    next_text: str = ""
    previous_request_ids: tuple[str, ...] = ()
    next_request_ids: tuple[str, ...] = ()
    apply_text_normalization: str = ""
    include_alignment: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A wish made definite: who will speak, and what exactly."""

    provider: SpeechProvider
    spec: SpeechSpec
    with_alignment: bool


@dataclass(frozen=True, slots=True)
class Header:
    """The provider has accepted: what the audio will be."""

    spec: SpeechSpec
    provider: str
    provider_request_id: str
    ignored_fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """The provider has said all: what the audio was."""

    characters: int
    audio_bytes: int
    duration_seconds: float
    sha256: str
    cost_units: int | None


SpeechEvent = Header | AudioChunk | Done


@dataclass(frozen=True, slots=True)
class SynthesisOptions:
    """How the service decides where a wish leaves it open."""

    default_provider: str
    """Who speaks where the caller names nobody."""
    stall_seconds: float = 10.0
    """Longest silence of a provider between two chunks."""
    max_text_characters: int = 100_000
    """Longest text of any request, whatever its model would take."""


class Synthesizer:
    """Makes speech through the providers it is given."""

    def __init__(self, providers: Mapping[str, SpeechProvider], options: SynthesisOptions) -> None:
        self._providers = providers
        self._options = options

    def provider(self, name: str) -> SpeechProvider:
        """Returns the provider of this name, or the default one for an empty name.

        Raises:
            MediaError: VALIDATION_ERROR, no provider has this name.
        """
        found = self._providers.get(name or self._options.default_provider)
        if found is None:
            raise invalid("provider", f"must be one of {', '.join(self._providers)}")
        return found

    def plan(self, wish: SpeechWish) -> Plan:
        """Makes a wish definite, without asking anybody.

        Raises:
            MediaError: VOICE_NOT_FOUND, TEXT_TOO_LONG, or VALIDATION_ERROR naming the field.
        """
        provider = self.provider(wish.provider)
        voice = provider.resolve(wish.voice or DEFAULT_VOICE)
        if voice is None:
            raise invalid(
                "voice",
                f"must be the name or id of a voice of {provider.name}; GET /api/voices lists them",
                Reason.VOICE_NOT_FOUND,
            )
        spec = SpeechSpec(
            text=wish.text,
            voice=voice,
            output_format=_output_format(wish, provider),
            settings=wish.settings.or_else(provider.capabilities.default_settings),
            model_id=wish.model_id or provider.capabilities.default_model_id,
            language_code=wish.language_code,
            seed=wish.seed,
            previous_text=wish.previous_text,
            next_text=wish.next_text,
            previous_request_ids=wish.previous_request_ids,
            next_request_ids=wish.next_request_ids,
            apply_text_normalization=wish.apply_text_normalization,
        )
        self._refuse_too_long(spec, provider)
        return Plan(provider, spec, wish.include_alignment)

    async def stream(self, plan: Plan) -> AsyncGenerator[SpeechEvent, None]:
        """Yields the header once the provider has accepted, then its audio, then `Done`.

        Whoever iterates closes the iterator; that ends the provider's work at once.

        Raises:
            MediaError: The provider refused, failed, stalled, was cut, or delivered no audio.
        """
        meter = duration_meter(plan.spec.output_format)
        digest = hashlib.sha256()
        audio_bytes = 0
        async with plan.provider.synthesize(plan.spec, with_alignment=plan.with_alignment) as speech:
            yield Header(plan.spec, plan.provider.name, speech.request_id, speech.ignored_fields)
            chunks = aiter(speech.chunks)
            while (chunk := await self._next(chunks)) is not None:
                meter.feed(chunk.audio)
                digest.update(chunk.audio)
                audio_bytes += len(chunk.audio)
                yield chunk
        if audio_bytes == 0:
            raise MediaError(Reason.GENERATION_FAILED, "The provider accepted the text but delivered no audio.")
        yield Done(len(plan.spec.text), audio_bytes, meter.seconds, digest.hexdigest(), speech.cost_units)

    async def _next(self, chunks: AsyncIterator[AudioChunk]) -> AudioChunk | None:
        try:
            async with asyncio.timeout(self._options.stall_seconds) as stall:
                return await anext(chunks, None)
        except TimeoutError:
            if not stall.expired():
                raise
            raise MediaError(
                Reason.PROVIDER_TIMEOUT,
                f"The provider sent nothing for {self._options.stall_seconds:g} seconds; retry, or use another one.",
            ) from None

    def _refuse_too_long(self, spec: SpeechSpec, provider: SpeechProvider) -> None:
        capabilities = provider.capabilities
        of_model = capabilities.max_text_characters.get(spec.model_id, capabilities.default_max_text_characters)
        limit = min(of_model, self._options.max_text_characters)
        if len(spec.text) > limit:
            who = spec.model_id or provider.name
            raise invalid(
                "text", f"must be at most {limit} characters for {who}, has {len(spec.text)}", Reason.TEXT_TOO_LONG
            )


def _output_format(wish: SpeechWish, provider: SpeechProvider) -> OutputFormat:
    output_format = FORMATS.get(wish.output_format) if wish.output_format else DEFAULT_FORMAT
    families = provider.capabilities.families
    if output_format is None or output_format.family not in families:
        offered = ", ".join(name for name, item in FORMATS.items() if item.family in families)
        raise invalid("output_format", f"must be one that {provider.name} offers: {offered}")
    return output_format
