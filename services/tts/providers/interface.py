"""The interface of speech providers, and the types that the service shares with them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from services.common.text.directions import Kind
from services.common.timing.alignment import Alignment
from services.tts.formats import OutputFormat

if TYPE_CHECKING:  # The engine process reads this module, and must not load the HTTP client of that package.
    from services.common.providers.models import ModelInfo

VoiceType = Literal["custom", "standard", "account", "embedded"]


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice of a provider."""

    voice_id: str
    """The provider's id."""
    name: str
    """Display name; unique within a provider, ignoring case."""
    provider: str
    """Name of the provider that has it."""
    type: VoiceType
    """Where the voice comes from."""
    language_codes: tuple[str, ...] = ()
    """Languages it speaks natively; empty if unknown."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of the provider, such as gender or accent."""
    preview_url: str = ""
    """URL of a sample; may be empty."""


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """How a voice speaks a text; None leaves a setting to the provider."""

    stability: float | None = None
    similarity_boost: float | None = None
    style: float | None = None
    speed: float | None = None
    use_speaker_boost: bool | None = None

    def with_defaults(self, defaults: VoiceSettings) -> VoiceSettings:
        """Return these settings, with values of `defaults` for those that are None."""
        return VoiceSettings(
            self.stability if self.stability is not None else defaults.stability,
            self.similarity_boost if self.similarity_boost is not None else defaults.similarity_boost,
            self.style if self.style is not None else defaults.style,
            self.speed if self.speed is not None else defaults.speed,
            self.use_speaker_boost if self.use_speaker_boost is not None else defaults.use_speaker_boost,
        )


@dataclass(frozen=True, slots=True)
class SpeechSpec:
    """A resolved request: exactly the values that decide how the audio sounds."""

    text: str
    """What to say; not blank."""
    voice: Voice
    """The voice to use."""
    output_format: OutputFormat
    """How the audio is encoded."""
    settings: VoiceSettings = VoiceSettings()
    """How it is spoken."""
    model_id: str = ""
    """The provider's model; empty where the provider has none."""
    language_code: str = ""
    """Language of the text; if empty, voice and model decide."""
    seed: int | None = None
    """Seed for repeatable speech, 0 to 2**32 - 1; None for none."""
    previous_text: str = ""
    """Text before this one, for intonation; not spoken."""
    next_text: str = ""
    """Text after this one, for intonation; not spoken."""
    previous_request_ids: tuple[str, ...] = ()
    """Up to 3 provider request ids of the same speech, before this one."""
    next_request_ids: tuple[str, ...] = ()
    """Up to 3 provider request ids of the same speech, after this one."""
    apply_text_normalization: str = ""
    """auto, on or off; if empty, the provider decides."""


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A piece of audio as the provider delivered it; it may end within a frame."""

    audio: bytes
    """The next bytes; empty if only timing arrived."""
    alignment: Alignment | None = None
    """Timing of the next characters, on the clock of the whole stream."""
    text_offset: int | None = None
    """Code points of the text before those that `alignment` times; None if they follow the last ones."""


@dataclass(frozen=True, slots=True)
class SpeechStream:
    """A request that the provider has accepted; its audio follows."""

    chunks: AsyncIterator[AudioChunk]
    """The audio; the iterator raises MediaError if the provider fails or the stream is cut."""
    request_id: str = ""
    """The provider's id of the request; may be empty."""
    cost_units: int | None = None
    """What the provider charges, in its own units; None if not reported."""
    ignored_fields: tuple[str, ...] = ()
    """Fields of the request that this provider cannot honour."""
    max_concurrent_requests: int | None = None
    """Concurrent calls that the provider allows for this key, 1 to 10000; None if not reported."""
    pause: Callable[[float], Awaitable[None]] | None = None
    """Called with seconds to pause reading, so that audio gathers; None if the provider cannot gather it."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do, declared in code."""

    families: frozenset[str]
    """Format families it can deliver."""
    default_model_id: str = ""
    """Model for requests that name none; empty if the provider has no models."""
    default_settings: VoiceSettings = VoiceSettings()
    """Values of settings that the request does not set."""
    models: Mapping[str, ModelInfo] = field(default_factory=dict)
    """The known models by id, each with the trait max_text_characters."""
    default_max_text_characters: int = 10_000
    """Longest text of a model that is not listed."""


class SpeechProvider(ABC):
    """A provider that turns text into audio.

    An instance is opened once per process and used by many calls at once.
    """

    name: str
    """Name in requests and results."""
    capabilities: Capabilities
    """What it can do."""

    @abstractmethod
    def synthesize(self, spec: SpeechSpec, *, with_alignment: bool) -> AbstractAsyncContextManager[SpeechStream]:
        """Return the context of one synthesis request.

        Entering it calls the provider and returns once it has accepted. Leaving it, for any reason, cancels the
        provider's work at once.

        Raises:
            MediaError: The provider refused, failed or was unreachable; nothing was delivered.
        """

    def list_directions(self, model_id: str) -> frozenset[Kind]:
        """Return the kinds of directions in a text that a model follows; others are removed before `synthesize`."""
        return frozenset()

    def check_ready(self) -> None:
        """Raise if no request can succeed, because the provider is not configured; makes no calls.

        Raises:
            MediaError: API_KEY_MISSING.
        """
        return

    @abstractmethod
    def resolve(self, voice: str) -> Voice | None:
        """Return the voice of this name (in any case) or id, or None; makes no calls."""

    async def learn_voice(self, voice: str) -> None:
        """Look up a voice that `resolve` does not know yet, so that it does afterwards; may call the provider.

        Raises:
            MediaError: The provider cannot be asked now; the voice may exist.
        """
        return

    async def check_voice(self, voice: Voice) -> None:
        """Make sure that a voice from `resolve` exists, as far as the provider can be asked without a cost.

        Raises:
            MediaError: VOICE_NOT_FOUND.
        """
        return

    @abstractmethod
    async def list_voices(self) -> list[Voice]:
        """Return all voices in a stable order; may call the provider.

        Raises:
            MediaError: The provider refused, failed or was unreachable.
        """

    async def close(self) -> None:
        """Release the resources of the provider; it must not be used afterwards."""
        return
