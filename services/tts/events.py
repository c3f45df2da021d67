"""What happens while speech is made, in the order in which it happens: header, chunks of audio, done."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from services.common.timing.alignment import Alignment
from services.tts.providers.interface import AudioChunk, SpeechProvider, SpeechSpec

CacheStatus = Literal["miss", "hit", "joined", "bypass"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A wish made definite: who will speak, and what exactly."""

    provider: SpeechProvider
    spec: SpeechSpec
    with_alignment: bool
    """Whether timing is wanted."""
    shared: bool = True
    """Whether a stored or a running production of the same may answer, and this one be stored."""
    resumable: bool = False
    """Whether a failure on the way may be mended by another call that begins with the sentence it cut."""
    streamed: bool = False
    """Whether it is heard while it is made."""
    fallbacks: tuple[Plan, ...] = ()
    """Who else may speak if this provider cannot, in order."""


class CostReport:
    """What providers have charged for a production so far; one for all who share it, of whom each unit is told to one.

    It grows with every call that a provider accepts: what is left on the way is paid for all the same.
    """

    def __init__(self, cost_units: int | None = None) -> None:
        self._cost_units = cost_units

    def add(self, cost_units: int | None) -> None:
        """Add what was charged; None if the provider does not tell."""
        if cost_units is not None:
            self._cost_units = (self._cost_units or 0) + cost_units

    def take(self) -> int | None:
        """Return what nobody has taken yet; None if no provider has told of a cost."""
        taken = self._cost_units
        self._cost_units = None if taken is None else 0
        return taken


@dataclass(frozen=True, slots=True)
class Header:
    """The provider has accepted: what the audio will be."""

    spec: SpeechSpec
    provider: str
    provider_request_id: str = ""
    ignored_fields: tuple[str, ...] = ()
    cache_status: CacheStatus = "bypass"
    queued_seconds: float = 0.0
    stored_audio_id: str = ""
    """Id under which the audio will be stored; empty if it is not."""
    cost_report: CostReport = field(default_factory=CostReport, compare=False)
    """What it costs."""


@dataclass(frozen=True, slots=True)
class Seam:
    """Where one provider call ended early and another went on."""

    text_offset: int
    """Code points of the text before the sentence that the new call begins with."""
    at_seconds: float
    """When the new call's audio begins."""
    provider: str
    """Who goes on."""
    reason: str
    """Why the call before ended, as a name of services.common.errors.Reason."""


@dataclass(frozen=True, slots=True)
class Done:
    """The provider has said all: what the audio was."""

    characters: int
    audio_bytes: int
    duration_seconds: float
    sha256: str
    cost_units: int | None
    seams: tuple[Seam, ...] = ()
    cached_characters: int = 0
    saved_cost_units: int = 0
    """What the part that nobody had to pay for cost when it was paid for."""
    stored: StoredAudio | None = None
    """Where the audio is stored, if it is."""


@dataclass(frozen=True, slots=True)
class StoredAudio:
    """What is known of stored audio."""

    audio_id: str
    """The id, a UUID."""
    key: str
    """Key of the audio; addresses are made when they are needed, because they end."""
    content_type: str
    size_bytes: int
    duration_seconds: float
    sha256: str
    alignment: Alignment
    """When each character is heard; may be empty."""
    model_id: str
    voice_id: str
    voice_name: str
    provider: str
    output_format: str
    stored_at: datetime
    """In UTC."""


@dataclass(frozen=True, slots=True)
class AudioUrl:
    """Where stored audio can be heard."""

    url: str
    expires_at: datetime | None
    """When it ends; None if it lasts."""


SpeechEvent = Header | AudioChunk | Done


def size_bytes(event: SpeechEvent) -> int:
    """Return roughly how much memory an event takes."""
    match event:
        case AudioChunk():
            return len(event.audio) + 100 * len(event.alignment or ())
        case _:
            return 500


def with_cache_status(event: SpeechEvent, status: CacheStatus) -> SpeechEvent:
    """Return an event of somebody else's production as it is told to a caller who paid nothing for it."""
    match event:
        case Header():
            return replace(event, cache_status=status, queued_seconds=0.0)
        case Done():
            cached_characters = event.characters if status == "hit" else 0
            saved_cost_units = event.saved_cost_units + (event.cost_units or 0)
            return replace(event, cost_units=0, cached_characters=cached_characters, saved_cost_units=saved_cost_units)
        case _:
            return event
