"""Call the candidates of a plan in order until one generates the image, each with its limiter and retries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from services.common.resilience.failover import FailureLog, first_available
from services.common.resilience.retry import ProviderPolicy, call_with_retries
from services.image.planning import Candidate
from services.image.providers.interface import GeneratedImage


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """An image, and the candidate that generated it."""

    candidate: Candidate
    image: GeneratedImage
    queued_seconds: float
    """Time spent waiting for permits of the limiters."""


async def generate_with_failover(candidates: Sequence[Candidate], policy: ProviderPolicy) -> GenerationResult:
    """Return the image of the first candidate that succeeds.

    Raises:
        MediaError: All providers failed; the error of the first candidate, with the others' reasons in its metadata.
    """
    wait_budget = policy.start_wait_budget()
    attempts = FailureLog()

    async def generate(candidate: Candidate) -> GenerationResult:
        provider = candidate.provider
        with attempts.record(provider.name):
            answered = await call_with_retries(
                partial(provider.generate, candidate.spec),
                provider.name,
                policy,
                wait_budget,
            )
        return GenerationResult(candidate, answered.answer, answered.queued_seconds)

    return await first_available(candidates, generate, attempts)
