"""The plan of a speech request and its events, in the order in which they are sent: header, audio, done."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from services.common.cache import CacheStatus
from services.common.text.mapping import MappedText
from services.common.timing.alignment import Alignment
from services.tts.providers.interface import AudioChunk, SpeechProvider, SpeechSpec


@dataclass(frozen=True, slots=True)
class Plan:
    """A resolved request: the provider to use, and exactly what it speaks."""

    provider: SpeechProvider
    spec: SpeechSpec
    with_alignment: bool
    """Whether the caller wants timing."""
    shared: bool = True
    """Whether the speech may come from the cache or from a running production, and may be cached."""
    resumable: bool = False
    """Whether another call may continue an interrupted stream, from the sentence that was cut."""
    streamed: bool = False
    """Whether the caller plays the speech while it is generated."""
    fallbacks: tuple[Plan, ...] = ()
    """Plans of other providers to try if this one fails, in order."""
    caller_text: MappedText | None = None
    """The text as the caller wrote it, and what `spec.text` is made of; None if they are the same."""


class CostReport:
    """Counts what providers have charged for a production so far; its callers share it, and each unit is reported once.

    Every call that a provider accepts is added, because the provider also charges abandoned calls.
    """

    def __init__(self, cost_units: int | None = None) -> None:
        self._cost_units = cost_units

    def add(self, cost_units: int | None) -> None:
        """Add a charge; None if the provider does not report one."""
        if cost_units is not None:
            self._cost_units = (self._cost_units or 0) + cost_units

    def take(self) -> int | None:
        """Return the units that were not taken yet, and mark them as taken; None if no provider reported a cost."""
        taken = self._cost_units
        self._cost_units = None if taken is None else 0
        return taken


@dataclass(frozen=True, slots=True)
class Header:
    """Sent when the provider has accepted: describes the audio that follows."""

    spec: SpeechSpec
    provider: str
    provider_request_id: str = ""
    ignored_fields: tuple[str, ...] = ()
    cache_status: CacheStatus = "bypass"
    queued_seconds: float = 0.0
    stored_audio_id: str = ""
    """Id under which the audio will be stored; empty if it is not."""
    cost_report: CostReport = field(default_factory=CostReport, compare=False)
    """The charges of the production, complete when it ends."""


@dataclass(frozen=True, slots=True)
class Seam:
    """A place where one provider call ended early and another continues."""

    text_offset: int
    """Code points of the text before the sentence that the new call begins with."""
    at_seconds: float
    """Start of the new call's audio."""
    provider: str
    """Name of the provider that continues."""
    reason: str
    """Why the previous call ended: the name of a `Reason` of services/common/errors.py."""


@dataclass(frozen=True, slots=True)
class Done:
    """Sent after the last audio: describes what was delivered."""

    characters: int
    audio_bytes: int
    duration_seconds: float
    sha256: str
    cost_units: int | None
    seams: tuple[Seam, ...] = ()
    cached_characters: int = 0
    saved_cost_units: int = 0
    """What the cached part cost when it was generated."""
    stored: StoredAudio | None = None
    """The stored audio; None if it was not stored."""
    timing_repairs: frozenset[str] = frozenset()
    """What was wrong with the timing of the providers: names of piece_timing.Repair."""


@dataclass(frozen=True, slots=True)
class StoredAudio:
    """The record of stored audio."""

    audio_id: str
    """The id, a UUID."""
    key: str
    """Key of the object; URLs are built on demand, because they expire."""
    content_type: str
    size_bytes: int
    duration_seconds: float
    sha256: str
    alignment: Alignment
    """Timing of each character; may be empty."""
    model_id: str
    voice_id: str
    voice_name: str
    provider: str
    output_format: str
    stored_at: datetime
    """In UTC."""


@dataclass(frozen=True, slots=True)
class AudioUrl:
    """A URL of stored audio."""

    url: str
    expires_at: datetime | None
    """When the URL expires; None if it does not."""


SpeechEvent = Header | AudioChunk | Done


def estimate_size_bytes(event: SpeechEvent) -> int:
    """Return roughly how much memory an event takes."""
    match event:
        case AudioChunk():
            return len(event.audio) + 100 * len(event.alignment or ())
        case _:
            return 500


def with_cache_status(event: SpeechEvent, status: CacheStatus) -> SpeechEvent:
    """Return the event for a caller that pays nothing, because it shares a production or reads from the cache."""
    match event:
        case Header():
            return replace(event, cache_status=status, queued_seconds=0.0)
        case Done():
            cached_characters = event.characters if status == "hit" else 0
            saved_cost_units = event.saved_cost_units + (event.cost_units or 0)
            return replace(
                event,
                cost_units=0,
                cached_characters=cached_characters,
                saved_cost_units=saved_cost_units,
                timing_repairs=frozenset(),
            )
        case _:
            return event
