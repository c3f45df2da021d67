"""What every speech engine offers, and the words that services and engines share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal

from services.common.timing.alignment import Alignment
from services.tts.formats import OutputFormat

VoiceType = Literal["custom", "standard", "account", "embedded"]


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice that can be asked for."""

    voice_id: str
    """The provider's id."""
    name: str
    """Name for people; unique in any case within a provider."""
    provider: str
    """Name of the provider whose voice it is."""
    type: VoiceType
    """Where the voice comes from."""
    language_codes: tuple[str, ...] = ()
    """Languages it speaks natively; empty if not told."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The provider's own words for it."""
    preview_url: str = ""
    """Where a sample can be heard; may be empty."""


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """How a voice delivers a text; None leaves a setting to the provider."""

    stability: float | None = None
    similarity_boost: float | None = None
    style: float | None = None
    speed: float | None = None
    use_speaker_boost: bool | None = None

    def or_else(self, defaults: VoiceSettings) -> VoiceSettings:
        """Return these settings, with `defaults` where they leave one open."""
        return VoiceSettings(
            self.stability if self.stability is not None else defaults.stability,
            self.similarity_boost if self.similarity_boost is not None else defaults.similarity_boost,
            self.style if self.style is not None else defaults.style,
            self.speed if self.speed is not None else defaults.speed,
            self.use_speaker_boost if self.use_speaker_boost is not None else defaults.use_speaker_boost,
        )


@dataclass(frozen=True, slots=True)
class SpeechSpec:
    """A resolved request: everything that decides how the audio sounds, and nothing else."""

    text: str
    """What to say; not blank."""
    voice: Voice
    """Who speaks."""
    output_format: OutputFormat
    """How the audio is encoded."""
    settings: VoiceSettings = VoiceSettings()
    """How it is spoken."""
    model_id: str = ""
    """The provider's model; empty where the provider has none."""
    language_code: str = ""
    """Language of the text; empty to let voice and model decide."""
    seed: int | None = None
    """For repeatable takes, 0 to 2**32 - 1."""
    previous_text: str = ""
    """What was said just before; not spoken."""
    next_text: str = ""
    """What will be said next; not spoken."""
    previous_request_ids: tuple[str, ...] = ()
    """Up to 3 provider request ids of the same speech, before this one."""
    next_request_ids: tuple[str, ...] = ()
    """Up to 3 provider request ids of the same speech, after this one."""
    apply_text_normalization: str = ""
    """auto, on or off; empty to let the provider decide."""


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A piece of audio as the provider delivered it; borders fall anywhere."""

    audio: bytes
    """The next bytes; may be empty where only timing arrived."""
    alignment: Alignment | None = None
    """Timing of the next characters, on the clock of the whole stream."""


@dataclass(frozen=True, slots=True)
class SpeechStream:
    """An accepted request whose audio is on its way."""

    chunks: AsyncIterator[AudioChunk]
    """The audio, until the provider has said all; raises MediaError if it fails or is cut on the way."""
    request_id: str = ""
    """The provider's id of the request; may be empty."""
    cost_units: int | None = None
    """What the provider charges, in its own units; None if not told."""
    ignored_fields: tuple[str, ...] = ()
    """Fields of the request that this provider cannot honour."""
    max_concurrent_requests: int | None = None
    """How many calls the provider takes at once for this key, 1 to 10000; None if not told."""
    rest: Callable[[float], Awaitable[None]] | None = None
    """Takes nothing from the provider for so many seconds, so that more gathers; None where nothing would."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do, declared rather than probed."""

    families: frozenset[str]
    """Format families it can deliver."""
    default_model_id: str = ""
    """Model used where the caller names none; empty if the engine has no models."""
    default_settings: VoiceSettings = VoiceSettings()
    """Settings used where the caller leaves one open."""
    max_text_characters: Mapping[str, int] = field(default_factory=dict)
    """Longest text by model id."""
    default_max_text_characters: int = 10_000
    """Longest text of a model that is not listed."""


class SpeechProvider(ABC):
    """An engine that turns text into audio.

    An instance is opened once per process and used by many calls at once.
    """

    name: str
    """Name in requests and results."""
    capabilities: Capabilities
    """What it can do."""

    @abstractmethod
    def synthesize(self, spec: SpeechSpec, *, with_alignment: bool) -> AbstractAsyncContextManager[SpeechStream]:
        """Return a context in which `spec` is spoken.

        Entering it asks the provider and returns once it has accepted; leaving it, for whatever reason, ends the
        provider's work at once.

        Raises:
            MediaError: The provider refused, failed or could not be reached. Nothing was delivered.
        """

    @abstractmethod
    def resolve(self, voice: str) -> Voice | None:
        """Return the voice of this name (in any case) or id, or None; asks nobody."""

    @abstractmethod
    async def list_voices(self) -> list[Voice]:
        """Return all voices in a stable order; may ask the provider.

        Raises:
            MediaError: The provider could not be asked.
        """

    async def close(self) -> None:
        """Free what the engine holds; the instance is not used afterwards."""
        return
