"""Has an image drawn: in turn, with retries, and then by whoever stands in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from services.common.resilience.call import call_with_retries
from services.common.resilience.concurrency_limiter import ConcurrencyLimiter
from services.common.resilience.failover import FailureLog, first_available
from services.common.resilience.retry import Retrier, WaitBudget
from services.image.planning import Candidate
from services.image.providers.interface import GeneratedImage


@dataclass(frozen=True, slots=True)
class Care:
    """How providers are treated; one for the process."""

    limiters: Mapping[str, ConcurrencyLimiter]
    """The gate of each provider, by name."""
    retries: Retrier = field(default_factory=Retrier)
    """When a provider is asked again."""
    patience_seconds: float = 60.0
    """Longest wait for turns and between attempts, over all providers; their own work is not counted."""


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """An image, and who drew it."""

    candidate: Candidate
    image: GeneratedImage
    queued_seconds: float
    """Time spent waiting for turns."""


async def generate_with_failover(candidates: Sequence[Candidate], policy: Care) -> GenerationResult:
    """Return the image of the first candidate whose provider generates it.

    Raises:
        MediaError: All providers failed; the error of the first candidate, with the others' reasons in its metadata.
    """
    patience = WaitBudget(policy.patience_seconds)
    attempts = FailureLog()

    async def generate(candidate: Candidate) -> GenerationResult:
        provider = candidate.provider
        with attempts.record(provider.name):
            answered = await call_with_retries(
                partial(provider.generate, candidate.spec),
                provider.name,
                policy.limiters[provider.name],
                policy.retries,
                patience,
            )
        return GenerationResult(candidate, answered.answer, answered.queued_seconds)

    return await first_available(candidates, generate, attempts)
