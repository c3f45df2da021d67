"""Puts the making of speech together: planner, provider care, flights, cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.common.cache import TieredCache
from services.common.resilience.concurrency_limiter import ConcurrencyLimiter
from services.common.resilience.retry import Retrier, RetryPolicy
from services.common.singleflight import SingleFlight
from services.tts.cache import CachedSpeech
from services.tts.events import SpeechEvent, size_bytes
from services.tts.failover import Care
from services.tts.pacing import Pacing
from services.tts.planning import Planner, PlanningOptions
from services.tts.providers.interface import SpeechProvider
from services.tts.synthesis import SynthesisOptions, Synthesizer
from services.tts.utterance import UtteranceOptions


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """How speech is planned, made, shared and kept."""

    planning: PlanningOptions
    """How wishes are made definite."""
    stall_seconds: float = 10.0
    """Longest silence of a provider."""
    patience_seconds: float = 30.0
    """Longest wait for a provider's turn and between attempts."""
    retry: RetryPolicy = RetryPolicy()
    """When a provider is asked again."""
    concurrency: Mapping[str, int] = field(default_factory=dict)
    """Most calls at once by provider; one that is not named has no limit until it tells its own."""
    max_queue: int = 1000
    """Most calls that wait for a turn, by provider."""
    pacing: Pacing | None = Pacing()
    """When audio that is heard while it is made may gather; None for never."""
    reuse_sentences: bool = False
    """Whether sentences are kept and looked for by themselves."""


@dataclass(frozen=True, slots=True)
class SpeechComponents:
    """What the service needs to speak."""

    planner: Planner
    synthesizer: Synthesizer
    flights: SingleFlight[SpeechEvent]


def build_speech(
    providers: Mapping[str, SpeechProvider], options: SpeechOptions, cache: TieredCache[CachedSpeech] | None = None
) -> SpeechComponents:
    """Return the parts, wired; whoever runs them enters `flights` for as long."""
    policy = Care(
        limiters={
            name: ConcurrencyLimiter(name, options.concurrency.get(name), options.max_queue) for name in providers
        },
        retries=Retrier(options.retry),
        stall_seconds=options.stall_seconds,
    )
    flights: SingleFlight[SpeechEvent] = SingleFlight(size_bytes)
    synthesis = SynthesisOptions(
        UtteranceOptions(stall_seconds=options.stall_seconds, pacing=options.pacing),
        patience_seconds=options.patience_seconds,
        reuse_sentences=options.reuse_sentences,
    )
    return SpeechComponents(
        Planner(providers, options.planning), Synthesizer(policy, cache, flights, synthesis), flights
    )
